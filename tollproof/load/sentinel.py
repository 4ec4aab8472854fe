"""Watching the harness itself: when was it not attending?

An observation is only as good as the process that made it. The loop stamps the clock
at every turn; a turn that took longer than was asked for is a gap, during which
nothing was sent on time and nothing that arrived was seen. Unlike a thread beside the
loop, which the interpreter's lock delays for reasons of its own, this misses no stall
of the loop and sees no other. Knows one clock. Must not know why a gap matters.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

#: Gaps kept one by one; past that only their number, sum and longest are.
GAPS_KEPT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """The gaps of one process.

    Attributes:
        threshold: what counts as a gap, in ns.
        gaps: (start, end) of each, monotonic ns.
        count: how many there were, kept or not.
        total: their sum in ns.
        longest: in ns.
    """

    threshold: int
    gaps: tuple[tuple[int, int], ...] = ()
    count: int = 0
    total: int = 0
    longest: int = 0


class Sentinel:
    """Collects gaps; :meth:`gap` is called only for turns that were too long."""

    __slots__ = ("_ends", "_starts", "count", "longest", "threshold", "total")

    def __init__(self, *, threshold: int) -> None:
        self.threshold = threshold
        self._starts, self._ends = array("q"), array("q")
        self.count = self.total = self.longest = 0

    def gap(self, start: int, end: int) -> None:
        """Note that the loop attended to nothing from `start` to `end`."""
        self.count += 1
        self.total += end - start
        self.longest = max(self.longest, end - start)
        if len(self._starts) < GAPS_KEPT:
            self._starts.append(start)
            self._ends.append(end)

    def stalls(self) -> Stalls:
        """Return what was seen so far."""
        return Stalls(
            threshold=self.threshold,
            gaps=tuple(zip(self._starts, self._ends, strict=True)),
            count=self.count,
            total=self.total,
            longest=self.longest,
        )
