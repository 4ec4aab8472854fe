"""Judging that a limit holds on when it is long exceeded: that it does not give way.

A limiter may hold for a while and then open: its store is overrun, a circuit breaker
trips, a cache of refusals runs full. What shows it is a key that was refused again and
again, and is then let in for good before its time. Knows lanes, the promise and what
was found of admissions. Must not know headers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tollproof.model import Outcome
from tollproof.ratelimit.admitting import excess
from tollproof.ratelimit.clusters import usual_time
from tollproof.ratelimit.finding import Aspect, Finding, failed, inconclusive, passed
from tollproof.ratelimit.promise import RateLimitPromise
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane, View

#: So many refusals in a row that a key is shut, and so many admissions that it is open.
SHUT, OPEN = 10, 5
#: Refusals of a run that are excess enough to say that a limiter bears it.
ENOUGH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """When a key that was shut was let in before its time.

    Attributes:
        refused: how often it was refused in a row before.
        admitted: how often it was let in from then on without a refusal.
        at: the first of these, in seconds.
    """

    lane: Lane
    refused: int
    admitted: int
    at: float


def stays_closed(view: View, promise: RateLimitPromise, over: Finding) -> Finding:
    """Judge that a key which goes on asking beyond its limit stays shut.

    Args:
        over: what was found of over-admission, without which nothing gave way.
    """
    aspect = Aspect.STAYS_CLOSED
    refusals = sum(len(lane.rows(REFUSED, plain=True)) for lane in view)
    streak, seconds = max((_longest(lane) for lane in view), default=(0, 0.0))
    figures = {"refused": refusals, "in_a_row": streak, "seconds": round(seconds, 3)}
    if over.figures.get("beyond"):
        found = [one for lane in view if (one := _gave_way(lane, promise))]
        if found:
            first = min(found, key=lambda one: one.at)
            return failed(
                aspect,
                f"after {first.refused} refusals in a row {first.lane.key} was let in "
                f"again {first.at:.2f} s into the run, before its time, and met no "
                f"refusal in {first.admitted} requests from then on",
                expected=f"{promise.tightest.text}, however often more is asked for",
                actual=f"open after {first.refused} refusals",
                after=first.refused,
                **figures,
            )
        if streak < ENOUGH:
            return inconclusive(
                aspect,
                "more than the limit was let in, and no key was refused for long: it "
                "cannot be told whether the limit held at first",
                **figures,
            )
    if over.outcome is Outcome.INCONCLUSIVE:
        return inconclusive(aspect, over.sentence, **figures)
    if refusals < ENOUGH:
        return inconclusive(
            aspect,
            f"only {refusals} requests were refused: too few to call it sustained",
            **figures,
        )
    return passed(
        aspect,
        f"{refusals} requests beyond the limit were refused, up to {streak} in a row "
        f"within {seconds:.1f} s, and the limit did not give way",
        **figures,
    )


def _known(lane: Lane) -> list[int]:
    """Return the rows of plain requests that were decided, in order of sending.

    Without those that lingered: they may have been decided long before or after what
    was sent next to them, and would break a row that they are not part of.
    """
    usual = usual_time(lane)
    return [
        row
        for row, what in enumerate(lane.outcome)
        if what != UNKNOWN
        and lane.variant[row] == "plain"
        and lane.received[row] - lane.sent[row] <= usual
    ]


def _longest(lane: Lane) -> tuple[int, float]:
    """Return how many refusals came in a row at most, and within how many seconds."""
    best, count, begin = (0, 0.0), 0, 0.0
    for row in _known(lane):
        if lane.outcome[row] == ADMITTED:
            count = 0
            continue
        begin = begin if count else lane.sent[row]
        count += 1
        best = max(best, (count, lane.received[row] - begin))
    return best


def _gave_way(lane: Lane, promise: RateLimitPromise) -> _Opening | None:
    """Find where a lane, shut at its limit, opened for good before its time."""
    rows = _known(lane)
    refused = taken = 0
    for place, row in enumerate(rows):
        if lane.outcome[row] == REFUSED:
            refused += 1
            continue
        if refused >= SHUT:
            # Were the limit what had been let in by then, would anything be too much?
            # If not, it is the limit that is another, and it did hold.
            limit = max(taken, promise.tightest.limit)
            open_ = _run(lane, rows[place:], promise.tightest.window, limit)
            if open_ >= OPEN and _exceeds(lane, promise, limit):
                return _Opening(
                    lane=lane, refused=refused, admitted=open_, at=lane.sent[row]
                )
        refused = 0
        taken += 1
    return None


def _run(lane: Lane, rows: list[int], window: float, limit: int) -> int:
    """Return how many were let in from the first of these rows on; 0 if shut again.

    Only a window is looked at: after it, a limiter may begin anew. Who is shut again
    after no more than the limit has met another counter, or an edge; a refusal that
    was under way together with the first admission may have come before it.
    """
    begun, until = lane.received[rows[0]], lane.sent[rows[0]] + window
    count = 0
    for row in rows:
        if lane.sent[row] > until:
            break
        if lane.outcome[row] == REFUSED:
            if lane.sent[row] < begun:
                continue
            return count if count > limit else 0
        count += 1
    return count


def _exceeds(lane: Lane, promise: RateLimitPromise, limit: int) -> bool:
    policy = promise.tightest
    lenient = replace(policy, limit=limit, burst=None)
    held = replace(promise, policy=lenient, policies=())
    return excess(lane, held, lenient) is not None
