"""A text with its escapes undone, and the way back to where each piece stood.

Knows the escapes of URLs, JSON and JavaScript strings and HTML; not what is looked for.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

#: How often escapes are undone in what undoing them has left: `%2573`, JSON in JSON.
DEPTH = 5

# Each branch begins with a character of its own, which lets `re` skip to the next one.
_ESCAPE = re.compile(
    rb"%[0-9a-fA-F]{2}|%u[0-9a-fA-F]{4}"
    rb"|\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}|[\"'/\\bfnrt])"
    rb"|&(?:#[0-9]{1,16}|#[xX][0-9a-fA-F]{1,16});?|&[A-Za-z][A-Za-z0-9]{1,31};"
    rb"|\0\0*"
)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """What a text says once its escapes are undone.

    The way back is looked for when it is first asked for: in nearly every text there
    is nothing to go back from.

    Attributes:
        text: the text itself.
        data: what it says.
    """

    text: bytes = field(repr=False)
    data: bytes = field(repr=False)

    def source(self, low: int, high: int) -> tuple[int, int]:
        """Return the span of the text that `data[low:high]`, not empty, stands for."""
        return self._source(low)[0], self._source(high - 1)[1]

    def _source(self, place: int) -> tuple[int, int]:
        starts, ends, sources = self._way
        index = bisect_right(starts, place) - 1
        while index >= 0 and starts[index] == ends[index]:
            index -= 1
        if index >= 0 and place < ends[index]:
            return sources[index]
        index = bisect_right(starts, place) - 1
        if index < 0:
            return place, place + 1
        start = sources[index][1] + place - ends[index]
        return start, start + 1

    @cached_property
    def _way(self) -> tuple[list[int], list[int], list[tuple[int, int]]]:
        """Where in `data` each replacement begins and ends, and its escape in `text`.

        In ascending order.
        """
        starts: list[int] = []
        ends: list[int] = []
        sources: list[tuple[int, int]] = []
        undone, place, end = _Undone(), 0, 0
        for match in _ESCAPE.finditer(self.text):
            plain = undone[match[0]]
            if plain == match[0]:
                continue
            place += match.start() - end
            end = match.end()
            starts.append(place)
            place += len(plain)
            ends.append(place)
            sources.append(match.span())
        return starts, ends, sources


def undo(data: bytes) -> View | None:
    """Undo every escape once; None when there is none."""
    if not (b"%" in data or b"\\" in data or b"&" in data or b"\0" in data):
        return None
    undone = _Undone()
    plain = _ESCAPE.sub(lambda match: undone[match[0]], _unquoted(data))
    return None if plain == data else View(text=data, data=plain)


def _unquoted(data: bytes) -> bytes:
    """Undo only what is before quotation marks, of which JSON in JSON is full.

    A backslash that is itself escaped belongs to no quotation mark, and stays so.
    """
    if b'\\"' not in data:
        return data
    parts = data.split(b"\\\\")
    return b"\\\\".join([part.replace(b'\\"', b'"') for part in parts])


class _Undone(dict[bytes, bytes]):
    """What each escape stands for, worked out once."""

    def __missing__(self, escape: bytes) -> bytes:
        self[escape] = plain = _undone(escape)
        return plain


def escaping(data: bytes) -> str:
    """Name the escapes that a text makes use of: `url`, `json`, `html` or nothing."""
    names = {_NAMES[match[0][:1]] for match in _ESCAPE.finditer(data)}
    return "+".join(sorted(names - {""}))


_NAMES = {b"%": "url", b"\\": "json", b"&": "html", b"\0": ""}


def _undone(escape: bytes) -> bytes:
    kind = escape[:1]
    if kind == b"\0":
        return b""
    if kind == b"&":
        plain = html.unescape(escape.decode("ascii"))
        return plain.encode("utf-8", "surrogatepass")
    if kind == b"%" and escape[1:2] != b"u":
        return bytes((int(escape[1:], 16),))
    if escape[1:2] in b"ux":
        code = int(escape[2:].strip(b"{}"), 16)
        return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else escape
    return _LETTERS.get(escape[1:], escape[1:])
