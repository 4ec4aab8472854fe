"""The keys an issuer publishes: a JWK set (RFC 7517), or certificates as Google does.

Knows both documents, and every way in which one public key is written down: a server
that takes the wrong one of them for a shared secret is what key confusion lives on.
Must not know how the documents are fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tollproof.identity.forge import PublicKey, compact_json, decode, public_jwk

_CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
#: Keys of a set that are looked at; the rest is left alone.
MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """One public key of the issuer.

    Attributes:
        certificate: the PEM in which it was published; empty for a JWK.
    """

    key: PublicKey
    key_id: str = ""
    certificate: str = field(default="", repr=False)

    def spellings(self) -> Iterator[tuple[str, bytes]]:
        """Yield each way to write the key down, with its name."""
        spki = self.key.public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        yield "PEM", spki
        yield "PEM without its final newline", spki.rstrip(b"\n")
        yield "PEM without newlines", spki.replace(b"\n", b"")
        yield "PEM with CRLF", spki.replace(b"\n", b"\r\n")
        yield (
            "DER",
            self.key.public_bytes(
                serialization.Encoding.DER,
                serialization.PublicFormat.SubjectPublicKeyInfo,
            ),
        )
        if isinstance(self.key, rsa.RSAPublicKey):
            pkcs1 = self.key.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
            )
            yield "PKCS #1 PEM", pkcs1
            yield "PKCS #1 PEM without its final newline", pkcs1.rstrip(b"\n")
        jwk = public_jwk(self.key)
        yield "JWK", compact_json(jwk)
        for name in ("n", "x"):
            if name in jwk:
                yield f"the JWK's {name} in base64url", jwk[name].encode("ascii")
                yield f"the JWK's {name} in bytes", decode(jwk[name])
        if self.certificate:
            yield "the certificate", self.certificate.encode("ascii")
            yield (
                "the certificate without its final newline",
                self.certificate.rstrip("\n").encode("ascii"),
            )


def read_published(text: str) -> tuple[PublishedKey, ...]:
    """Read a JWK set, or a JSON object of certificates in PEM by key id.

    Keys of types that sign no tokens, or that are for encryption, are left out.

    Raises:
        ValueError: it is neither, or holds no usable key; says why.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("the issuer's key document is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("the issuer's key document is not a JSON object")
    entries = document.get("keys")
    if isinstance(entries, list):
        found = [key for item in entries[:MOST] if (key := _from_jwk(item)) is not None]
    else:
        found = [
            key
            for name, value in list(document.items())[:MOST]
            if (key := _from_certificate(name, value)) is not None
        ]
    if not found:
        raise ValueError("the issuer's key document holds no key for signatures")
    return tuple(found)


def _from_certificate(key_id: str, pem: object) -> PublishedKey | None:
    if not isinstance(pem, str):
        return None
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    ):
        return None
    return PublishedKey(key=key, key_id=key_id, certificate=pem)


def _from_jwk(jwk: object) -> PublishedKey | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    try:
        key = _public_key(jwk)
    except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        return None
    return PublishedKey(key=key, key_id=str(jwk.get("kid", ""))) if key else None


def _public_key(jwk: dict[str, str]) -> PublicKey | None:
    def number(name: str) -> int:
        return int.from_bytes(decode(jwk[name]), "big")

    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            return rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
        case "EC", str(curve) if curve in _CURVES:
            point = ec.EllipticCurvePublicNumbers(
                number("x"), number("y"), _CURVES[curve]
            )
            return point.public_key()
        case "OKP", "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk["x"]))
    return None
