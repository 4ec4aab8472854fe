"""Tokens that are hardly tokens: what a parser must survive.

None of them can be valid, whatever the server's keys: the only questions are whether
one is let in, which nobody expects, and whether it brings the server down.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tollproof.identity.attack import Material
from tollproof.identity.forge import compact_json, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A token-like text.

    Attributes:
        wrong: what is wrong with it, the end of "a token …".
        make: from the material to the text; all of it can stand in a header field.
    """

    name: str
    wrong: str
    make: Callable[[Material], str] = field(repr=False)


def _fixed(text: str) -> Callable[[Material], str]:
    return lambda material: text


def _header(data: bytes) -> Callable[[Material], str]:
    """The genuine token with a header of these bytes."""
    return lambda material: ".".join((encode(data), *material.parts.segments[1:]))


def _payload(data: bytes) -> Callable[[Material], str]:
    """The genuine token with a payload of these bytes."""

    def make(material: Material) -> str:
        first, _, third = material.parts.segments
        return f"{first}.{encode(data)}.{third}"

    return make


def _member(name: str, value: object) -> Callable[[Material], str]:
    """The genuine token with one header member of another type."""
    return lambda material: _header(
        compact_json({**material.parts.header, name: value})
    )(material)


def _claim(name: str, literal: str) -> Callable[[Material], str]:
    """The genuine token with one claim written as this JSON."""

    def make(material: Material) -> str:
        rest = {key: item for key, item in material.claims.items() if key != name}
        text = json.dumps({**rest, name: 0}, separators=(",", ":"))
        return _payload(text.replace(f'"{name}":0', f'"{name}":{literal}').encode())(
            material
        )

    return make


def _serialised(material: Material) -> str:
    """The flattened JSON serialisation (RFC 7515, 7.2.2)."""
    first, second, third = material.parts.segments
    members = {"protected": first, "payload": second, "signature": third}
    return json.dumps(members, separators=(",", ":"))


def _list(*items: tuple[str, str, Callable[[Material], str]]) -> tuple[Malformed, ...]:
    return tuple(Malformed(name=n, wrong=w, make=make) for n, w, make in items)


MALFORMED = _list(
    ("two dots", "of two dots and nothing else", _fixed("..")),
    ("three letters", "of three single letters", _fixed("a.b.c")),
    ("one segment", "of one segment", lambda m: m.parts.segments[0]),
    ("four segments", "of four segments", lambda m: m.genuine + ".AAAA"),
    (
        "five segments",
        "shaped like an encrypted one",
        lambda m: ".".join((m.parts.segments[0], "", "AAAA", "AAAA", "AAAA")),
    ),
    ("JSON serialisation", "in the JSON serialisation", _serialised),
    (
        "header empty",
        "with an empty header",
        lambda m: "." + m.genuine.split(".", 1)[1],
    ),
    ("header no JSON", "whose header is not JSON", _header(b"tollproof")),
    ("header a list", "whose header is a list", _header(b"[]")),
    ("header a text", "whose header is a text", _header(b'"RS256"')),
    ("header null", "whose header is null", _header(b"null")),
    ("header not UTF-8", "whose header is not UTF-8", _header(b'{"alg":"\xff\xfe"}')),
    ("header deep", "whose header is nested 3,000 deep", _header(b"[" * 3000)),
    ("alg a number", "whose alg is a number", _member("alg", 256)),
    ("alg a list", "whose alg is a list", _member("alg", ["RS256"])),
    ("alg an object", "whose alg is an object", _member("alg", {"RS256": 1})),
    ("alg unknown", "whose alg does not exist", _member("alg", "XX999")),
    ("kid a number", "whose kid is a number", _member("kid", 7)),
    ("kid a list", "whose kid is a list", _member("kid", ["a", "b"])),
    ("kid an object", "whose kid is an object", _member("kid", {"$ne": ""})),
    ("kid null", "whose kid is null", _member("kid", None)),
    ("kid very long", "whose kid has 4,000 characters", _member("kid", "k" * 4000)),
    ("kid with a quote", "whose kid holds a quote", _member("kid", "'\"`;--")),
    (
        "kid with a surrogate",
        "whose kid is half a character",
        _header(b'{"alg":"RS256","kid":"\\ud800"}'),
    ),
    ("crit a text", "whose crit is a text", _member("crit", "exp")),
    ("payload empty", "with an empty payload", _payload(b"")),
    ("payload no JSON", "whose payload is not JSON", _payload(b"tollproof")),
    ("payload a list", "whose payload is a list", _payload(b"[1,2]")),
    ("payload a number", "whose payload is a number", _payload(b"7")),
    ("payload deep", "whose payload is nested 1,100 deep", _payload(b'{"a":' * 1100)),
    ("exp infinite", "whose exp is too large a number", _claim("exp", "1e999")),
    ("exp negative", "whose exp is negative", _claim("exp", "-1")),
    ("exp a long number", "whose exp has 2,000 digits", _claim("exp", "9" * 2000)),
    ("exp an object", "whose exp is an object", _claim("exp", "{}")),
    ("aud an object", "whose aud is an object", _claim("aud", '{"a":1}')),
    ("sub an object", "whose sub is an object", _claim("sub", '{"a":1}')),
    (
        "oversized",
        "of 7,000 characters more than it needs",
        _claim("tollproof", '"' + "x" * 5000 + '"'),
    ),
)
