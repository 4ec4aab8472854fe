"""What an attack on a token is: one thing wrong with it, and the key that takes.

Knows how an attack's data become a token. The list itself is in `attacks`. Must not
know which check an attack belongs to beyond its group, nor who is attacked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Any

from tollproof.identity.forge import (
    ALGORITHMS,
    Claims,
    Parts,
    SigningKey,
    compact_json,
    encode,
    generate,
    parse,
    sign,
)
from tollproof.identity.published import PublishedKey


class Needs(StrEnum):
    """Which key an attack takes."""

    NOTHING = "none"
    PUBLIC_KEY = "public key"
    TRUSTED_KEY = "trusted signing key"
    OWN_KEY = "own key"


class Unsuited(Exception):
    """An attack cannot be made from this token: the text says why."""


#: Takes a member out of a header or payload.
REMOVE = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What attacks are made from.

    Attributes:
        genuine: a token that the target accepts.
        now: the target's clock, Unix seconds.
        trusted: a key whose signatures the target accepts, when there is one.
        published: the issuer's public key, when it is known.
        own: a key of ours, of the type of the genuine one, that nobody trusts.
        listener: `http://host:port` where calls are recorded; empty when there is none.
        max_age: the longest promised life of a token, in seconds.
    """

    genuine: str = field(repr=False)
    now: float
    trusted: SigningKey | None = field(default=None, repr=False)
    published: PublishedKey | None = None
    listener: str = ""
    max_age: float | None = None

    @property
    def parts(self) -> Parts:
        """The genuine token, taken apart."""
        return parse(self.genuine)

    @property
    def own(self) -> SigningKey:
        """A key of ours that nobody trusts, for the genuine token's algorithm."""
        return own_key(self.own_algorithm)

    @property
    def own_algorithm(self) -> str:
        """What a key of ours signs with: as the genuine token is, if that is known."""
        name = str(self.parts.header.get("alg", "RS256"))
        return name if name in ALGORITHMS else "RS256"

    @property
    def claims(self) -> Claims:
        """The genuine token's claims."""
        return self.parts.claims


def own_key(algorithm: str) -> SigningKey:
    """Return a key of ours, made once for each algorithm; nobody trusts it."""
    with _ONE_AT_A_TIME:
        return _made(algorithm)


_ONE_AT_A_TIME = Lock()


@cache
def _made(algorithm: str) -> SigningKey:
    return generate(algorithm, key_id="tollproof-own-key")


Edit = Any  # a value, REMOVE, or Callable[[Material], value]
Signer = Callable[[Material, bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way in which a token is wrong, all else being as in a genuine one.

    Attributes:
        name: unique, in words, as it stands in reports.
        group: slug of the check that shows it.
        wrong: what is wrong, the end of "a token …".
        needs: the key it takes.
        header, claims: members that differ, and their values.
        signature: the bytes of the third segment, from the material and the signing
            input; None keeps the genuine one.
        form: from the compact token to how it is written instead.
        payload: the bytes of the second segment, when they are not a JSON object.
        firebase: only Firebase ID tokens promise to be refused for it.
    """

    name: str
    group: str
    wrong: str
    needs: Needs = Needs.NOTHING
    header: Mapping[str, Edit] = field(default_factory=dict)
    claims: Mapping[str, Edit] = field(default_factory=dict)
    signature: Signer | None = None
    form: Callable[[str], str] | None = None
    payload: Callable[[Material], bytes] | None = None
    firebase: bool = False

    @property
    def differs(self) -> frozenset[str]:
        """Every place where the token differs from a genuine one.

        `header.alg`, `payload.exp`, `payload` (as a whole), `signature`, `form`. A
        trusted signature over changed claims is right, so it is not among them.
        """
        places = {f"header.{name}" for name in self.header}
        places |= {f"payload.{name}" for name in self.claims}
        if self.payload is not None:
            places.add("payload")
        if self.signature is not None and self.needs is not Needs.TRUSTED_KEY:
            places.add("signature")
        if self.form is not None:
            places.add("form")
        return frozenset(places)

    def forge(self, material: Material) -> str:
        """Make the token.

        Raises:
            Unsuited: the genuine token, or the key, does not lend itself to it.
        """
        parts = material.parts
        first, second, third = parts.segments
        if self.header:
            first = encode(compact_json(_edited(parts.header, self.header, material)))
        if self.payload is not None:
            second = encode(self.payload(material))
        elif self.claims:
            second = encode(compact_json(_edited(parts.claims, self.claims, material)))
        if self.signature is not None:
            data = f"{first}.{second}".encode("ascii")
            third = encode(self.signature(material, data))
        token = f"{first}.{second}.{third}"
        return self.form(token) if self.form is not None else token


def _edited(
    original: Claims, edits: Mapping[str, Edit], material: Material
) -> dict[str, Any]:
    changed = dict(original)
    for name, edit in edits.items():
        value = edit(material) if callable(edit) else edit
        if value is REMOVE:
            changed.pop(name, None)
        else:
            changed[name] = value
    return changed


# -- signatures ----------------------------------------------------------------------


def empty(material: Material, data: bytes) -> bytes:
    """No signature at all."""
    return b""


def trusted(material: Material, data: bytes) -> bytes:
    """The signature of a key that the target trusts."""
    return _trusted(material).sign(data)


def trusted_as(algorithm: str) -> Signer:
    """A trusted key's signature, by another algorithm than the usual one."""

    def signature(material: Material, data: bytes) -> bytes:
        try:
            return _trusted(material).sign(data, algorithm)
        except ValueError as error:
            raise Unsuited(str(error)) from None

    return signature


def _trusted(material: Material) -> SigningKey:
    if material.trusted is None:
        raise Unsuited("the profile has no signing key")
    return material.trusted


def own(material: Material, data: bytes) -> bytes:
    """The signature of a key of ours."""
    return material.own.sign(data)


def keyed(
    secret: bytes | Callable[[Material], bytes], algorithm: str = "HS256"
) -> Signer:
    """An HMAC with a secret that anybody knows."""

    def signature(material: Material, data: bytes) -> bytes:
        key = secret(material) if callable(secret) else secret
        return sign(data, algorithm, key)

    return signature


def public_key_as(spelling: str) -> Callable[[Material], bytes]:
    """The issuer's public key as bytes, written in one of its spellings."""

    def secret(material: Material) -> bytes:
        if material.published is None:
            raise Unsuited("the issuer's public key is not known")
        found = dict(material.published.spellings())
        if spelling not in found:
            raise Unsuited(f"this key cannot be written as {spelling}")
        return found[spelling]

    return secret


def changed(change: Callable[[bytes], bytes]) -> Signer:
    """The genuine signature with its bytes changed."""
    return lambda material, data: change(material.parts.signature)
