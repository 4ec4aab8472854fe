"""Finds and replaces the run's credentials in a text, in time linear in its length.

Texts are sampled: every seventh place is looked up among all six characters in a row
that a credential's forms contain. Any twelve characters in a row cover such a place;
only there are the twelve looked up too, and the run followed to both sides. It takes
as long for a thousand credentials, mutants of each other, as for one.
Must not know where a text comes from or goes to.
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tollproof.model import Leak
from tollproof.redaction.forms import RUN, Credential, Form, fold, forms
from tollproof.redaction.views import DEPTH, View, escaping, undo

#: Length of what is looked up, and the distance of two look-ups: together they fit in
#: any run of :data:`RUN` characters, wherever it begins.
_GRAM = 6
_STRIDE = RUN - _GRAM + 1
#: Places looked up in one go; cuts a text into grams at the speed of C.
_BLOCK = 256
_CUT = struct.Struct(f"{_GRAM}s{_STRIDE - _GRAM}x" * _BLOCK)
#: Characters of all texts that are remembered, with what was found in them: header
#: fields and bodies say the same again and again, and callers show the same credential.
_REMEMBERED = 4_194_304
#: Characters of the longest such text, and what each takes beside its own.
_LONGEST, _BESIDE = 65_536, 256

#: Header fields whose value is a credential whether or not it is known to the run.
_SECRET_FIELDS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"}
)
_SCHEME = re.compile(r"\s*([A-Za-z][\w-]*)\s+\S")
_WORD = re.compile(rb"[A-Za-z0-9]")

Headers = tuple[tuple[str, str], ...]
#: A redacted text, and what it gave away.
Scrubbed = tuple[str, tuple[Leak, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A place in a text, `text[low:high]`, and what was found there.

    Attributes:
        weight: of two things found in one place the heavier gives the name.
    """

    low: int
    high: int
    leak: Leak
    weight: tuple[bool, int]


class _Memory:
    """What texts were scrubbed to, by text and place; begins anew when it is full."""

    def __init__(self) -> None:
        self.scrubbed: dict[tuple[str, str], Scrubbed] = {}
        self._held = 0

    def keep(self, text: str, place: str, found: Scrubbed) -> None:
        if len(text) > _LONGEST:
            return
        if self._held > _REMEMBERED:
            self.scrubbed.clear()
            self._held = 0
        self._held += len(text) + _BESIDE
        self.scrubbed[text, place] = found


class Redactor:
    """Knows the credentials of a run and keeps them out of what is recorded.

    Safe to use from any number of threads, also while credentials are added: the
    tables only ever grow, and a form can be found once its last entry is made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Runs of twelve of the secret parts, each with one form that has it.
        self._runs: dict[bytes, Form] = {}
        # Forms by their text, and what a given spelling of a plain one is called.
        self._wholes: dict[bytes, Form] = {}
        self._labels: dict[bytes, str] = {}
        # All grams of the runs; for those at the end of a form, where in it, of which
        # length: a whole is looked up by its text, however many mutants end alike.
        self._grams: dict[bytes, tuple[tuple[int, int], ...]] = {}
        self._short: tuple[Form, ...] = ()
        # Values and prefixes of what was added, and whether it is looked for.
        self._added: dict[tuple[str, str], bool] = {}
        #: Told of each new credential: another process may have to look for it, too.
        self.tell: Callable[[Credential], None] = lambda _: None
        # One more credential, and all that is remembered is forgotten; who began to
        # look before then remembers in the old memory.
        self._memory = _Memory()

    def add(self, credential: Credential) -> bool:
        """Look for this credential from now on.

        Returns:
            False when it is too weak to be looked for (fewer than six characters, a
            short word or number, a repetition): it would be found everywhere.
        """
        known = credential.value, credential.public_prefix
        with self._lock:
            if known in self._added:
                return self._added[known]
            found = forms(credential)
            for form in found:
                if form.exact is not None:
                    self._labels.setdefault(form.exact, form.label)
                if form.text not in self._wholes:
                    self._wholes[form.text] = form
                    self._enter(form)
            self._added[known] = bool(found)
            self._memory = _Memory()
        self.tell(credential)
        return bool(found)

    def _enter(self, form: Form) -> None:
        text, size = form.text, len(form.text)
        if size < RUN:
            self._short += (form,)
            return
        if not form.whole:
            # A dictionary at a time, and nothing made for a run but the run: a JWT has
            # some thousand in all its forms. What is there already stays.
            places = range(form.first, size - RUN + 1)
            runs = {text[place : place + RUN] for place in places}
            self._runs.update(dict.fromkeys(runs.difference(self._runs), form))
            places = range(form.first, size - _GRAM + 1)
            grams = {text[place : place + _GRAM] for place in places}
            self._grams.update(dict.fromkeys(grams.difference(self._grams), ()))
        for place in range(size - RUN, size - _GRAM + 1):
            gram = text[place : place + _GRAM]
            ends = self._grams.get(gram, ())
            if (place, size) not in ends:
                self._grams[gram] = (*ends, (place, size))

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

    def scrub(self, text: str, place: str) -> Scrubbed:
        """Return the redacted text and what it gave away, in one pass."""
        memory = self._memory
        known = memory.scrubbed.get((text, place))
        if known is None:
            known = self._scrub(text, place)
            memory.keep(text, place, known)
        return known

    def _scrub(self, text: str, place: str) -> Scrubbed:
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
        if not self._wholes:
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
            label, encoding = form.label, form.encoding
            if whole and form.exact is not None and form.exact != read[low:high]:
                known = self._labels.get(read[low:high])
                if known is None:
                    encoding, whole = "letter-case", False
                label = known or label
            weight = (whole, high - low)
            for view in views:
                low, high = view.source(low, high)
            if views and (escapes := escaping(data[low:high])):
                encoding = (
                    escapes if encoding == "plain" else f"{encoding} in {escapes}"
                )
            low, high = _whole_characters(data, low, high)
            leak = Leak(
                credential=label,
                encoding=encoding,
                place=place,
                complete=whole and form.complete,
            )
            yield _Span(low=low, high=high, leak=leak, weight=weight)

    def _promising(self, text: bytes) -> list[int]:
        """Return the places, one in seven, at which a gram of a credential stands."""
        grams = self._grams
        free = grams.keys().isdisjoint
        rest = len(text) - len(text) % _CUT.size
        places = [
            place
            for block in range(0, rest, _CUT.size)
            if not free(_CUT.unpack_from(text, block))
            for place in range(block, block + _CUT.size, _STRIDE)
            if text[place : place + _GRAM] in grams
        ]
        last = range(rest, len(text) - _GRAM + 1, _STRIDE)
        return places + [p for p in last if text[p : p + _GRAM] in grams]

    def _matches(self, text: bytes) -> Iterator[tuple[Form, int, int]]:
        for form in self._short:
            yield from _standing_alone(form, text)
        followed: dict[tuple[Form, int], int] = {}
        for place in self._promising(text):
            yield from self._wholes_at(text, place)
            for start in range(max(place - _STRIDE + 1, 0), place + 1):
                run = text[start : start + RUN]
                found = self._runs.get(run)
                if found is None or len(set(run)) <= 2:
                    continue
                form, offset = found, found.text.index(run, found.first)
                aligned = form, start - offset
                if start < followed.get(aligned, 0):
                    continue
                low, high = _followed(text, start, form.text, offset)
                followed[aligned] = high
                first = start - offset
                if high - low == len(form.text) or form.gives_away(
                    low - first, high - first
                ):
                    yield form, low, high

    def _wholes_at(self, text: bytes, place: int) -> Iterator[tuple[Form, int, int]]:
        for offset, size in self._grams[text[place : place + _GRAM]]:
            low = place - offset
            if low >= 0 and (form := self._wholes.get(text[low : low + size])):
                yield form, low, low + size


def _data(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _followed(text: bytes, start: int, wanted: bytes, offset: int) -> tuple[int, int]:
    """Follow a common run of twelve to both of its ends, halving the distance."""
    fits, limit = 0, min(offset, start)
    while fits < limit:
        middle = (fits + limit + 1) // 2
        if text[start - middle : start] == wanted[offset - middle : offset]:
            fits = middle
        else:
            limit = middle - 1
    low, fits = start - fits, RUN
    limit = min(len(wanted) - offset, len(text) - start)
    while fits < limit:
        middle = (fits + limit + 1) // 2
        if text[start : start + middle] == wanted[offset : offset + middle]:
            fits = middle
        else:
            limit = middle - 1
    return low, start + fits


def _standing_alone(form: Form, text: bytes) -> Iterator[tuple[Form, int, int]]:
    """Find a short form; a plain one only where it is not part of a longer word."""
    size = len(form.text)
    low = text.find(form.text)
    while low >= 0:
        around = text[max(low - 1, 0) : low] + text[low + size : low + size + 1]
        if form.bits != 8 or not _WORD.search(around):
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
    """Join spans that overlap, each named by the heaviest that was found in it."""
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.low, -span.high)):
        if merged and span.low < merged[-1].high:
            last = merged[-1]
            best = max(last, span, key=lambda one: one.weight)
            merged[-1] = replace(best, low=last.low, high=max(last.high, span.high))
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
    """Hide what is a credential because of the field it stands in."""
    if leaked or not value.strip():
        return value
    if name == "set-cookie":
        pair, *attributes = value.split(";")
        return ";".join([_hidden_cookie(pair), *attributes])
    if name == "cookie":
        return ";".join(_hidden_cookie(pair) for pair in value.split(";"))
    if name not in _SECRET_FIELDS:
        return value
    scheme = _SCHEME.match(value)
    return f"{scheme[1]} [redacted]" if scheme else "[redacted]"


def _hidden_cookie(pair: str) -> str:
    # A cookie without "=" is a value without a name (draft RFC 6265bis, 5.7).
    name, equals, value = pair.partition("=") if "=" in pair else ("", "", pair)
    return f"{name}{equals}[redacted]" if value.strip() else pair
