"""ID tokens: verified as firebase-admin does, and what it leaves out.

Firebase's documentation: RS256, a `kid` of a published certificate, `aud` the project,
`iss` its issuer, `sub` of 1 to 128 characters, `iat` and `auth_time` in the past, `exp`
in the future. Beside that `nbf` is heeded and no token lives longer than promised.

Knows tokens and keys; what a verified user may do is decided elsewhere. The procedure
is a value, so that a fault is another value and this reads as if there were none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact, extract_compact
from joserfc.util import to_bytes

Claims = Mapping[str, Any]
#: Longer than any ID token; what is longer is not even taken apart.
LONGEST = 8192


class _Registry(JWSRegistry):
    """RS256 alone; members that nobody knows are ignored (RFC 7515, 4)."""

    max_header_length = LONGEST
    max_payload_length = LONGEST

    def __init__(self) -> None:
        super().__init__(algorithms=["RS256"], strict_check_header=False)


_REGISTRY = _Registry()


class TokenRefused(Exception):
    """A token that is not accepted; callers of the API never learn why."""


class KeySource(Protocol):
    """The issuer's published keys."""

    def find(self, key_id: str) -> RSAPublicKey | None:
        """Return the key of that id, asking the issuer again if it is new."""
        ...

    def all(self) -> tuple[RSAPublicKey, ...]:
        """Return every published key."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is accepted.

    Attributes:
        max_age: the longest life of a token, seconds.
        leeway: by how much the issuer's clock may be ahead, seconds.
    """

    issuer: str
    audience: str
    max_age: float = 3600.0
    leeway: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A token taken apart, nothing of it proved yet."""

    token: str = field(repr=False)
    header: Claims
    claims: Claims


def read(token: str) -> Reading:
    """Take a token apart.

    Raises:
        TokenRefused: it is not a compact JWS whose header and payload are objects.
    """
    if len(token) > LONGEST:
        raise TokenRefused("too long")
    try:
        compact = extract_compact(to_bytes(token), registry=_REGISTRY)
        header, claims = compact.headers(), json.loads(compact.payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise TokenRefused("malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("malformed")
    return Reading(token=token, header=header, claims=claims)


def authenticate(reading: Reading, keys: KeySource) -> None:
    """Hold the signature against the issuer's published key, with RS256 alone.

    Raises:
        TokenRefused: it is not the issuer's signature over this token.
    """
    header = reading.header
    key_id = header.get("kid")
    if header.get("alg") != "RS256" or not isinstance(key_id, str):
        raise TokenRefused("algorithm or key id")
    key = keys.find(key_id)
    if key is None:
        raise TokenRefused("unknown key id")
    try:
        deserialize_compact(reading.token, RSAKey.import_key(key), registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise TokenRefused("signature") from error


# -- claims --------------------------------------------------------------------------

ClaimCheck = Callable[[Claims, Policy, float], bool]


def _time(claims: Claims, name: str) -> float | None:
    """Return a time of this millennium; anything else is no time."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < 1e11 else None


def _expiry(claims: Claims, policy: Policy, now: float) -> bool:
    exp = _time(claims, "exp")
    return exp is not None and now < exp


def _not_before(claims: Claims, policy: Policy, now: float) -> bool:
    if "nbf" not in claims:
        return True
    nbf = _time(claims, "nbf")
    return nbf is not None and nbf <= now + policy.leeway


def _issued_at(claims: Claims, policy: Policy, now: float) -> bool:
    iat = _time(claims, "iat")
    return iat is not None and iat <= now + policy.leeway


def _auth_time(claims: Claims, policy: Policy, now: float) -> bool:
    auth_time = _time(claims, "auth_time")
    return auth_time is not None and auth_time <= now + policy.leeway


def _lifetime(claims: Claims, policy: Policy, now: float) -> bool:
    exp = _time(claims, "exp") or 0.0  # without one there is no end to judge
    return exp - now <= policy.max_age + policy.leeway


def _subject(claims: Claims, policy: Policy, now: float) -> bool:
    sub = claims.get("sub")
    return isinstance(sub, str) and 1 <= len(sub) <= 128


CHECKS: Mapping[str, ClaimCheck] = MappingProxyType(
    {
        "issuer": lambda claims, policy, now: claims.get("iss") == policy.issuer,
        "audience": lambda claims, policy, now: claims.get("aud") == policy.audience,
        "subject": _subject,
        "expiry": _expiry,
        "not-before": _not_before,
        "issued-at": _issued_at,
        "auth-time": _auth_time,
        "lifetime": _lifetime,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """How a token is verified: three steps, each of which may be another."""

    read: Callable[[str], Reading] = read
    authenticate: Callable[[Reading, KeySource], None] = authenticate
    checks: Mapping[str, ClaimCheck] = field(default_factory=lambda: CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVerifier:
    """Verifies the tokens of one issuer for one audience."""

    policy: Policy
    keys: KeySource
    procedure: Procedure = field(default_factory=Procedure)

    def verify(self, token: str, now: float) -> Claims:
        """Return the claims of a token that is accepted.

        Args:
            now: Unix seconds.

        Raises:
            TokenRefused: it is not.
        """
        reading = self.procedure.read(token)
        self.procedure.authenticate(reading, self.keys)
        for name, holds in self.procedure.checks.items():
            if not holds(reading.claims, self.policy, now):
                raise TokenRefused(name)
        return reading.claims
