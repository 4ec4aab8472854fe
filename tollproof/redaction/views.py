"""A text with its escapes undone, and the way back to where each piece stood.

Knows the escapes of URLs, JSON and JavaScript strings and HTML; not what is looked for.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """What a text says once its escapes are undone.

    Attributes:
        starts: where in `data` each replacement begins, ascending.
        ends: where in `data` each replacement ends.
        sources: the span in the text of the escape behind each replacement.
    """

    data: bytes
    starts: list[int] = field(repr=False)
    ends: list[int] = field(repr=False)
    sources: list[tuple[int, int]] = field(repr=False)

    def source(self, low: int, high: int) -> tuple[int, int]:
        """Return the span of the text that `data[low:high]`, not empty, stands for."""
        return self._source(low)[0], self._source(high - 1)[1]

    def _source(self, place: int) -> tuple[int, int]:
        index = bisect_right(self.starts, place) - 1
        while index >= 0 and self.starts[index] == self.ends[index]:
            index -= 1
        if index >= 0 and place < self.ends[index]:
            return self.sources[index]
        index = bisect_right(self.starts, place) - 1
        if index < 0:
            return place, place + 1
        start = self.sources[index][1] + place - self.ends[index]
        return start, start + 1


def undo(data: bytes) -> View | None:
    """Undo every escape once; None when there is none."""
    if not (b"%" in data or b"\\" in data or b"&" in data or b"\0" in data):
        return None
    pieces: list[bytes] = []
    starts: list[int] = []
    ends: list[int] = []
    sources: list[tuple[int, int]] = []
    known: dict[bytes, bytes] = {}
    place = end = 0
    for match in _ESCAPE.finditer(data):
        escape = match[0]
        text = known.get(escape)
        if text is None:
            text = known[escape] = _undone(escape)
        if text == escape:
            continue
        start = match.start()
        if start > end:
            pieces.append(data[end:start])
            place += start - end
        end = match.end()
        starts.append(place)
        pieces.append(text)
        place += len(text)
        ends.append(place)
        sources.append((start, end))
    if not starts:
        return None
    pieces.append(data[end:])
    return View(data=b"".join(pieces), starts=starts, ends=ends, sources=sources)


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
