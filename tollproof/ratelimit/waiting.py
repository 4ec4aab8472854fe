"""Judging Retry-After: a client that waits exactly as told is let in.

Knows lanes, the promise and what was inferred. Must not know Limit or Remaining.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from tollproof.ratelimit.clock import Offset
from tollproof.ratelimit.finding import (
    Aspect,
    Finding,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.ratelimit.infer import STUCK, Inference
from tollproof.ratelimit.models import (
    BUCKET,
    COUNTER,
    COUNTER_REJECTED,
    FIXED_CLOCK,
    LOG_REJECTED,
    TTL,
)
from tollproof.ratelimit.promise import RateLimitPromise, RetryAfterForm
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane, View

#: Two clocks drift apart by no more than this share, and tick no coarser than this.
DRIFT, TICK = 0.0001, 0.002

#: Exact waits of a single kind are enough when they leave a value rounded to the
#: nearest this chance: six of them, where nothing takes time.
CHANCE = 0.02
#: A client came back at the very moment when, from when it was told to when it was let
#: in, no more than so many seconds beside the wait can have gone by.
EXACT = 0.2

_DELAY = RetryAfterForm.DELAY_SECONDS
_WORDS = {
    RetryAfterForm.DELAY_SECONDS: "delay in seconds",
    RetryAfterForm.HTTP_DATE: "HTTP-date",
    RetryAfterForm.EITHER: "delay in seconds or an HTTP-date",
}


def retry_after_header(
    view: View, promise: RateLimitPromise, inference: Inference, offset: Offset
) -> Finding:
    """Judge form and truth of Retry-After on refusals, and its place."""
    aspect = Aspect.RETRY_AFTER
    promised = promise.headers.retry_after
    if promised is RetryAfterForm.NONE:
        return not_applicable(aspect, "no Retry-After is promised")
    wrong: dict[str, int] = {}
    refusals = 0
    for lane in view:
        for told, outcome in zip(lane.told, lane.outcome, strict=True):
            fault = ""
            value = told.retry_after
            if outcome == REFUSED:
                refusals += 1
                if value is None:
                    fault = "is missing on a refusal"
                elif value.wrong:
                    fault = f"is malformed ({value.wrong})"
                elif promised is not RetryAfterForm.EITHER and value.form != promised:
                    fault = f"is not a {_WORDS[promised]}"
            elif (
                outcome == ADMITTED
                and value is not None
                and not promise.headers.retry_after_on_success
            ):
                fault = "stands on an admitted request"
            if fault and (len(wrong) < 20 or fault in wrong):
                wrong[fault] = wrong.get(fault, 0) + 1
    if wrong:
        fault, times = max(wrong.items(), key=lambda one: one[1])
        return failed(
            aspect,
            f"Retry-After {fault}, {times} times in {refusals} refusals",
            expected=f"a {_WORDS[promised]} on every refusal",
            actual=f"it {fault}",
            refusals=refusals,
            wrong=wrong,
        )
    if not refusals:
        return inconclusive(aspect, "nothing was refused, so nobody was told to wait")
    return _honest(view, promise, inference, offset, refusals)


def _honest(
    view: View,
    promise: RateLimitPromise,
    inference: Inference,
    offset: Offset,
    refusals: int,
) -> Finding:
    aspect = Aspect.RETRY_AFTER
    counting = {LOG_REJECTED, COUNTER_REJECTED, TTL, STUCK}
    candidates = set(inference.candidates)
    # Where refused requests may count, only a wait in silence is a test.
    silent = not candidates or bool(candidates & counting)
    tests = early = 0
    slowest = 0.0
    came: dict[tuple[str, int], tuple[float, float]] = {}
    example = ""
    for lane in view:
        for row, later, wait, moment in _followed(lane, view, offset, silent=silent):
            tests += 1
            # The refusal was decided, and so the wait began, up to this much earlier.
            slack = lane.received[later] - moment
            slack += lane.received[row] - lane.sent[row]
            if slack <= EXACT:
                # Of several refusals that one return obeys, the last counts.
                here = (moment, slack)
                came[lane.key, later] = max(here, came.get((lane.key, later), here))
            if lane.outcome[later] == REFUSED:
                early += 1
                after = lane.sent[later] - lane.received[row]
                if not example or after > slowest:
                    slowest = after
                    example = (
                        f"{lane.key} was told to wait {wait:g} s, asked again after "
                        f"{after:.3f} s and was refused"
                    )
    exact = len(came)
    # Windows by the clock end at the same fraction of a second for every key.
    length = promise.tightest.window
    together = inference.named == FIXED_CLOCK and length == int(length)
    returns: dict[str, list[tuple[float, float]]] = {}
    for (key, _), (moment, slack) in came.items():
        returns.setdefault("" if together else key, []).append((slack, moment % 1.0))
    luck = math.prod(0.5 + slack for _, slack in came.values())
    figures = {"refusals": refusals, "tests": tests, "early": early, "exact": exact}
    if early:
        return failed(
            aspect,
            f"{early} of {tests} times a client that waited as told was refused again: "
            + example,
            expected="who waits as told is let in",
            actual=f"refused again {early} of {tests} times",
            **figures,
        )
    if not tests:
        return inconclusive(
            aspect,
            f"Retry-After stands on all {refusals} refusals in the promised form, but "
            "no request was made at the time it named",
            **figures,
        )
    # A value rounded to the nearest passes when all moments told lie in one half of a
    # second, and one rounded down when they lie close together; time that went by
    # otherwise makes up for as much.
    # Where places come one by one, too short a wait shows in the next request already.
    told_apart = any(map(_spread, returns.values()))
    single = silent or bool(candidates & {BUCKET, COUNTER})
    if not (told_apart or luck <= CHANCE or (single and exact)):
        return inconclusive(
            aspect,
            f"{tests} times a client that waited as told, or longer, was let in, but "
            f"only {exact} times it came back at the very moment: not enough to tell "
            "a value that was rounded down from one that was not",
            **figures,
        )
    note = ""
    if conservative := _conservative(view):
        note = f"; it asks for up to {conservative:.1f} s more than was needed"
    return passed(
        aspect,
        f"{tests} times a client that waited as told was let in{note}",
        conservative=conservative,
        **figures,
    )


def _spread(returns: list[tuple[float, float]]) -> bool:
    """Whether no half of a second holds all the moments told.

    Each is told with a slack, up to which it may lie elsewhere: a few exact ones can
    say what is lost in many that are not.
    """
    ordered = sorted(returns)
    return any(
        _gap([fraction for _, fraction in ordered[:number]]) < 0.5 - slack
        for number, (slack, _) in enumerate(ordered, 1)
    )


def _gap(fractions: list[float]) -> float:
    """Return the widest arc of a second, taken as a circle, without a moment in it."""
    marks = sorted(fractions)
    return max(
        after - before
        for before, after in zip(marks, [*marks[1:], marks[0] + 1.0], strict=True)
    )


def _wait(
    lane: Lane, row: int, view: View, offset: Offset
) -> tuple[float, float] | None:
    """Return (when a client that obeys may ask, how long it was told to wait)."""
    value = lane.told[row].retry_after
    if value is None or value.seconds is None or value.seconds < 0:
        return None
    received = lane.received[row]
    if value.form is RetryAfterForm.HTTP_DATE:
        # By the target's clock, at its slowest: nobody can call that impatient.
        moment = value.seconds - view.unix(0.0) - offset.low
        return max(received, moment) + TICK, moment - received
    wait = value.seconds
    return received + wait * (1 + DRIFT) + TICK, wait


def _followed(
    lane: Lane, view: View, offset: Offset, *, silent: bool
) -> list[tuple[int, int, float, float]]:
    """Return (refusal, next request, wait told, moment told) for each fair test.

    Fair: the request is the first one made from then on, and if it was refused, nothing
    that was admitted or may have been (with `silent`: nothing at all) lies between.
    """
    others = [
        row
        for row, outcome in enumerate(lane.outcome)
        if silent or outcome in (ADMITTED, UNKNOWN)
    ]
    sent = [lane.sent[row] for row in others]
    received = sorted(lane.received[row] for row in others)
    found = []
    for row in lane.rows(REFUSED, plain=True):
        told = _wait(lane, row, view, offset)
        if told is None:
            continue
        moment, wait = told
        later = bisect_left(lane.sent, moment)
        if later >= len(lane) or lane.outcome[later] == UNKNOWN:
            continue
        if lane.variant[later] != "plain":
            continue
        if lane.outcome[later] == REFUSED:
            # Whatever overlaps (sent[row], received[later]) may have taken the place;
            # the refusal and, in silence, the request itself are among them.
            between = bisect_right(sent, lane.received[later]) - bisect_left(
                received, lane.sent[row]
            )
            if between > (2 if silent else 0):
                continue
        found.append((row, later, wait, moment))
    return found


def _conservative(lanes: Iterable[Lane]) -> float:
    """Return by how many seconds the least wait told exceeded the one needed."""
    most = 0.0
    for lane in lanes:
        last: int | None = None
        for row, outcome in enumerate(lane.outcome):
            if outcome == REFUSED:
                last = row
            elif outcome == ADMITTED and last is not None:
                value = lane.told[last].retry_after
                if value and value.seconds and value.form is _DELAY:
                    needed = lane.received[row] - lane.sent[last]
                    if lane.sent[row] > lane.received[last]:
                        most = max(most, value.seconds - needed)
                last = None
    return round(most, 1) if most > 1.0 else 0.0
