"""Reading one HTTP/1.1 response from bytes that arrive in pieces, within bounds.

Two readers give the same answer. :class:`Reader` asks a table of header lines it has
seen and checked before, and takes a response that is whole, plain and unambiguous;
whatever is not goes, from its first byte, to llhttp (httptools). A property test holds
the two together. Knows bytes only. Must not know sockets, clocks or what a header says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import httptools

#: More than any API sends; what is longer is a fault of the target, not an answer.
HEAD_LIMIT = 65_536

#: Checked lines kept for comparison; the table starts afresh when it is full, so that
#: a target that never repeats itself costs time and not memory.
LINES_KEPT = 4096

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [\t\x20-\x7e]*")
_FIELD_LINE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*"
    rb"((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)"
    rb"[\t ]*"
)
_DIGITS = re.compile(rb"[0-9]{1,9}")

#: What a checked line means besides naming a wanted header (an index from 0 up).
_IGNORED, _LENGTH, _CLOSE, _SPECIAL = -1, -2, -3, -4

_BODILESS = frozenset((204, 304))

_CACHED = tuple[int, bytes]


class Malformed(Exception):
    """The bytes are not an HTTP/1.1 response, or break a bound."""


class Answer:
    """One response.

    Attributes:
        status: 100 to 999; 0 until the status line is read.
        values: the wanted headers in the order asked for, field lines of one name
            joined with `", "` (RFC 9110, 5.3); None where there was none.
        reusable: whether the connection may carry another request.
        complete: whether the body was read to its end.
    """

    __slots__ = ("complete", "reusable", "status", "values")

    def __init__(self, status: int, values: list[bytes | None], reusable: bool) -> None:
        self.status = status
        self.values = values
        self.reusable = reusable
        self.complete = True


class Reader:
    """Reads whole plain responses fast; shared by all connections of a process."""

    def __init__(self, wanted: Sequence[str]) -> None:
        """Read these headers; an empty name keeps a place and reads none."""
        self.wanted = {
            name.lower().encode(): index for index, name in enumerate(wanted) if name
        }
        self.places = len(wanted)
        self._empty: list[bytes | None] = [None] * self.places
        self._statuses: dict[bytes, int] = {}
        self._lines: dict[bytes, _CACHED] = {}

    def whole(self, data: bytes) -> Answer | None:
        """Return the response that `data` is, or None when that needs a closer look.

        None says nothing about the bytes: give them all to :class:`Stream`. The
        response must not be one to a HEAD request.
        """
        end = data.find(b"\r\n\r\n", 0, HEAD_LIMIT)
        if end < 0:
            return None
        lines = iter(data[:end].split(b"\r\n"))
        first = next(lines)
        status = self._statuses.get(first) or self._check_status(first)
        if not status:
            return None
        values = self._empty.copy()
        known = self._lines
        length, reusable = -1, True
        for line in lines:
            meaning, value = known.get(line) or self._check(line)
            if meaning >= 0:
                before = values[meaning]
                values[meaning] = value if before is None else before + b", " + value
            elif meaning == _LENGTH:
                if length >= 0:
                    return None
                length = int(value)
            elif meaning == _CLOSE:
                reusable = False
            elif meaning == _SPECIAL:
                return None
        if length < 0 or len(data) != end + 4 + length:
            return None
        return Answer(status, values, reusable)

    def _check_status(self, line: bytes) -> int:
        match = _STATUS_LINE.fullmatch(line)
        status = int(match[1]) if match else 0
        if status in _BODILESS:
            return 0
        if status:
            if len(self._statuses) >= LINES_KEPT:
                self._statuses.clear()
            self._statuses[line] = status
        return status

    def _check(self, line: bytes) -> _CACHED:
        """Say what a header line means, and remember it."""
        match = _FIELD_LINE.fullmatch(line)
        if match is None:
            return _SPECIAL, b""
        name, value = match[1].lower(), match[2]
        meaning: _CACHED
        if name == b"content-length":
            plain = _DIGITS.fullmatch(value) is not None
            meaning = (_LENGTH if plain else _SPECIAL, value)
        elif name == b"connection":
            token = value.lower()
            meaning = (
                (_IGNORED, b"")
                if token == b"keep-alive"
                else (_CLOSE, b"")
                if token == b"close"
                else (_SPECIAL, b"")
            )
        elif name in _STRUCTURAL:
            meaning = (_SPECIAL, b"")
        else:
            meaning = (self.wanted.get(name, _IGNORED), value)
        if len(self._lines) >= LINES_KEPT:
            self._lines.clear()
        self._lines[line] = meaning
        return meaning


_STRUCTURAL = frozenset(
    (b"transfer-encoding", b"upgrade", b"proxy-connection", b"trailer")
)


class Stream:
    """Reads any response with llhttp, in as many pieces as it comes.

    Attributes:
        answer: the response so far.
        head: whether the head of the final response has been read: its status
            is the target's decision, whatever becomes of the body.
        head_at: when that was, if whoever feeds the stream keeps a clock.
        done: whether nothing more belongs to this response.
    """

    __slots__ = (
        "_bodiless",
        "_limit",
        "_parser",
        "_places",
        "_read",
        "_sized",
        "_wanted",
        "answer",
        "done",
        "head",
        "head_at",
    )

    def __init__(self, reader: Reader, *, limit: int, bodiless: bool = False) -> None:
        """Prepare for one response of at most `limit` bytes; `bodiless` after HEAD."""
        self._wanted = reader.wanted
        self._places = reader.places
        self._limit = limit
        self._bodiless = bodiless
        self._read = 0
        self._sized = False
        self._parser = httptools.HttpResponseParser(self)
        self.answer = self._blank()
        self.head = False
        self.head_at = 0
        self.done = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; return whether the response is whole.

        Raises:
            Malformed: the bytes are not a response, or there are too many of them.
                What :attr:`head` and :attr:`answer` hold by then stays true.
        """
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish(reusable=False)
        except httptools.HttpParserError as error:
            if not self.done:
                raise Malformed(type(error).__name__) from None
            self.answer.reusable = False
        if not self.done and self._read > (self._limit if self.head else HEAD_LIMIT):
            raise Malformed("longer than the limit")
        return self.done

    def end(self) -> bool:
        """Take the end of the connection; return whether that completes the response.

        It does when only the connection's end delimits the body (RFC 9112, 6.3).
        """
        if self.head and not self.done and not self._sized:
            self._finish(reusable=False)
        return self.done

    def _blank(self) -> Answer:
        blank = Answer(0, [None] * self._places, False)
        blank.complete = False
        return blank

    def _finish(self, *, reusable: bool) -> None:
        self.done = True
        self.answer.complete = True
        self.answer.reusable = reusable

    # -- httptools calls these ---------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.done:  # bytes nobody asked for: what follows them cannot be trusted
            self.answer.reusable = False
            raise Malformed("more than one response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.done:
            return
        lower = name.lower()
        if lower in (b"content-length", b"transfer-encoding"):
            self._sized = True
        index = self._wanted.get(lower)
        if index is not None and not self.head:  # trailers are not headers
            values, value = self.answer.values, value.rstrip(b"\t ")
            before = values[index]
            values[index] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        if self.done:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        self.answer.status = status
        self.head = True
        if self._bodiless or status in _BODILESS or status == 101:
            self._finish(reusable=self._parser.should_keep_alive() and status != 101)

    def on_message_complete(self) -> None:
        if self.done:
            return
        if self.head:
            self._finish(reusable=self._parser.should_keep_alive())
        else:  # an interim response (RFC 9110, 15.2): the real one follows
            self.answer = self._blank()
            self._sized = False
