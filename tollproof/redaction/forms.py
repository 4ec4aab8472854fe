"""The shapes in which one credential can appear in a text.

Plain, in hexadecimal, in base64 at each of its three alignments, as an unsalted
digest. Escapes (percent, JSON, HTML) are not here: they can be mixed at will within
one value, so `views` undoes them in the text instead.

Everything is compared *folded*: letters in lower case and the URL-safe alphabet of
base64 as the standard one, which makes one form of several.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

#: Consecutive characters of a secret that give it away even when others are missing.
RUN = 12
#: A shorter credential would be found in texts that have nothing to do with it.
SHORTEST = 6
# What makes a run telling, see :func:`telling`.
_TURNS = 3
_LONG_RUN = 20
_STEPS = 4
_CHARACTERS = 5

_FOLD = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", b"abcdefghijklmnopqrstuvwxyz+/"
)
_CLASS = (
    bytes(
        ord("d")
        if chr(code).isdigit()
        else ord("l")
        if chr(code).islower()
        else ord("u")
        if chr(code).isupper()
        else ord("o")
        for code in range(128)
    )
    + b"o" * 128
)

_DIGESTS = ("md5", "sha1", "sha256", "sha384", "sha512")
_PREFIX = re.compile(r"(?:[a-z]{1,8}[_-]){1,3}")
_JWT = re.compile(r"eyJ[\w-]*\.([\w-]*)\.([\w-]*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A secret of the run.

    Attributes:
        label: what it is called wherever it is not shown: `alpha`.
        value: the secret itself; not in the repr.
        public_prefix: the beginning that every key shares and masked keys show,
            `sk_live_`; when empty, a beginning of that look is taken for one.
        kind: what it is to whoever sends it; a JWT is told by its look alone.
        derived: it was made from another one here, and nobody else has it.
    """

    label: str
    value: str = field(repr=False)
    public_prefix: str = ""
    kind: Literal["key", "token", "secret"] = "key"
    derived: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Form:
    """One way to write a credential.

    Attributes:
        text: as it is looked for, folded.
        exact: as it is written, where letter case tells one value from another.
        bits: what one character of `text` says: 8 plain, 4 hex, 6 base64.
        offset: bits of the value before the first character of `text`.
        value: what is written; `secret` is where its secret part begins.
        whole: nothing less than all of `text` counts.
        complete: all of `text` is all of the credential.
    """

    label: str
    encoding: str
    text: bytes = field(repr=False)
    value: bytes = field(repr=False)
    exact: bytes | None = field(default=None, repr=False)
    bits: int = 8
    offset: int = 0
    secret: int = 0
    whole: bool = False
    complete: bool = True

    @property
    def first(self) -> int:
        """Index of the first character of `text` that is all secret."""
        return max(-((self.offset - 8 * self.secret) // self.bits), 0)

    def gives_away(self, low: int, high: int) -> bool:
        """Whether `text[low:high]` holds a telling run of the secret part."""
        start = (self.offset + self.bits * low) // 8
        end = -(-(self.offset + self.bits * high) // 8)
        return telling(self.value[max(start, self.secret) : end])


def fold(data: bytes) -> bytes:
    """Make one of all letter cases and of both alphabets of base64."""
    return data.translate(_FOLD)


def telling(run: bytes) -> bool:
    """Whether a run of characters can only come from the secret it is part of.

    It is long enough; it is no repetition or sequence (`aaaa…`, `0123…`, `abab…`); and
    it changes between small letters, capitals, digits and others as keys do and words
    do not, so that a secret made of words is not found in a sentence.
    """
    if len(run) < RUN or not _varied(run) or len(set(run[:64])) < _CHARACTERS:
        return False
    if len(run) >= _LONG_RUN:
        return True
    return sum(a != b for a, b in pairwise(run.translate(_CLASS))) >= _TURNS


def forms(credential: Credential) -> tuple[Form, ...]:
    """Return every form to look for; none when the value is too weak to look for.

    Weak is what occurs in texts by chance: fewer than six characters, a short word or
    number (`open`, `password`, `123456`), a repetition or sequence (`aaaa…`, `abc123`).
    """
    value = credential.value.encode("utf-8", "surrogatepass")
    if _weak(value):
        return ()
    # A label that holds the value would put it back where it was taken out.
    label = "unnamed" if credential.value in credential.label else credential.label
    if jwt := _JWT.fullmatch(credential.value):
        return tuple(_of_token(label, value, *map(len, jwt.groups())))
    return tuple(_of_key(label, value, credential))


def _weak(value: bytes) -> bool:
    if len(value) < SHORTEST or not _varied(value):
        return True
    return len(value) < RUN and (value.isalpha() or value.isdigit())


def _varied(text: bytes) -> bool:
    """Whether it is more than a repetition or a sequence of characters."""
    return len({after - before for before, after in pairwise(text[:64])}) >= _STEPS


def _of_key(label: str, value: bytes, credential: Credential) -> Iterator[Form]:
    prefix = credential.public_prefix
    if not (prefix and credential.value.startswith(prefix)):
        found = _PREFIX.match(credential.value)
        prefix = found[0] if found else ""
    secret = len(prefix.encode())
    if len(value) - secret < SHORTEST:
        secret = 0
    whole = len(value) - secret < RUN
    yield from _encodings(label, value, secret=secret, whole=whole)
    yield from _digests(label, value)
    if secret and not whole:
        yield from _digests(label, value[secret:])


def _of_token(label: str, value: bytes, payload: int, signature: int) -> Iterator[Form]:
    """Forms of a JWT.

    Its header is the same in every token of an issuer, and so is the beginning of its
    payload: no secret. The payload as a whole and runs of the signature are.
    """
    start = len(value) - signature
    whole = signature < RUN
    yield from _encodings(label, value, secret=start, whole=whole)
    yield from _digests(label, value)
    claims = value[start - 1 - payload : start - 1]
    if len(claims) >= RUN:
        yield from _encodings(label, claims, whole=True, complete=False)


def _encodings(
    label: str, value: bytes, *, secret: int = 0, whole: bool, complete: bool = True
) -> Iterator[Form]:
    def form(encoding: str, text: bytes, bits: int, offset: int = 0) -> Form:
        return Form(
            label=label,
            encoding=encoding,
            text=fold(text),
            exact=value if bits == 8 else None,
            bits=bits,
            offset=offset,
            value=value,
            secret=secret,
            whole=whole,
            complete=complete,
        )

    yield form("plain", value, 8)
    yield form("hex", value.hex().encode(), 4)
    for before in range(3):
        # Characters that also hold bits of a neighbour are left out at both ends.
        encoded = base64.b64encode(b"\0" * before + value)
        start = -(-8 * before // 6)
        end = 8 * (before + len(value)) // 6
        if end - start > SHORTEST:
            yield form("base64", encoded[start:end], 6, 6 * start - 8 * before)


def _digests(label: str, value: bytes) -> Iterator[Form]:
    for name in _DIGESTS:
        digest = hashlib.new(name, value, usedforsecurity=False).digest()
        for encoding, text in (
            ("hex", digest.hex().encode()),
            ("base64", base64.b64encode(digest).rstrip(b"=")),
        ):
            yield Form(
                label=label,
                encoding=f"{name}-{encoding}",
                text=fold(text),
                value=value,
                whole=True,
            )
