"""Credentials that are known beforehand: API keys and bearer tokens.

Knows how a fixed value is written into a header field. Must not know where the value
came from.
"""

from __future__ import annotations

from dataclasses import dataclass

from tollproof.redaction import Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCredential:
    """An API key in any header under any scheme, or a bearer token."""

    value: Credential
    header: str = "Authorization"
    scheme: str = "Bearer"

    def credential(self) -> Credential:
        """Return the credential."""
        return self.value


def without_scheme(value: str, scheme: str) -> str:
    """Take one leading `scheme` off a value, so that it is added just once.

    RFC 9110, 11.1: a scheme is compared without regard to case.
    """
    head, space, rest = value.strip().partition(" ")
    if scheme and space and head.lower() == scheme.lower():
        return rest.strip()
    return value.strip()
