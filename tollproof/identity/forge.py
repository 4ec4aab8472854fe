"""Compact JWS (RFC 7515) put together from bytes: well-formed tokens and others.

JOSE libraries refuse to make a hostile token, so header, payload and signature are
joined by hand here. Knows encodings and signature algorithms. Must not know which
tokens a target should refuse (`attacks`), nor whom a token is shown to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

Claims = Mapping[str, Any]

_HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
#: What a key can be made for; HMAC has none that anybody may know.
ALGORITHMS = (
    *(f"{family}{size}" for family in ("RS", "PS") for size in _HASHES),
    *_CURVES,
    "EdDSA",
)
_CURVE_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def encode(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Decode base64url, strictly: no padding, no foreign character.

    Raises:
        ValueError: it is not base64url.
    """
    data = text.encode("ascii", "strict")
    if b"=" in data or b"+" in data or b"/" in data:
        raise ValueError("not base64url: a character that does not belong there")
    standard = data.replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(standard + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64url: {error}") from error


def compact_json(value: object) -> bytes:
    """Write JSON without blanks, keys in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A compact JWS taken apart: the segments as they stand, and what they say.

    Attributes:
        header, claims: the decoded JSON objects.
        signature: the decoded third segment.
    """

    segments: tuple[str, str, str] = field(repr=False)
    header: Claims
    claims: Claims
    signature: bytes = field(repr=False)

    @property
    def signing_input(self) -> bytes:
        """What is signed: the first two segments and the dot between them."""
        return ".".join(self.segments[:2]).encode("ascii")


def parse(token: str) -> Parts:
    """Take a token apart; its signature is not looked at.

    Raises:
        ValueError: not three base64url segments of which two are JSON objects; says
            which segment is wrong and how, never with its content.
    """
    segments = token.split(".")
    if len(segments) != 3:
        raise ValueError(
            f"a signed token has three segments, this has {len(segments)}"
            + (" (five would be an encrypted one)" if len(segments) == 5 else "")
        )
    first, second, third = segments
    header = _object(first, "header")
    claims = _object(second, "payload")
    try:
        signature = decode(third)
    except ValueError:
        raise ValueError("the signature is not base64url") from None
    return Parts(
        segments=(first, second, third),
        header=header,
        claims=claims,
        signature=signature,
    )


def _object(segment: str, name: str) -> Claims:
    try:
        value = json.loads(decode(segment))
    except (ValueError, RecursionError):
        raise ValueError(f"the {name} is not base64url of JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"the {name} is not a JSON object")
    return value


# -- signing -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key and how it signs.

    Attributes:
        algorithm: a JWA name (RFC 7518, 3.1): RS256, PS256, ES256, EdDSA …
        key_id: the `kid` under which its public half is published; may be empty.
    """

    private: PrivateKey = field(repr=False)
    algorithm: str
    key_id: str = ""

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.private.public_key()

    def sign(self, data: bytes, algorithm: str = "") -> bytes:
        """Sign with this key's algorithm, or another that suits its type."""
        return sign(data, algorithm or self.algorithm, self.private)

    def pem(self) -> bytes:
        """Return the private key as unencrypted PKCS #8 PEM."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def sign(data: bytes, algorithm: str, key: PrivateKey | bytes) -> bytes:
    """Sign by a JWA algorithm (RFC 7518, 3; RFC 8037 for EdDSA).

    Raises:
        ValueError: the algorithm is unknown or does not suit the key.
    """
    family, size = algorithm[:2], algorithm[2:]
    match family, key:
        case "HS", bytes() if size in _HASHES:
            return hmac.new(key, data, f"sha{size}").digest()
        case "RS", rsa.RSAPrivateKey() if size in _HASHES:
            return key.sign(data, padding.PKCS1v15(), _HASHES[size]())
        case "PS", rsa.RSAPrivateKey() if size in _HASHES:
            digest = _HASHES[size]()
            mask = padding.MGF1(digest)
            return key.sign(data, padding.PSS(mask, padding.PSS.DIGEST_LENGTH), digest)
        case "ES", ec.EllipticCurvePrivateKey() if size in _HASHES:
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_HASHES[size]())))
            length = (key.key_size + 7) // 8
            return r.to_bytes(length, "big") + s.to_bytes(length, "big")
        case "Ed", ed25519.Ed25519PrivateKey() if algorithm in ("EdDSA", "Ed25519"):
            return key.sign(data)
    raise ValueError(f"{algorithm} does not suit the key, or is unknown")


def mint(header: Claims, claims: Claims, key: SigningKey) -> str:
    """Make a signed token; `alg` and `kid` are taken from the key unless given."""
    full: dict[str, Any] = {"alg": key.algorithm}
    if key.key_id:
        full["kid"] = key.key_id
    full |= header
    return join(compact_json(full), compact_json(claims), key)


def join(header: bytes, payload: bytes, key: SigningKey, algorithm: str = "") -> str:
    """Join a header and a payload as they are and sign them."""
    data = f"{encode(header)}.{encode(payload)}"
    return f"{data}.{encode(key.sign(data.encode('ascii'), algorithm))}"


# -- keys ----------------------------------------------------------------------------


def generate(algorithm: str = "RS256", key_id: str = "") -> SigningKey:
    """Make a new key for an algorithm: RSA of 2048 bits, or the fitting curve.

    Raises:
        ValueError: the algorithm is unknown.
    """
    private: PrivateKey
    match algorithm[:2]:
        case "RS" | "PS":
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ES":
            if algorithm not in _CURVES:
                raise ValueError(f"{algorithm} is unknown")
            private = ec.generate_private_key(_CURVES[algorithm])
        case "Ed":
            private = ed25519.Ed25519PrivateKey.generate()
        case _:
            raise ValueError(f"{algorithm} is unknown, or has no private key")
    return SigningKey(private=private, algorithm=algorithm, key_id=key_id)


def read_key(
    pem: str, *, key_id: str = "", algorithms: tuple[str, ...] = ()
) -> SigningKey:
    """Read a private key from PEM.

    Args:
        algorithms: those the target accepts; the first that suits the key is used,
            otherwise the usual one for its type.

    Raises:
        ValueError: it is no usable private key; says why, never with its content.
    """
    try:
        private = _loaded(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            "not an unencrypted private key in PEM (BEGIN PRIVATE KEY)"
        ) from None
    suitable: tuple[str, ...]
    match private:
        case rsa.RSAPrivateKey():
            suitable, usual = ("RS", "PS"), "RS256"
        case ec.EllipticCurvePrivateKey() if private.curve.name in _CURVE_ALGORITHMS:
            usual = _CURVE_ALGORITHMS[private.curve.name]
            suitable = (usual,)
        case ed25519.Ed25519PrivateKey():
            suitable, usual = ("Ed",), "EdDSA"
        case _:
            raise ValueError("a key of a type that signs no tokens")
    chosen = next((name for name in algorithms if name.startswith(suitable)), usual)
    return SigningKey(private=private, algorithm=chosen, key_id=key_id)


@lru_cache(maxsize=8)
def _loaded(pem: str) -> PrivateKeyTypes:
    """Return a private key; those of one issuer share it, and to check one is slow."""
    return serialization.load_pem_private_key(pem.encode(), None)


def public_jwk(key: PublicKey, key_id: str = "", algorithm: str = "") -> dict[str, str]:
    """Return a public key as a JWK (RFC 7517)."""
    jwk: dict[str, str]
    match key:
        case rsa.RSAPublicKey():
            numbers = key.public_numbers()
            jwk = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        case ec.EllipticCurvePublicKey():
            point = key.public_numbers()
            size = (key.key_size + 7) // 8
            jwk = {
                "kty": "EC",
                "crv": f"P-{key.key_size}",
                "x": encode(point.x.to_bytes(size, "big")),
                "y": encode(point.y.to_bytes(size, "big")),
            }
        case ed25519.Ed25519PublicKey():
            raw = key.public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw
            )
            jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}
    if algorithm:
        jwk |= {"use": "sig", "alg": algorithm}
    if key_id:
        jwk["kid"] = key_id
    return jwk


def _number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def thumbprint(key: PublicKey) -> str:
    """Return the SHA-256 thumbprint of a public key (RFC 7638), base64url."""
    jwk = public_jwk(key)
    return encode(
        hashlib.sha256(compact_json({name: jwk[name] for name in sorted(jwk)})).digest()
    )
