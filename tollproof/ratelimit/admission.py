"""How many requests were admitted in a window: what is certain, what is possible.

A decision lies somewhere between sending and reception. A count is *certain* when it
holds for every placement of the decisions, and *possible* when it holds for one. All
of it is sorted sweeps, O(n log n). Knows sorted lists of times in seconds. Must not
know headers, phases or which algorithm is behind them.

Throughout, `sent` and `received` are each sorted; they need not be paired, because a
request that is longer under way than a window counts as not certain.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

Times = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The fullest window found.

    Attributes:
        count: requests in it.
        start: when it begins, in seconds.
    """

    count: int
    start: float


def certain(sent: Times, received: Times, begin: float, end: float) -> int:
    """Return how many decisions certainly fell between two instants, both included."""
    return max(0, bisect_right(received, end) - bisect_left(sent, begin))


def possible(sent: Times, received: Times, begin: float, end: float) -> int:
    """Return how many decisions may have fallen between two instants."""
    return max(0, bisect_right(sent, end) - bisect_left(received, begin))


def certain_peak(sent: Times, received: Times, length: float) -> Peak:
    """Return the window of that length, wherever it starts, that holds most for sure.

    It starts when some request was sent.
    """
    best = Peak(count=0, start=0.0)
    right, size = 0, len(received)
    for row, begin in enumerate(sent):
        end = begin + length
        while right < size and received[right] <= end:
            right += 1
        if right - row > best.count:
            best = Peak(count=right - row, start=begin)
    return best


def possible_peak(sent: Times, received: Times, length: float) -> Peak:
    """Return the window of that length that may hold most; it starts at a reception."""
    best = Peak(count=0, start=0.0)
    right, size = 0, len(sent)
    for row, begin in enumerate(received):
        end = begin + length
        while right < size and sent[right] <= end:
            right += 1
        if right - row > best.count:
            best = Peak(count=right - row, start=begin)
    return best


def bucket_excess(
    sent: Times, received: Times, *, capacity: float, rate: float
) -> float:
    """Return by how much a bucket of that capacity and refill was certainly exceeded.

    A bucket admits at most `capacity + rate * L` in any interval of length L. For
    every pair (begin = a sending, end = a reception) the certain count is compared
    with that; the largest excess is returned, which is not positive when a bucket
    explains what was seen.
    """
    # certain(begin, end) - rate * (end - begin) is separable: a running minimum over
    # beginnings and one pass over ends suffice.
    worst = -float("inf")
    lowest = float("inf")
    row, size = 0, len(sent)
    for count, end in enumerate(received, start=1):
        while row < size and sent[row] <= end:
            lowest = min(lowest, row - rate * sent[row])
            row += 1
        worst = max(worst, count - rate * end - lowest)
    return worst - capacity


def first_excess(sent: Times, received: Times, length: float, limit: int) -> float:
    """Return when it was first proved that more than `limit` fitted into a window.

    In seconds; infinity when it never was. The proof is there as soon as the last of
    the answers is.
    """
    right, size = 0, len(received)
    proved = float("inf")
    for row, begin in enumerate(sent):
        while right < size and received[right] <= begin + length:
            right += 1
        if right - row > limit:
            proved = min(proved, received[row + limit])
    return proved


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Why no placement of fixed windows explains a lane; the mildest one found.

    Attributes:
        excess: admitted beyond the limit, for sure, in the fullest window.
        missing: how many more could have been admitted before some refusal.
        edge: the placement that this is about, in seconds.
    """

    excess: int
    missing: int
    edge: float

    @property
    def weight(self) -> int:
        """How bad it is, for comparing placements."""
        return self.excess + self.missing


def fixed_window_breach(
    sent: Times,
    received: Times,
    *,
    counted: tuple[Times, Times],
    refused: tuple[Times, Times],
    limit: int,
    least: int,
    length: float,
    around: float,
) -> Breach | None:
    """Return None when fixed windows explain a lane, and the mildest breach otherwise.

    Windows begin at `edge + k * length`. For each edge every window is checked for
    certain admissions beyond `limit`, and for a refusal given when fewer than `least`
    can have counted in that window.

    Args:
        sent, received: of what was admitted.
        counted: the same of everything that may count, unknown outcomes included.
        refused: the same of what was refused; empty to leave that out.
        around: where the window starts in which edges are tried; all those between
            two neighbouring moments are alike.
    """
    if not sent:
        return None
    edges = _edges((*sent, *received, *refused[0], *refused[1]), length, around)
    step = max(1, len(edges) // 400)
    mildest: Breach | None = None
    best = 0
    tried: set[int] = set()
    rows = range(0, len(edges), step)
    while True:
        for row in rows:
            if row in tried or not 0 <= row < len(edges):
                continue
            tried.add(row)
            breach = _breach(
                sent, received, counted, refused, limit, least, length, edges[row]
            )
            if breach.weight == 0:
                return None
            if mildest is None or breach.weight < mildest.weight:
                mildest, best = breach, row
        if step == 1:
            return mildest
        # A long lane was tried at every few edges: look closely where that was best.
        reach, step = 2 * step, max(1, step // 20)
        rows = range(best - reach, best + reach + 1, step)


def _edges(moments: Sequence[float], length: float, around: float) -> list[float]:
    """Return an edge between every two moments, all taken into one window."""
    marks = sorted({around + (moment - around) % length for moment in moments})
    return [
        (one + other) / 2
        for one, other in zip([around, *marks], [*marks, around + length], strict=True)
    ]


def _breach(
    sent: Times,
    received: Times,
    counted: tuple[Times, Times],
    refused: tuple[Times, Times],
    limit: int,
    least: int,
    length: float,
    edge: float,
) -> Breach:
    refused_sent, refused_received = refused
    start, last = sent[0], received[-1]
    begin = edge + length * ((start - edge) // length)
    excess = missing = 0
    while begin <= last:
        end = begin + length
        excess = max(excess, certain(sent, received, begin, end) - limit)
        row = bisect_left(refused_sent, begin)
        if row < len(refused_sent):
            # The earliest refusal of this window has seen the fewest admissions. Of
            # those sent from `begin` on, one at least was received by then.
            decided = refused_received[row]
            if decided <= end:
                missing = max(missing, least - possible(*counted, begin, decided))
        begin = end
    return Breach(excess=excess, missing=missing, edge=edge)


def windows_explain(sent: Times, received: Times, *, limit: int, length: float) -> bool:
    """Say whether windows of at least that length, placed anywhere, explain a lane.

    They need not follow one another at once nor be of one length: any row of edges at
    least `length` apart will do, with no more than `limit` certain admissions between
    two of them. Whatever is as strict as fixed windows, or stricter, is explained.
    """
    if not sent:
        return True
    marks = sorted({*sent, *received})
    edges = [(one + other) / 2 for one, other in itertools.pairwise(marks)]
    edges = [marks[0] - length, *edges, marks[-1] + length]
    # reachable[i] counts the edges up to i at which a window may begin.
    reachable = [1]
    left = right = 0
    for at in range(1, len(edges)):
        end = edges[at]
        while certain(sent, received, edges[left], end) > limit:
            left += 1
        while right < at and edges[right] <= end - length:
            right += 1
        before = reachable[left - 1] if left else 0
        possible_ = right > left and reachable[right - 1] > before
        if at == len(edges) - 1:
            # The last window need not be over.
            return possible_ or reachable[at - 1] > before
        first = certain(sent, received, edges[0], end) <= limit
        reachable.append(reachable[-1] + (possible_ or first))
    return True


def first_request_breach(
    sent: Times, received: Times, *, limit: int, length: float
) -> Breach | None:
    """Return by how much windows that begin with a request were certainly exceeded.

    The first window begins with the first admission; each later one with the first
    admission after the one before has ended. Both ends are carried as intervals.
    """
    excess, edge = 0, 0.0
    low, high = (sent[0], received[0]) if sent else (0.0, 0.0)
    while sent:
        # The opener itself belongs to the window whatever its decision was.
        # A decision at the very end belongs to the next window.
        count = certain(sent, received, high, low + length - 1e-9)
        if low != high and bisect_left(sent, high) > bisect_left(sent, low):
            count += 1
        if count - limit > excess:
            excess, edge = count - limit, low
        ends_low, ends_high = low + length, high + length
        after = bisect_left(received, ends_low)
        sure = bisect_left(sent, ends_high)
        if after >= len(received) or sure >= len(sent):
            break
        # The next opener was decided after `ends_low`, and no later than the first
        # answer to a request sent after `ends_high`, which is this one or earlier.
        later = received[sure]
        first = bisect_left(sent, ends_low)
        straddles = bisect_left(sent, ends_low) > after
        low = ends_low if straddles or first >= len(sent) else sent[first]
        high = max(later, low)
    return Breach(excess=excess, missing=0, edge=edge) if excess > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjustified:
    """A refusal for which there was no reason.

    Attributes:
        at: when it was sent.
        counted: the most that can have been admitted in the window before it.
    """

    at: float
    counted: int


def unjustified_refusals(
    sent: Times,
    received: Times,
    refused_sent: Times,
    refused_received: Times,
    *,
    limit: int,
    length: float,
) -> tuple[Unjustified, ...]:
    """Return the refusals given although fewer than `limit` can have counted.

    What can have counted: everything, refusals aside, decided no earlier than a window
    before the refusal was sent, and sent before the refusal was received. `sent` and
    `received` include the requests whose outcome is unknown. The refusals are paired
    (row i of both lists is one request).
    """
    found = []
    for begin, end in zip(refused_sent, refused_received, strict=True):
        counted = possible(sent, received, begin - length, end)
        if counted < limit:
            found.append(Unjustified(at=begin, counted=counted))
    return tuple(found)
