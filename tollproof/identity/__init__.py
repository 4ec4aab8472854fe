"""Named callers: from a profile's identity and its secrets to request headers.

Knows how each mechanism turns secrets into header fields, and in which order several
mechanisms of one identity count. Must not know what is going to be probed. Every
secret is registered with the redactor before it is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tollproof.client import Headers
from tollproof.identity.api_key import FixedCredential
from tollproof.operations import Operation
from tollproof.profile.identities import Identity as Declared
from tollproof.redaction import Credential, Redactor

__all__ = ["FixedCredential", "Identity", "Mechanism", "Open"]


class Mechanism(Protocol):
    """One way of showing who is calling."""

    @property
    def header(self) -> str:
        """The field that carries the credential: `Authorization`."""

    @property
    def scheme(self) -> str:
        """What stands before it: `Bearer`; empty for a bare key."""

    def credential(self) -> Credential:
        """Return the credential to send now, fetching or minting it when needed.

        Raises:
            Undetermined: none can be had; says why.
        """


@dataclass(frozen=True, slots=True)
class Open:
    """The mechanism of a caller that shows no credential at all."""

    header: str = "Authorization"
    scheme: str = ""

    def credential(self) -> Credential:
        raise LookupError("an open identity has no credential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A named caller of the API: what the profile says of it, ready to call.

    Attributes:
        declared: the profile's entry: name, organisation, state, grants, owned objects.
        mechanism: the one mechanism that counts, of those it holds.
    """

    declared: Declared
    mechanism: Mechanism
    redactor: Redactor = field(repr=False)

    @property
    def name(self) -> str:
        """What the profile calls it."""
        return self.declared.name

    @property
    def state(self) -> str:
        """`live`, `revoked`, `expired` or `wrong_environment`."""
        return self.declared.state

    @property
    def organisation(self) -> str:
        """The organisation (tenant) it belongs to; empty when not said."""
        return self.declared.organisation or ""

    @property
    def owns(self) -> Mapping[str, str]:
        """Path parameters of objects that are its own."""
        return self.declared.owns

    @property
    def limit(self) -> tuple[int, float] | None:
        """Requests and window in seconds, where it has its own limit."""
        own = self.declared.limit
        return (own.requests, own.window) if own else None

    @property
    def is_open(self) -> bool:
        """Whether it shows no credential."""
        return isinstance(self.mechanism, Open)

    @property
    def is_live(self) -> bool:
        """Whether the deployment should let it in."""
        return self.state == "live" and not self.is_open

    def may_call(self, operation: Operation) -> bool:
        """Whether its grants cover an operation."""
        return self.declared.may_call(operation.label)

    def headers(self) -> Headers:
        """Return the header fields that show its credential; none when open."""
        if self.is_open:
            return ()
        return self.showing(self.mechanism.credential().value)

    def showing(self, value: str, *, scheme: str | None = None) -> Headers:
        """Return the same fields with another value, and another scheme if given."""
        prefix = self.mechanism.scheme if scheme is None else scheme
        return ((self.mechanism.header, f"{prefix} {value}" if prefix else value),)

    def variant(self, change: Callable[[str], str], what: str) -> Credential:
        """Derive a credential from its own, registered so that it never shows.

        A key with one character changed is nearly the key: it is as secret.

        Args:
            change: from the credential's value to the variant's.
            what: the change in words, `one character changed`.
        """
        own = self.mechanism.credential()
        derived = Credential(
            label=f"{self.name}, {what}",
            value=change(own.value),
            public_prefix=own.public_prefix,
            kind=own.kind,
            derived=True,
        )
        self.redactor.add(derived)
        return derived
