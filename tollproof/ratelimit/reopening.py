"""When a key is let in again: the measured window, recovery, what counts.

Knows lanes, the promise and what was inferred. Must not know headers.
"""

from __future__ import annotations

from dataclasses import dataclass

from tollproof.ratelimit.admitting import may_be_spent
from tollproof.ratelimit.finding import (
    Aspect,
    Finding,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.ratelimit.infer import FACTOR, KIN, MORE, STUCK, Inference, describe
from tollproof.ratelimit.models import (
    BUCKET,
    COUNTER_REJECTED,
    LOG_REJECTED,
    TTL,
    UNLIMITED,
)
from tollproof.ratelimit.promise import Algorithm, RateLimitPromise
from tollproof.ratelimit.view import ADMITTED, REFUSED, Lane, View

#: A window is measured to this share of its length.
PRECISION = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A key was shut, and then it was not: it opened between `low` and `high`.

    Attributes:
        low: when the last request before that was certainly refused was sent.
        high: when the first admission after it was received.
        refused: row of the last refusal.
        admitted: row of that first admission.
    """

    low: float
    high: float
    refused: int
    admitted: int


def openings(lane: Lane, apart: float) -> tuple[Opening, ...]:
    """Return every opening of a lane that ends at least `apart` seconds of refusals.

    Only plain requests count, and only pairs of which the refusal was received before
    the admission was sent.
    """
    found = []
    since: float | None = None
    last = -1
    for row, outcome in enumerate(lane.outcome):
        if lane.variant[row] != "plain":
            continue
        if outcome == REFUSED:
            if since is None:
                since = lane.sent[row]
            last = row
        elif outcome == ADMITTED and since is not None:
            long = lane.sent[last] - since >= apart
            if long and lane.received[last] <= lane.sent[row]:
                found.append(
                    Opening(
                        low=lane.sent[last],
                        high=lane.received[row],
                        refused=last,
                        admitted=row,
                    )
                )
            since = None
    return tuple(found)


def recovery(view: View, promise: RateLimitPromise, inference: Inference) -> Finding:
    """Judge whether a key that was shut is let in again, in time and in full."""
    aspect = Aspect.RECOVERY
    window = promise.tightest.window
    stuck = _stuck(view, promise)
    if stuck:
        lane, row, idle = stuck
        return failed(
            aspect,
            f"a request of {lane.key} was refused {lane.sent[row]:.1f} s into the run, "
            f"{idle:.1f} s after anything of that key had last been admitted",
            expected=f"let in again within {window:g} s",
            actual=f"still refused after {idle:.1f} s",
            key=lane.key,
            idle=idle,
        )
    times: list[tuple[str, float, Opening]] = []
    for lane in view:
        shut = lane.rows(REFUSED, plain=True)
        opened = openings(lane, 0.0)
        if shut and opened:
            times.append((lane.key, lane.sent[shut[0]], opened[0]))
    again = [
        (lane, rows)
        for lane in view
        if (
            rows := [
                row
                for row, phase in enumerate(lane.phase)
                if phase.startswith("recovery.again")
            ]
        )
    ]
    if not times and not again:
        return inconclusive(aspect, "no key was seen to be shut and asked again")
    figures = {
        key: [round(one.low - shut, 3), round(one.high - shut, 3)]
        for key, shut, one in times
    }
    full = [
        sum(lane.outcome[row] == ADMITTED for row in rows)
        for lane, rows in again
        if any(lane.outcome[row] == REFUSED for row in rows)
    ]
    text = "a key that was shut was let in again"
    if times:
        _, start, one = max(times, key=lambda item: item[2].high - item[1])
        text += (
            f" between {max(0.0, one.low - start):.2f} and {one.high - start:.2f} s "
            "after its first refusal"
        )
    if full:
        text += (
            f", and after more than {window:g} s of silence for {min(full)} requests"
        )
    elif not times:
        return inconclusive(aspect, "a shut key was not asked often enough to tell")
    return passed(aspect, text, reopened=figures, after_silence=full)


def _stuck(view: View, promise: RateLimitPromise) -> tuple[Lane, int, float] | None:
    """Find a refusal with nothing admitted in all windows that could still count.

    A sliding counter looks back up to two windows, so two is what is asked for, unless
    nothing at all was sent for a window either. Where it is promised that refused
    requests count, only silence frees a key; and a sliding counter that has counted
    more than the limit is then full for up to two windows.
    """
    window = promise.tightest.window
    counts = promise.counting.rejected is True
    doubles = counts and promise.algorithm in (None, Algorithm.SLIDING_COUNTER)
    silence = (2 if doubles else 1) * 1.01 * window
    worst: tuple[Lane, int, float] | None = None
    for lane in view:
        admitted = asked = -float("inf")
        for row, sent in enumerate(lane.sent):
            outcome = lane.outcome[row]
            if outcome == REFUSED:
                idle = sent - admitted
                silent = sent - asked
                late = (idle > 2 * window and not counts) or (
                    idle > 1.02 * window
                    and silent > silence
                    and lane.variant[row] == "plain"
                )
                if (
                    late
                    and admitted > 0
                    and (worst is None or idle > worst[2])
                    and not _spent(lane, row, promise)
                ):
                    worst = lane, row, idle
            else:
                admitted = max(admitted, lane.received[row])
            asked = max(asked, lane.received[row])
    return worst


def _spent(lane: Lane, row: int, promise: RateLimitPromise) -> bool:
    """Whether one of the longer limits may still be reached, and so refuse."""
    return any(
        may_be_spent(lane, row, promise, policy)
        for policy in promise.all_policies
        if policy is not promise.tightest
    )


def window(view: View, promise: RateLimitPromise, inference: Inference) -> Finding:
    """Compare the limit and window that explain the observations with the promise."""
    aspect = Aspect.WINDOW
    policy = promise.tightest
    best = inference.best
    if best is None or not inference.candidates:
        return inconclusive(aspect, inference.sentence)
    if best.family in KIN or inference.named == STUCK:
        return inconclusive(aspect, "no window is seen to end: " + inference.sentence)
    if best.family == UNLIMITED:
        return inconclusive(aspect, "no limit was met: " + inference.sentence)
    same_limit = abs(best.limit - policy.limit) <= max(
        promise.tolerance * policy.limit, 0.5
    )
    same_window = abs(best.window - policy.window) <= PRECISION * policy.window
    figures = {
        "limit": best.limit,
        "window": round(best.window, 3),
        "phase": best.phase,
        "capacity": best.capacity,
    }
    close = [
        fit.model for fit in inference.fits if fit.model.family in inference.candidates
    ]
    if any(
        abs(one.window - best.window) > PRECISION * best.window
        or one.limit != best.limit
        for one in close
    ):
        told = " or ".join(describe(one, policy) for one in close)
        return inconclusive(aspect, f"what was admitted is explained by {told}")
    if same_limit and same_window:
        what = "rate" if best.family == BUCKET else "limit and window"
        return passed(
            aspect,
            f"{policy.text} is the {what} that explains what was admitted",
            **figures,
        )
    kept = inference.promised_cost
    if kept is not None and kept < FACTOR * inference.fits[0].cost + MORE:
        return inconclusive(
            aspect,
            f"{best.limit:g} per {best.window:.4g} s explains what was admitted, and "
            "so do the promised figures",
            **figures,
        )
    return failed(
        aspect,
        f"what was admitted is explained by {best.limit:g} requests per "
        f"{best.window:.4g} s ({inference.sentence})",
        expected=policy.text,
        actual=f"{best.limit:g} requests per {best.window:.4g} s",
        **figures,
    )


def counting(promise: RateLimitPromise, inference: Inference) -> Finding:
    """Judge whether refused requests count towards the limit."""
    aspect = Aspect.COUNTING
    counts = {LOG_REJECTED, COUNTER_REJECTED, TTL}
    candidates = set(inference.candidates)
    promised = promise.counting.rejected
    seen: bool | None = None
    if candidates and candidates <= counts:
        seen = True
    elif candidates and not candidates & counts:
        seen = False
    words = {True: "count", False: "do not count", None: ""}
    if seen is None:
        return inconclusive(
            aspect, f"whether refused requests count is open: {inference.sentence}"
        )
    text = f"refused requests {words[seen]} ({inference.sentence})"
    if promised is None:
        return not_applicable(aspect, text)
    if seen is promised:
        return passed(aspect, text)
    return failed(
        aspect,
        text,
        expected=f"refused requests {words[promised]}",
        actual=f"they {words[seen]}"
        + (": a client that keeps asking is kept out" if seen else ""),
    )
