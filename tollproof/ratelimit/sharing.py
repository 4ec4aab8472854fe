"""Judging who shares an allowance, and whether workers count apart.

Knows lanes, the promise and what was inferred. Must not know headers, save that
Remaining tells workers apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tollproof.ratelimit.admission import (
    certain_peak,
    possible,
    possible_peak,
    windows_explain,
)
from tollproof.ratelimit.finding import (
    Aspect,
    Finding,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.ratelimit.infer import Inference
from tollproof.ratelimit.promise import (
    BY_ADDRESS,
    BY_OPERATION,
    Policy,
    RateLimitPromise,
)
from tollproof.ratelimit.view import ADMITTED, REFUSED, Lane, View


def isolation(view: View, promise: RateLimitPromise, inference: Inference) -> Finding:
    """Judge that one key's traffic takes nothing from another's allowance."""
    aspect = Aspect.ISOLATION
    lanes = [
        lane
        for lane in view
        if len(lane) > 2 and not all(phase == "sharing" for phase in lane.phase)
    ]
    if promise.per == BY_ADDRESS:
        return not_applicable(
            aspect,
            "the limit is per address, and all keys sent from one: they share its "
            "allowance, and nothing was seen of another address. Measure from a second "
            "machine at the same time to see that it has its own",
        )
    if promise.per == BY_OPERATION:
        return not_applicable(
            aspect,
            "the limit is per operation, and all keys asked for one: whether each has "
            "an allowance of its own for it, the promise does not say",
        )
    if len(lanes) < 2:
        return inconclusive(aspect, "one key alone cannot show it")
    policy = promise.tightest
    sent = sorted(at for lane in lanes for at in lane.admitted[0])
    received = sorted(at for lane in lanes for at in lane.admitted[1])
    together = certain_peak(sent, received, policy.window)
    figures = {"together": together.count, "keys": len(lanes)}
    starved = [
        lane
        for lane in lanes
        if lane.rows(REFUSED)
        and possible_peak(*lane.admitted, policy.window).count < policy.limit
    ]
    most = possible_peak(sent, received, policy.window).count
    cap = int(policy.limit * (1 + promise.tolerance)) + len(lanes)
    # A window's edge may fall among the fills, so one allowance may be spent twice:
    # then a key must have been refused that had spent next to nothing itself.
    edged = any(_untouched(lane, policy) for lane in starved) and windows_explain(
        sent, received, limit=cap, length=policy.window
    )
    if starved and (edged or most <= cap):
        return failed(
            aspect,
            f"{len(lanes)} keys together were admitted at most {most} times within "
            f"{policy.window:g} s, and {starved[0].key} was refused: they share one "
            "allowance",
            expected=f"{policy.text} for each key",
            actual=f"{most} for all of them",
            **figures,
        )
    rate = policy.limit / policy.window if inference.may_trickle else 0.0
    for other in lanes:
        for lane in lanes:
            if lane is not other and _beside(lane, other, lanes, policy, rate):
                return passed(
                    aspect,
                    f"{lane.key} was admitted while {other.key} was refused; "
                    f"together the keys were admitted {together.count} times "
                    f"within {policy.window:g} s",
                    **figures,
                )
    return inconclusive(aspect, "no key was admitted while another was shut", **figures)


def _beside(
    lane: Lane, other: Lane, lanes: Sequence[Lane], policy: Policy, rate: float
) -> bool:
    """Whether a key was let in, between two refusals of another, by its own allowance.

    Had they shared one, what was let in would have come of what dripped in between, or
    of an allowance that was new; and of a new one enough would have been left for the
    other key not to be refused.
    """
    refused = other.rows(REFUSED, plain=True)
    ends = sorted(other.received[row] for row in refused)
    starts = [other.sent[row] for row in refused]
    for rows in _runs(lane):
        before = bisect_left(ends, lane.sent[rows[0]]) - 1
        after = bisect_right(starts, max(lane.received[row] for row in rows))
        if before < 0 or after >= len(starts):
            continue
        low, high = ends[before], starts[after]
        taken = sum(possible(*one.countable, low, high) for one in lanes)
        if taken < policy.limit and len(rows) > rate * (high - low) + bool(rate):
            return True
    return False


def _runs(lane: Lane) -> Iterator[list[int]]:
    """Yield the plain requests of each shot that were admitted."""
    shots: dict[int, list[int]] = {}
    for row in lane.rows(ADMITTED, plain=True):
        shots.setdefault(lane.shot[row], []).append(row)
    yield from shots.values()


def _untouched(lane: Lane, policy: Policy) -> bool:
    """Whether a key was refused with less than a tenth of the limit spent."""
    first = lane.rows(REFUSED, plain=True)[:1]
    return any(
        possible(*lane.countable, lane.sent[row] - policy.window, lane.received[row])
        < policy.limit / 10
        for row in first
    )


def shut(lane: Lane) -> list[tuple[float, float]]:
    """Return (from, to) of each run of refusals of plain requests, in seconds."""
    spans: list[tuple[float, float]] = []
    begin: float | None = None
    end = 0.0
    for row, outcome in enumerate(lane.outcome):
        if lane.variant[row] != "plain":
            continue
        if outcome == REFUSED:
            begin = lane.received[row] if begin is None else begin
            end = lane.sent[row]
        else:
            if begin is not None and end > begin:
                spans.append((begin, end))
            begin = None
    if begin is not None and end > begin:
        spans.append((begin, end))
    return spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a second key fared while the first was shut.

    Attributes:
        apart: it was admitted throughout; otherwise it was refused throughout.
    """

    times: int
    apart: bool


def siblings(view: View) -> Asked | None:
    """Return how a second key fared; None when nothing clear can be said."""
    main = next((lane for lane in view if "cap.probe" in lane.phase), None)
    spans = shut(main) if main else []
    for lane in view:
        rows = [
            row
            for row, phase in enumerate(lane.phase)
            if phase == "sharing"
            and any(
                begin < lane.sent[row] and lane.received[row] < end
                for begin, end in spans
            )
        ]
        outcomes = {lane.outcome[row] for row in rows}
        if rows and len(outcomes) == 1 and outcomes <= {ADMITTED, REFUSED}:
            return Asked(times=len(rows), apart=ADMITTED in outcomes)
    return None


def sharing(view: View, promise: RateLimitPromise) -> Finding:
    """Judge whether two keys of an organisation share what they are promised to."""
    aspect = Aspect.SHARING
    if promise.per in (BY_ADDRESS, BY_OPERATION):
        return not_applicable(
            aspect, f"the limit is per {promise.per}: see what it is counted by"
        )
    if not any("sharing" in lane.phase for lane in view):
        return not_applicable(aspect, "no second key of an organisation was used")
    asked = siblings(view)
    if asked is None:
        return inconclusive(
            aspect, "the second key was not asked while the first was shut"
        )
    text = (
        f"while one key was shut, another of its organisation was "
        f"{'admitted' if asked.apart else 'refused'} {asked.times} times"
    )
    if promise.per == "organisation" and asked.apart:
        return failed(
            aspect,
            text,
            expected="the organisation's keys share one allowance",
            actual="each key has its own",
        )
    if promise.per in ("key", "token") and not asked.apart:
        return failed(
            aspect,
            text,
            expected="each key has its own allowance",
            actual="keys of one organisation share one",
        )
    return passed(aspect, text)


def workers(view: View, promise: RateLimitPromise, over: Finding) -> Finding:
    """Say whether several counters, told apart by connection, explain too many."""
    aspect = Aspect.WORKERS
    if not over.figures.get("beyond"):
        return passed(aspect, "nothing suggests that workers count apart")
    factor = int(over.figures["admitted"]) / promise.tightest.limit
    falls = jumps = 0
    for lane in view:
        last: dict[tuple[int, int], int] = {}
        previous: int | None = None
        for row in lane.rows(ADMITTED, plain=True):
            told = lane.told[row].remaining
            if told is None or told.value is None:
                continue
            where = lane.where[row]
            if where in last and told.value < last[where]:
                falls += 1
            if previous is not None and told.value > previous:
                jumps += 1
            last[where] = previous = told.value
    text = f"{factor:.2f} times the limit was admitted"
    if falls and jumps:
        text += (
            f"; Remaining falls along each connection and jumped up {jumps} times from "
            "one to another, as separate counters do"
        )
    return failed(
        aspect,
        text,
        expected="all workers share one counter",
        actual=f"{factor:.2f} times the limit",
        factor=round(factor, 3),
        jumps=jumps,
    )


def status(view: View, promise: RateLimitPromise) -> Finding:
    """Judge the status of refusals."""
    aspect = Aspect.STATUS
    refusals = sum(len(lane.rows(REFUSED)) for lane in view)
    if not refusals:
        return inconclusive(aspect, "nothing was refused")
    if view.refusal != promise.status:
        return failed(
            aspect,
            f"{refusals} requests beyond the limit were answered {view.refusal}",
            expected=str(promise.status),
            actual=str(view.refusal),
        )
    return passed(aspect, f"{refusals} refusals have status {promise.status}")
