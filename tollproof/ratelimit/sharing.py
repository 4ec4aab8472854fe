"""Judging who shares an allowance, and which requests escape it.

Knows lanes, the promise and what was inferred. Must not know headers, save that
Remaining tells workers apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

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
from tollproof.ratelimit.models import BUCKET, COUNTER, COUNTER_REJECTED
from tollproof.ratelimit.promise import Policy, RateLimitPromise
from tollproof.ratelimit.view import ADMITTED, REFUSED, Lane, View

#: Limiters that let single requests in while they are shut.
_TRICKLING = {BUCKET, COUNTER, COUNTER_REJECTED}


def isolation(view: View, promise: RateLimitPromise) -> Finding:
    """Judge that one key's traffic takes nothing from another's allowance."""
    aspect = Aspect.ISOLATION
    lanes = [
        lane
        for lane in view
        if len(lane) > 2 and not all(phase == "sharing" for phase in lane.phase)
    ]
    if promise.per not in ("key", "token", "organisation"):
        return not_applicable(aspect, f"the limit is per {promise.per}")
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
    for other in lanes:
        spans = _shut(other)
        begins = [begin for begin, _ in spans]
        for lane in lanes:
            if lane is other or together.count <= policy.limit:
                continue
            for row in lane.rows(ADMITTED, plain=True):
                at = bisect_right(begins, lane.sent[row]) - 1
                if at >= 0 and lane.received[row] < spans[at][1]:
                    return passed(
                        aspect,
                        f"{lane.key} was admitted while {other.key} was refused; "
                        f"together the keys were admitted {together.count} times "
                        f"within {policy.window:g} s",
                        **figures,
                    )
    return inconclusive(aspect, "no key was admitted while another was shut", **figures)


def _untouched(lane: Lane, policy: Policy) -> bool:
    """Whether a key was refused with less than a tenth of the limit spent."""
    first = lane.rows(REFUSED, plain=True)[:1]
    return any(
        possible(*lane.countable, lane.sent[row] - policy.window, lane.received[row])
        < policy.limit / 10
        for row in first
    )


def _shut(lane: Lane) -> list[tuple[float, float]]:
    """Return (from, to) of each run of refusals of plain requests."""
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


def sharing(view: View, promise: RateLimitPromise) -> Finding:
    """Judge whether two keys of an organisation share what they are promised to."""
    aspect = Aspect.SHARING
    siblings = [lane for lane in view if "sharing" in lane.phase]
    if not siblings:
        return not_applicable(aspect, "no second key of an organisation was used")
    main = next((lane for lane in view if "cap.probe" in lane.phase), None)
    spans = _shut(main) if main else []
    for lane in siblings:
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
        if not rows or len(outcomes) > 1 or outcomes - {ADMITTED, REFUSED}:
            continue
        apart = ADMITTED in outcomes
        text = (
            f"while one key was shut, another of its organisation was "
            f"{'admitted' if apart else 'refused'} {len(rows)} times"
        )
        if promise.per == "organisation":
            if apart:
                return failed(
                    aspect,
                    text,
                    expected="the organisation's keys share one allowance",
                    actual="each key has its own",
                )
            return passed(aspect, text)
        if promise.per in ("key", "token") and not apart:
            return failed(
                aspect,
                text,
                expected="each key has its own allowance",
                actual="keys of one organisation share one",
            )
        return passed(aspect, text)
    return inconclusive(aspect, "the second key was not asked while the first was shut")


def evasion(
    view: View, promise: RateLimitPromise, inference: Inference, over: Finding
) -> Finding:
    """Judge that other forms of the request do not count apart.

    A form counts apart when more of it was admitted, between two refusals of plain
    requests, than a limiter of any kind can have let in meanwhile.
    """
    aspect = Aspect.EVASION
    policy = promise.tightest
    windowed = bool(inference.candidates) and not (
        set(inference.candidates) & _TRICKLING
    )
    rate = 0.0 if windowed else policy.limit / policy.window
    apart: dict[str, int] = {}
    shared: set[str] = set()
    tried: set[str] = set()
    barred: set[str] = set()
    served: set[str] = set()
    for lane in view:
        refused = lane.rows(REFUSED, plain=True)
        taken = lane.rows(ADMITTED, plain=True)
        ends = sorted((lane.received[row], lane.sent[row]) for row in refused)
        starts = [lane.sent[row] for row in refused]
        bursts: dict[tuple[str, int], list[int]] = {}
        for row, variant in enumerate(lane.variant):
            if variant != "plain":
                bursts.setdefault((variant, lane.shot[row]), []).append(row)
        for (variant, _), rows in bursts.items():
            tried.add(variant)
            if any(lane.outcome[row] == REFUSED for row in rows):
                shared.add(variant)
                continue
            if any(lane.status[row] >= 400 for row in rows):
                # Answered before the limiter, or not at all: nobody gains by that.
                if all(400 <= lane.status[row] < 500 for row in rows):
                    barred.add(variant)
                continue
            served.add(variant)
            sent = lane.sent[rows[0]]
            received = max(lane.received[row] for row in rows)
            if any(lane.outcome[row] != ADMITTED for row in rows):
                continue
            before = bisect_left(ends, (sent, 0.0)) - 1
            after = bisect_right(starts, received)
            if before < 0 or after >= len(starts):
                continue
            low, high = ends[before][1], starts[after]
            beside = [
                row
                for row in taken
                if low <= lane.received[row] and lane.sent[row] <= high
            ]
            if windowed:
                # A plain request let in meanwhile: the key was not shut all the time.
                count = 0 if beside else len(rows)
                bound = 0.0
            else:
                # Only what was certainly let in after the refusal took of what dripped.
                drained = ends[before][0]
                also = [row for row in beside if drained <= lane.sent[row] <= received]
                end = max([received, *(lane.received[row] for row in also)])
                count = len(also) + sum(lane.outcome[row] == ADMITTED for row in rows)
                bound = rate * (end - low) + 1
            if count > bound:
                apart[variant] = apart.get(variant, 0) + len(rows)
    if not tried:
        return not_applicable(aspect, "no other form of the request was tried")
    if apart:
        names = ", ".join(sorted(apart))
        if over.figures.get("beyond"):
            return inconclusive(
                aspect,
                f"requests in another form were admitted ({names}), but so were plain "
                "ones beyond the limit: it may be the connection that counts apart",
                admitted=apart,
            )
        return failed(
            aspect,
            f"while the key was shut, requests in another form were admitted: {names}",
            expected="every form of the request counts towards the limit",
            actual=f"{len(apart)} forms count apart: {names}",
            admitted=apart,
        )
    barred -= served | shared
    if rest := tried - shared - barred:
        return inconclusive(
            aspect,
            "the key was not shut long enough to tell for " + ", ".join(sorted(rest)),
        )
    note = f"never answered but with 4xx: {', '.join(sorted(barred))}"
    if not shared:
        return not_applicable(aspect, f"no other form is let in; {note}")
    return passed(
        aspect,
        "while the key was shut, these forms of the request were refused as well: "
        + ", ".join(sorted(shared))
        + (f"; {note}" if barred else ""),
    )


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
