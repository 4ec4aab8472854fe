"""Counting durations with a bounded error in bounded memory.

The buckets of an HDR histogram: exact below 2,048 µs, and above it 1,024 or more to
each doubling, so a percentile is at most 0.1 % too high, and the memory does not grow
with the number of requests. Knows integers. Must not know what they measure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

_BITS = 11
PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)


class Histogram:
    """Durations in whole microseconds."""

    __slots__ = ("_counts", "longest", "number", "shortest", "total")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.number = self.total = self.longest = 0
        self.shortest = 0

    def add(self, value: int, times: int = 1) -> None:
        """Count a duration; one below zero counts as zero."""
        value = max(0, value)
        shift = max(0, value.bit_length() - _BITS)
        self._counts[(shift << _BITS) | (value >> shift)] += times
        self.shortest = value if not self.number else min(self.shortest, value)
        self.number += times
        self.total += value * times
        self.longest = max(self.longest, value)

    def merge(self, other: Histogram) -> None:
        """Add all that another one counted."""
        if other.number:
            self._counts.update(other._counts)
            self.shortest = (
                min(self.shortest, other.shortest) if self.number else other.shortest
            )
            self.number += other.number
            self.total += other.total
            self.longest = max(self.longest, other.longest)

    @property
    def mean(self) -> float:
        """The exact mean; 0 when nothing was counted."""
        return self.total / self.number if self.number else 0.0

    def percentile(self, percent: float) -> int:
        """Return the least upper bound of `percent` of the durations (nearest rank).

        Raises:
            ValueError: nothing was counted, or `percent` is not within 0 and 100.
        """
        if not self.number or not 0 <= percent <= 100:
            raise ValueError("no percentile of nothing, nor outside 0 to 100")
        rank = max(1, math.ceil(self.number * percent / 100))
        for key in sorted(self._counts, key=_upper):
            rank -= self._counts[key]
            if rank <= 0:
                return min(_upper(key), self.longest)
        return self.longest

    def percentiles(self) -> Mapping[str, int]:
        """Return the usual percentiles, `p50` to `p100`; empty for an empty one."""
        if not self.number:
            return {}
        return {f"p{percent:g}": self.percentile(percent) for percent in PERCENTILES}


def _upper(key: int) -> int:
    """The highest value that falls into a bucket."""
    shift, mantissa = key >> _BITS, key & ((1 << _BITS) - 1)
    return ((mantissa + 1) << shift) - 1
