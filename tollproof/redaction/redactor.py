"""Finds and replaces the run's credentials in a text, in time linear in its length.

Credentials are indexed, texts are sampled: one table holds every six characters in a
row of every form of every credential, and every seventh place of a text is looked up
in it. A common run of twelve characters always covers such a place, and a thousand
credentials take no longer than one. Must not know where a text comes from or goes to.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tollproof.model import Leak
from tollproof.redaction.forms import RUN, Credential, Form, fold, forms
from tollproof.redaction.views import DEPTH, View, escaping, undo

#: Length of what is looked up, and the distance of two look-ups: together they fit in
#: any run of :data:`RUN` characters, wherever it begins.
_GRAM = 6
_STRIDE = RUN - _GRAM + 1

#: Header fields whose value is a credential whether or not it is known to the run.
_SECRET_FIELDS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"}
)
_SCHEME = re.compile(r"\s*([A-Za-z][\w-]*)\s+\S")
_COOKIE = re.compile(r"([^=;]*=)([^;]+)")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A place in a text, `text[low:high]`, and what was found there."""

    low: int
    high: int
    leak: Leak

    @property
    def rank(self) -> tuple[bool, int]:
        return self.leak.complete, self.high - self.low


class Redactor:
    """Knows the credentials of a run and keeps them out of what is recorded.

    Safe to use from any number of threads, also while credentials are added: the
    index only ever grows, and each of its entries is replaced as a whole.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index: dict[bytes, tuple[tuple[Form, int], ...]] = {}
        self._short: tuple[Form, ...] = ()
        self._known: set[tuple[bytes, bool]] = set()
        self._contexts: set[bytes] = set()

    def add(self, credential: Credential) -> bool:
        """Look for this credential from now on.

        Returns:
            False when it is too weak to be looked for (fewer than six characters, a
            short word or number, a repetition): it would be found everywhere.
        """
        found = forms(credential)
        with self._lock:
            for form in found:
                if (form.text, form.whole) not in self._known:
                    self._known.add((form.text, form.whole))
                    self._enter(form)
        return bool(found)

    def _enter(self, form: Form) -> None:
        if len(form.text) < RUN:
            self._short += (form,)
            return
        last = len(form.text) - _GRAM
        if form.whole:
            places: Iterable[int] = range(last - _STRIDE + 1, last + 1)
        else:
            places = self._new_places(form, last)
        for place in places:
            gram = form.text[place : place + _GRAM]
            self._index[gram] = (*self._index.get(gram, ()), (form, place))

    def _new_places(self, form: Form, last: int) -> Iterator[int]:
        """Yield where the form has a run of its own.

        Mutants of a key share most of it. A place whose neighbourhood (all runs of
        twelve around it) was entered for another form would find nothing more.
        """
        first, margin = form.first, RUN - _GRAM
        padded = b"\xfe" * margin + form.text[first:] + b"\xff" * margin
        for place in range(last - first + 1):
            context = padded[place : place + _GRAM + 2 * margin]
            if context not in self._contexts and len(set(context)) > 3:
                self._contexts.add(context)
                yield first + place

    # -- the questions asked -----------------------------------------------------------

    def redact(self, text: str) -> str:
        """Return the text with every credential replaced by `[redacted:LABEL]`."""
        return self.scrub(text, "")[0]

    def find(self, text: str | bytes, place: str) -> tuple[Leak, ...]:
        """Return what the text gives away, in order, each thing once."""
        return _leaks(self._spans(_data(text), place))

    def holds(self, text: str | bytes) -> Leak | None:
        """Return the first leak in something about to be written, if there is one."""
        return next(iter(self.find(text, "artefact")), None)

    def scrub(self, text: str, place: str) -> tuple[str, tuple[Leak, ...]]:
        """Return the redacted text and what it gave away, in one pass."""
        data = _data(text)
        spans = self._spans(data, place)
        if not spans:
            return text, ()
        pieces, end = [], 0
        for span in spans:
            pieces.append(data[end : span.low])
            pieces.append(f"[redacted:{span.leak.credential}]".encode())
            end = span.high
        pieces.append(data[end:])
        return b"".join(pieces).decode("utf-8", "surrogatepass"), _leaks(spans)

    def redact_headers(
        self, headers: Iterable[tuple[str, str]]
    ) -> tuple[Headers, tuple[Leak, ...]]:
        """Scrub names and values of a response's header fields.

        What is a credential by the field's name alone is hidden even when the run
        does not know it: the values of cookies, and all after the scheme of
        `Authorization` and its kin. Names and attributes of cookies stay.
        """
        kept: list[tuple[str, str]] = []
        leaks: list[Leak] = []
        for name, value in headers:
            shown, found = self.scrub(name, "header name")
            clean, more = self.scrub(value, f"header {shown}")
            kept.append((shown, _hidden(name.lower(), clean, bool(more))))
            leaks += (*found, *more)
        return tuple(kept), tuple(dict.fromkeys(leaks))

    # -- looking ---------------------------------------------------------------------

    def _spans(self, data: bytes, place: str) -> list[_Span]:
        """Find everything in the text and in what its escapes stand for."""
        if not self._index and not self._short:
            return []
        spans = list(self._look(data, (), data, place))
        views: list[View] = []
        read = data
        while len(views) < DEPTH and (view := undo(read)) is not None:
            views.append(view)
            read = view.data
            spans += self._look(read, tuple(reversed(views)), data, place)
        return _merged(spans)

    def _look(
        self, read: bytes, views: tuple[View, ...], data: bytes, place: str
    ) -> Iterator[_Span]:
        for form, low, high in self._matches(fold(read)):
            whole = high - low == len(form.text)
            encoding = form.encoding
            if whole and form.exact is not None and form.exact != read[low:high]:
                encoding, whole = "letter-case", False
            for view in views:
                low, high = view.source(low, high)
            if views and (escapes := escaping(data[low:high])):
                encoding = (
                    escapes if encoding == "plain" else f"{encoding} in {escapes}"
                )
            low, high = _whole_characters(data, low, high)
            leak = Leak(
                credential=form.label,
                encoding=encoding,
                place=place,
                complete=whole and form.complete,
            )
            yield _Span(low=low, high=high, leak=leak)

    def _matches(self, text: bytes) -> Iterator[tuple[Form, int, int]]:
        for form in self._short:
            yield from _standing_alone(form, text)
        index = self._index
        places = range(0, len(text) - _GRAM + 1, _STRIDE)
        seen: dict[tuple[Form, int], int] = {}
        for place in [p for p in places if text[p : p + _GRAM] in index]:
            for form, offset in index[text[place : place + _GRAM]]:
                aligned = form, place - offset
                if place < seen.get(aligned, 0):
                    continue
                low, high = _common(text, place, form, offset)
                seen[aligned] = high
                start = place - offset
                if high - low == len(form.text) or (
                    not form.whole and form.gives_away(low - start, high - start)
                ):
                    yield form, low, high


def _data(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _common(text: bytes, place: int, form: Form, offset: int) -> tuple[int, int]:
    """Return the longest run around a common gram, or nothing less than the whole."""
    wanted, start = form.text, place - offset
    if start >= 0 and text.startswith(wanted, start):
        return start, start + len(wanted)
    if form.whole:
        return place, place
    fits, limit = 0, min(offset, place)
    while fits < limit:
        middle = (fits + limit + 1) // 2
        if text[place - middle : place] == wanted[offset - middle : offset]:
            fits = middle
        else:
            limit = middle - 1
    low, fits = place - fits, _GRAM
    limit = min(len(wanted) - offset, len(text) - place)
    while fits < limit:
        middle = (fits + limit + 1) // 2
        if text[place : place + middle] == wanted[offset : offset + middle]:
            fits = middle
        else:
            limit = middle - 1
    return low, place + fits


def _standing_alone(form: Form, text: bytes) -> Iterator[tuple[Form, int, int]]:
    """Find a short form; a plain one only where it is not part of a longer word."""
    size = len(form.text)
    low = text.find(form.text)
    while low >= 0:
        around = text[max(low - 1, 0) : low] + text[low + size : low + size + 1]
        if form.bits != 8 or not any(chr(code).isalnum() for code in around):
            yield form, low, low + size
        low = text.find(form.text, low + size)


def _whole_characters(data: bytes, low: int, high: int) -> tuple[int, int]:
    """Widen a span so that it cuts no UTF-8 character in two."""
    while low > 0 and low < len(data) and data[low] & 0xC0 == 0x80:
        low -= 1
    while high < len(data) and data[high] & 0xC0 == 0x80:
        high += 1
    return low, high


def _merged(spans: list[_Span]) -> list[_Span]:
    """Join spans that overlap, each named by the most that was found in it."""
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.low, -span.high)):
        if merged and span.low < merged[-1].high:
            last = merged[-1]
            leak = max(last, span, key=lambda one: one.rank).leak
            merged[-1] = _Span(low=last.low, high=max(last.high, span.high), leak=leak)
        else:
            merged.append(span)
    return merged


def _leaks(spans: list[_Span]) -> tuple[Leak, ...]:
    """Name each leak once; a part is not named where the whole was found as well."""
    found = dict.fromkeys(span.leak for span in spans)
    wholes = {(leak.credential, leak.encoding) for leak in found if leak.complete}
    return tuple(
        leak
        for leak in found
        if leak.complete or (leak.credential, leak.encoding) not in wholes
    )


def _hidden(name: str, value: str, leaked: bool) -> str:
    if name == "set-cookie":
        return value if leaked else _COOKIE.sub(r"\1[redacted]", value, count=1)
    if name not in _SECRET_FIELDS or leaked or not value.strip():
        return value
    if name == "cookie":
        return _COOKIE.sub(r"\1[redacted]", value)
    scheme = _SCHEME.match(value)
    return f"{scheme[1]} [redacted]" if scheme else "[redacted]"
