"""Structured field values (RFC 9651): lists and dictionaries of items, strictly.

Inner lists, which no rate-limit field uses, are refused by name. Knows the grammar.
Must not know what a field means.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

#: RFC 9651 asks receivers to take at least this many members and parameters.
MEMBERS = 1024
PARAMETERS = 256

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BYTES = re.compile(r":([A-Za-z0-9+/=]*):")


class Malformed(ValueError):
    """The text is not a structured field; the message says what is wrong, and where."""


class Token(str):
    """A bare word, which is not a string."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Date:
    """Seconds since 1970, written `@1659578233`."""

    seconds: int


Bare = bool | int | float | str | bytes | Date


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A bare value and its parameters."""

    value: Bare
    parameters: Mapping[str, Bare] = field(default_factory=dict)


def parse_list(text: str) -> tuple[Item, ...]:
    """Parse a List (RFC 9651, 4.2.1) without inner lists.

    Raises:
        Malformed: the text is not one.
    """
    reader = _Reader(text)
    items = []
    while not reader.at_end():
        items.append(reader.item())
        if len(items) > MEMBERS:
            raise Malformed(f"more than {MEMBERS} members")
        reader.separator()
    return tuple(items)


def parse_dictionary(text: str) -> Mapping[str, Item]:
    """Parse a Dictionary (RFC 9651, 4.2.2) without inner lists.

    Raises:
        Malformed: the text is not one.
    """
    reader = _Reader(text)
    members: dict[str, Item] = {}
    while not reader.at_end():
        key = reader.key()
        if reader.take("="):
            members[key] = reader.item()
        else:
            members[key] = Item(value=True, parameters=reader.parameters())
        if len(members) > MEMBERS:
            raise Malformed(f"more than {MEMBERS} members")
        reader.separator()
    return members


class _Reader:
    """A text and how far it has been read."""

    def __init__(self, text: str) -> None:
        if not text.isascii():
            raise Malformed("not ASCII")
        self.text = text.strip(" ")
        self.at = 0

    def at_end(self) -> bool:
        return self.at >= len(self.text)

    def take(self, what: str) -> bool:
        if self.text.startswith(what, self.at):
            self.at += len(what)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def wrong(self, wanted: str) -> Malformed:
        rest = self.text[self.at : self.at + 20]
        return Malformed(
            f"{wanted} expected at character {self.at + 1}, found {rest!r}"
            if rest
            else f"{wanted} expected, found the end"
        )

    def separator(self) -> None:
        """Move past the comma between members; at the end there must be none."""
        while self.take(" ") or self.take("\t"):
            pass
        if self.at_end():
            return
        if not self.take(","):
            raise self.wrong("a comma")
        while self.take(" ") or self.take("\t"):
            pass
        if self.at_end():
            raise Malformed("a comma at the end")

    def key(self) -> str:
        found = self.match(_KEY)
        if not found:
            raise self.wrong("a key")
        return found[0]

    def item(self) -> Item:
        return Item(value=self.bare(), parameters=self.parameters())

    def parameters(self) -> Mapping[str, Bare]:
        found: dict[str, Bare] = {}
        while self.take(";"):
            while self.take(" "):
                pass
            key = self.key()
            found[key] = self.bare() if self.take("=") else True
            if len(found) > PARAMETERS:
                raise Malformed(f"more than {PARAMETERS} parameters")
        return found

    def bare(self) -> Bare:
        start = self.text[self.at : self.at + 1]
        if start == "-" or start.isdigit():
            return self.number()
        if start == '"':
            found = self.match(_STRING)
            if not found:
                raise self.wrong("a string that ends")
            return re.sub(r"\\(.)", r"\1", found[1])
        if start == ":":
            return self.bytes()
        if start == "?":
            if self.take("?1"):
                return True
            if self.take("?0"):
                return False
            raise self.wrong("a boolean")
        if start == "@":
            self.at += 1
            value = self.number()
            if isinstance(value, float):
                raise Malformed("a date with a fraction")
            return Date(value)
        if start == "(":
            raise Malformed("an inner list where an item is defined")
        found = self.match(_TOKEN)
        if not found:
            raise self.wrong("an item")
        return Token(found[0])

    def number(self) -> int | float:
        found = self.match(_NUMBER)
        if not found:
            raise self.wrong("a number")
        whole, _, fraction = found[0].lstrip("-").partition(".")
        if not fraction:
            if len(whole) > 15:
                raise Malformed("an integer of more than 15 digits")
            return int(found[0])
        if len(whole) > 12 or len(fraction) > 3:
            raise Malformed("a decimal of more than 12 and 3 digits")
        return float(found[0])

    def bytes(self) -> bytes:
        found = self.match(_BYTES)
        if not found:
            raise self.wrong("a byte sequence that ends")
        try:
            return base64.b64decode(
                found[1] + "=" * (-len(found[1]) % 4), validate=True
            )
        except binascii.Error:
            raise Malformed("a byte sequence that is not base64") from None
