"""What tests of tokens share: keys made once, material, a strict verifier.

The verifier is written with another JOSE library than the forger, so that a mistake in
one of them shows.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc import jwk as jose_keys
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import decode

from tollproof.identity.attack import Material
from tollproof.identity.forge import SigningKey, generate, mint, public_jwk
from tollproof.identity.published import PublishedKey
from tollproof.reference.issuer import Issuer, id_claims
from tollproof.reference.sparkient.tokens import Policy

PROJECT = "demo-project"
MAX_AGE = 3600.0


class _Roomy(JWSRegistry):
    """Without joserfc's bound of 512 bytes, which would refuse for the wrong reason."""

    max_header_length = 20_000


@cache
def key_of(algorithm: str) -> SigningKey:
    """Return a key that the verifiers of these tests trust."""
    return generate(algorithm, key_id="trusted-1")


@cache
def issuer() -> Issuer:
    """Return an issuer with one key."""
    return Issuer(project=PROJECT)


def policy() -> Policy:
    return Policy(issuer=issuer().name, audience=PROJECT, max_age=MAX_AGE)


def claims_of(subject: str = "user-1", **extra: Any) -> dict[str, Any]:
    return id_claims(subject, project=PROJECT, now=time.time(), extra=extra)


def material(
    algorithm: str = "RS256", *, listener: str = "", **claims: Any
) -> Material:
    """Return what attacks are made from, for a trusted key of that algorithm."""
    key = key_of(algorithm)
    certificate = ""
    if algorithm == "RS256":
        key = issuer().key
        certificate = issuer().certificates()[key.key_id]
    return Material(
        genuine=_told_apart(claims_of(**claims), key),
        now=time.time(),
        trusted=key,
        published=PublishedKey(
            key=key.public, key_id=key.key_id, certificate=certificate
        ),
        listener=listener,
        max_age=MAX_AGE,
    )


def _told_apart(claims: dict[str, Any], key: SigningKey) -> str:
    """Mint a token whose signature differs in the two base64 alphabets.

    One of ES256 in fifteen does not, and an attack on the alphabet would be missing.
    """
    for number in range(100):
        token = mint({"typ": "JWT"}, {**claims, "jti": f"test-{number}"}, key)
        if re.search("[-_]", token.rpartition(".")[2]):
            return token
    raise AssertionError("no such signature in a hundred")


@dataclass(frozen=True)
class TrustedKeys:
    """The keys of a material, as the reference's verifier asks for them."""

    key: SigningKey

    def find(self, key_id: str) -> RSAPublicKey | None:
        return self.all()[0] if key_id == self.key.key_id else None

    def all(self) -> tuple[RSAPublicKey, ...]:
        public = self.key.public
        assert isinstance(public, RSAPublicKey)
        return (public,)


def strictly_accepted(token: str, key: SigningKey, *, max_age: float = MAX_AGE) -> bool:
    """Verify as strictly as the specifications and Firebase's documentation allow."""
    known = jose_keys.import_key({**public_jwk(key.public, key.key_id)})
    registry = _Roomy(algorithms=[key.algorithm], strict_check_header=False)
    try:
        decoded = decode(token, known, registry=registry)
    except (JoseError, ValueError, RecursionError):
        return False
    claims, now = decoded.claims, time.time()
    times = [claims.get(name) for name in ("exp", "iat", "auth_time")]
    if any(isinstance(item, bool) or not isinstance(item, int) for item in times):
        return False
    subject = claims.get("sub")
    return (
        decoded.header.get("kid") == key.key_id
        and claims.get("iss") == issuer().name
        and claims.get("aud") == PROJECT
        and isinstance(subject, str)
        and 1 <= len(subject) <= 128
        and claims["iat"] <= now + 10 < claims["exp"]
        and claims["auth_time"] <= now + 10
        and claims.get("nbf", 0) <= now + 10
        and claims["exp"] - now <= max_age + 10
    )
