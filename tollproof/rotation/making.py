"""What a sample of keys tells of how keys are made: their randomness and its bounds.

Knows texts in the order in which they were given out. A sample can show that keys are
worse than promised, never that they are as good: what is returned is an upper bound,
and an estimate below it. Must not know where the keys come from, and puts none of them
into what it returns.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

#: Alphabets that keys are written in, smallest first.
_ALPHABETS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (name, frozenset(letters))
    for name, letters in (
        ("decimal digits", string.digits),
        ("hexadecimal", string.digits + "abcdef"),
        ("hexadecimal", string.digits + "ABCDEF"),
        ("small letters", string.ascii_lowercase),
        ("capitals", string.ascii_uppercase),
        ("base32", string.ascii_uppercase + "234567"),
        ("base36", string.ascii_lowercase + string.digits),
        ("base36", string.ascii_uppercase + string.digits),
        ("letters", string.ascii_letters),
        ("base58", set(string.ascii_letters + "123456789") - set("OIl")),
        ("base62", string.ascii_letters + string.digits),
        ("base64url", string.ascii_letters + string.digits + "-_"),
        ("base64", string.ascii_letters + string.digits + "+/="),
        ("printable ASCII", string.printable[:94]),
    )
)
#: Characters that tell which alphabet a stretch is written in; fewer are judged by the
#: alphabet of the whole key.
_TELLING = 100
#: Standard errors between an estimate and what is taken as its bound: one false alarm
#: in some three million runs.
_SIGMAS = 5.0
#: Below this share of chance a run of rising values is no accident.
_ACCIDENT = 1e-6
_WIDTHS = (4, 6, 8, 10, 13)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What a sample of keys tells.

    Attributes:
        count: keys in the sample.
        length: characters of a key after the public prefix.
        varying: of these, how many differ from key to key and repeat no other.
        alphabet: its name and size.
        at_most: bits of randomness that a key has at most.
        estimate: bits that the frequencies of characters suggest, no more than that.
        bound: bits that even a lucky sample would not hide: at 5 standard errors.
    """

    count: int
    length: int
    varying: int
    alphabet: str
    size: int
    at_most: float
    estimate: float
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Something in keys that is not chance: where it stands and what it is."""

    kind: str
    start: int
    width: int


def study(keys: Sequence[str], prefix: str = "") -> Making:
    """Measure a sample of keys.

    Args:
        keys: at least two; only those of the commonest length are looked at.
        prefix: the public beginning that all of them share.

    Raises:
        ValueError: fewer than two keys are left to compare.
    """
    columns = _columns(keys, prefix)
    free = [place for place, _ in _free(columns)]
    pool = [letter for place in free for letter in columns[place]]
    name, size = _alphabet(pool)
    at_most = sum(
        len(run) * math.log2(_size_of(columns, run, size)) for run in _runs(free)
    )
    rate, rate_bound = _collision_entropy(pool)
    return Making(
        count=len(columns[0]) if columns else 0,
        length=len(columns),
        varying=len(free),
        alphabet=name,
        size=size,
        at_most=round(at_most, 1),
        estimate=round(min(at_most, rate * len(free)), 1),
        bound=round(min(at_most, rate_bound * len(free)), 1),
    )


def structures(
    keys: Sequence[str], prefix: str = "", *, now: float = 0.0
) -> tuple[Structure, ...]:
    """Return counters and times of day that keys hold, the widest of each place.

    Args:
        keys: in the order in which they were given out.
        now: Unix seconds about when they were; 0 to look for no times.
    """
    columns = _columns(keys, prefix)
    rows = ["".join(letters) for letters in zip(*columns, strict=True)]
    found: list[Structure] = []
    for width in reversed(_WIDTHS):
        for start in range(len(columns) - width + 1):
            if any(
                item.start < start + width and start < item.start + item.width
                for item in found
            ):
                continue
            values = [row[start : start + width] for row in rows]
            if now and all(_is_time(value, now) for value in values):
                found.append(Structure(kind="time", start=start, width=width))
            elif _rises(values, len(columns)):
                found.append(Structure(kind="counter", start=start, width=width))
    return tuple(sorted(found, key=lambda item: item.start))


def can_tell(count: int, length: int) -> bool:
    """Whether that many keys are enough to tell a counter from an accident."""
    return _accidents(count, length) < _ACCIDENT


def _columns(keys: Sequence[str], prefix: str) -> list[tuple[str, ...]]:
    lengths = Counter(len(key) for key in keys)
    if not lengths or lengths.most_common(1)[0][1] < 2:
        raise ValueError("fewer than two keys of one length")
    (length, _), *_ = lengths.most_common(1)
    rows = [key.removeprefix(prefix) for key in keys if len(key) == length]
    rows = [row for row in rows if len(row) == len(rows[0])]
    return list(zip(*rows, strict=True))


def _free(columns: list[tuple[str, ...]]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the places that differ between keys and are no copy of a former place."""
    known: set[tuple[str, ...]] = set()
    for place, letters in enumerate(columns):
        if len(set(letters)) > 1 and letters not in known:
            # Of a few keys two places can agree by chance; of more they do not.
            if len(letters) >= 8:
                known.add(letters)
            yield place, letters


def _runs(places: Sequence[int]) -> Iterator[list[int]]:
    for _, group in groupby(enumerate(places), key=lambda item: item[1] - item[0]):
        yield [place for _, place in group]


def _alphabet(pool: Sequence[str]) -> tuple[str, int]:
    """Return the smallest alphabet that a sample is written in, and its size.

    A larger one is taken for it where chance may have left out what only that has.
    """
    seen = set(pool)
    fitting = [(name, letters) for name, letters in _ALPHABETS if seen <= letters]
    if not fitting:
        return "other characters", max(len(seen), 1)
    name, least = fitting[0]
    for other, letters in fitting[1:]:
        left_out = (len(least) / len(letters)) ** len(pool)
        if least < letters and left_out > _ACCIDENT:
            name, least = other, letters
    return name, len(least)


def _size_of(columns: list[tuple[str, ...]], run: Sequence[int], whole: int) -> int:
    pool = [letter for place in run for letter in columns[place]]
    return _alphabet(pool)[1] if len(pool) >= _TELLING else whole


def _collision_entropy(pool: Sequence[str]) -> tuple[float, float]:
    """Return bits a character by how often two are the same, and an upper bound.

    The estimator of the collision probability is unbiased (a U-statistic); its
    variance follows from the frequencies themselves.
    """
    total = len(pool)
    if total < 2:
        return 0.0, 0.0
    counts = Counter(pool).values()
    same = sum(n * (n - 1) for n in counts) / (total * (total - 1))
    squares = sum((n / total) ** 2 for n in counts)
    cubes = sum((n / total) ** 3 for n in counts)
    variance = 4 * max(cubes - squares**2, 0.0) / total
    variance += 2 * squares / (total * (total - 1))
    least = max(same - _SIGMAS * math.sqrt(variance), 1 / 4096)
    return -math.log2(max(same, 1 / 4096)), -math.log2(least)


def _rises(values: Sequence[str], length: int) -> bool:
    """Whether values only ever rise, or only ever fall, and not by accident."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) < len(values) / 2 or not can_tell(len(distinct), length):
        return False
    rising = all(a <= b for a, b in pairwise(values))
    return rising or all(a >= b for a, b in pairwise(values))


def _accidents(count: int, length: int) -> float:
    """How many rising or falling runs chance would make among all that are tried."""
    return 2 * len(_WIDTHS) * max(length, 1) / math.factorial(min(count, 100))


def _is_time(value: str, now: float) -> bool:
    """Whether a value reads as a time of the same day: seconds or milliseconds."""
    day = 86_400
    readings: list[float] = []
    if value.isascii() and value.isdecimal():
        readings += [int(value)] if len(value) == 10 else []
        readings += [int(value) / 1000] if len(value) == 13 else []
    if len(value) == 8 and all(letter in string.hexdigits for letter in value):
        readings.append(int(value, 16))
    return any(abs(reading - now) < day for reading in readings)
