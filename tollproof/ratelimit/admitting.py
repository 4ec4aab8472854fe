"""Judging how many were admitted: too many, too few, at the edge, for whom.

By logic: a failure holds for every placement of the decisions in their intervals, and
for every kind of window or bucket that the promise leaves open. Knows lanes, the
promise and what was inferred. Must not know headers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from tollproof.ratelimit.admission import (
    bucket_excess,
    certain_peak,
    first_excess,
    first_request_breach,
    fixed_window_breach,
    possible,
    possible_peak,
    unjustified_refusals,
    windows_explain,
)
from tollproof.ratelimit.chance import interval
from tollproof.ratelimit.finding import (
    Aspect,
    Finding,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.ratelimit.infer import FACTOR, FIT, KEEPS, MORE, Inference
from tollproof.ratelimit.models import COUNTER
from tollproof.ratelimit.promise import Algorithm, Policy, RateLimitPromise
from tollproof.ratelimit.view import ADMITTED, REFUSED, Lane, View

_WINDOWED = (
    None,
    Algorithm.FIXED_WINDOW,
    Algorithm.FIXED_WINDOW_CLOCK,
    Algorithm.FIXED_WINDOW_FIRST,
    Algorithm.SLIDING_COUNTER,
)
_BUCKETED = (None, Algorithm.TOKEN_BUCKET, Algorithm.LEAKY_BUCKET)

#: A window is judged to this share of its length.
RESOLUTION = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A lane that no kind of limiter left open by the promise explains.

    Attributes:
        by: how many too many.
        count, start: of the fullest window, which begins at that second.
        proved: when the proof was complete, in seconds.
    """

    lane: Lane
    by: int
    count: int
    start: float
    proved: float


def over_admission(view: View, promise: RateLimitPromise) -> Finding:
    """Judge whether more was admitted than the promise allows, policy by policy."""
    aspect = Aspect.OVER_ADMISSION
    worst: tuple[Policy, Excess] | None = None
    unseen: list[Policy] = []
    for policy in promise.all_policies:
        saturated = False
        for lane in view:
            found = excess(lane, promise, policy)
            if found and (worst is None or found.by > worst[1].by):
                worst = policy, found
            saturated = saturated or _saturated(lane, promise, policy)
        if not saturated:
            unseen.append(policy)
    peaks = {
        lane.key: certain_peak(*lane.admitted, promise.tightest.window).count
        for lane in view
        if lane.admitted[0]
    }
    if worst:
        policy, broken = worst
        lane = broken.lane
        return failed(
            aspect,
            f"{broken.count} requests of {lane.key} were certainly admitted within "
            f"{policy.window:g} s, which nothing that the promise allows explains"
            + (f": {policy.text} does not hold" if promise.policies else ""),
            expected=_allowed(promise, policy),
            actual=f"{broken.count} within {policy.window:g} s",
            admitted=broken.count,
            beyond=broken.by,
            key=lane.key,
            at=broken.start,
            proved_after=broken.proved,
            peaks=peaks,
        )
    if unseen:
        return inconclusive(aspect, _unreached(unseen, promise), peaks=peaks)
    policy = promise.tightest
    if _strict(promise):
        length = policy.window * (1 - RESOLUTION)
        most = max(possible_peak(*lane.admitted, length).count for lane in view)
        if most > _cap(promise, policy):
            return inconclusive(
                aspect,
                f"up to {most} may have been admitted within {length:g} s: the moments "
                "of decision are not known closely enough to tell",
                possible=most,
                peaks=peaks,
            )
    top = max(peaks.values())
    return passed(
        aspect,
        f"at most {top} requests of a key were seen admitted within "
        f"{policy.window:g} s, which {_allowed(promise, policy)} explains",
        peaks=peaks,
        admitted=top,
    )


def _strict(promise: RateLimitPromise) -> bool:
    return promise.any_window or promise.algorithm is Algorithm.SLIDING_LOG


def _cap(promise: RateLimitPromise, policy: Policy) -> int:
    return int(policy.limit * (1 + promise.tolerance) + 1e-9)


def _allowed(promise: RateLimitPromise, policy: Policy) -> str:
    text = policy.text
    if _strict(promise):
        return f"{text}, wherever the window starts"
    if promise.algorithm:
        return f"{text}, {promise.algorithm.replace('_', ' ')}"
    return f"{text}, by any known algorithm"


def may_be_spent(
    lane: Lane, row: int, promise: RateLimitPromise, policy: Policy
) -> bool:
    """Whether one of several limits may have been reached when a row was refused."""
    sent, received = lane.asked if promise.counting.rejected else lane.countable
    # A sliding counter looks back up to two windows.
    since = lane.sent[row] - 2 * policy.window
    full = min(policy.limit, policy.burst or policy.limit) * (1 - promise.tolerance)
    return possible(sent, received, since, lane.received[row]) >= full


def _unreached(unseen: Sequence[Policy], promise: RateLimitPromise) -> str:
    names = " and ".join(policy.text for policy in unseen)
    if len(unseen) == len(promise.all_policies):
        return f"the limit was never reached: not shown to hold for {names}"
    held = [policy.text for policy in promise.all_policies if policy not in unseen]
    return (
        f"{' and '.join(held)} held, but {names} was never reached behind that: it "
        f"takes {max(policy.limit for policy in unseen)} admitted requests of one key "
        f"within {max(policy.window for policy in unseen):g} s to show it. Promise it "
        "in a profile of its own, on a deployment where the shorter limit is raised"
    )


def _saturated(lane: Lane, promise: RateLimitPromise, policy: Policy) -> bool:
    """Whether a refusal came after the lane had been offered more than the limit.

    Of several limits any other may have refused: there as many must have been admitted.
    """
    refused = lane.rows(REFUSED)
    if not refused:
        return False
    if promise.policies:
        full = min(policy.limit, policy.burst or policy.limit)
        most = possible_peak(*lane.admitted, policy.window).count
        return most >= full * (1 - promise.tolerance)
    return any(
        row + 1 - bisect_left(lane.sent, lane.sent[row] - policy.window) > 1
        for row in refused
    )


def excess(lane: Lane, promise: RateLimitPromise, policy: Policy) -> Excess | None:
    """Return how a lane breaks a policy for sure; None when something explains it."""
    sent, received = lane.admitted
    if not sent:
        return None
    cap, window = _cap(promise, policy), policy.window
    peak = certain_peak(sent, received, window)
    if peak.count <= cap:
        return None
    by = peak.count - cap
    if not _strict(promise):
        if promise.algorithm in _BUCKETED:
            size = float(policy.burst or policy.limit) * (1 + promise.tolerance)
            rate = policy.limit * (1 + promise.tolerance) / window
            over = bucket_excess(sent, received, capacity=size, rate=rate)
            if over < 1:
                return None
            by = min(by, int(over))
        if promise.algorithm in _WINDOWED:
            breach = first_request_breach(sent, received, limit=cap, length=window)
            if breach is None and promise.algorithm is not Algorithm.FIXED_WINDOW_CLOCK:
                return None
            # Less than a window meets two of them at the most, wherever an edge falls
            # among requests that were decided too close together to tell.
            double = certain_peak(sent, received, (1 - RESOLUTION) * window).count
            if double > 2 * cap:
                by = min(by, double - 2 * cap)
            elif promise.algorithm is not Algorithm.FIXED_WINDOW_FIRST:
                # A sliding counter refuses earlier than a fixed window would, and
                # of several limits another may have refused.
                strict = (
                    promise.algorithm is not Algorithm.SLIDING_COUNTER
                    and not promise.policies
                )
                # And where refusals came too early for any window, too few were
                # admitted: that is a fault of its own, and no proof of too many.
                if unjustified(lane, promise) is not None and windows_explain(
                    sent, received, limit=cap, length=window
                ):
                    return None
                clock = fixed_window_breach(
                    sent,
                    received,
                    counted=lane.countable,
                    refused=_refused(lane) if strict else ((), ()),
                    limit=cap,
                    least=policy.limit - int(policy.limit * promise.tolerance),
                    length=window,
                    around=peak.start,
                )
                if clock is None:
                    return None
                by = max(1, min(by, clock.excess or by))
            elif breach:
                by = min(by, breach.excess)
    return Excess(
        lane=lane,
        by=max(1, by),
        count=peak.count,
        start=peak.start,
        proved=first_excess(sent, received, window, cap + max(1, by) - 1),
    )


def _refused(lane: Lane) -> tuple[list[float], list[float]]:
    rows = lane.rows(REFUSED, plain=True)
    return [lane.sent[row] for row in rows], sorted(lane.received[row] for row in rows)


def under_admission(
    view: View, promise: RateLimitPromise, inference: Inference
) -> Finding:
    """Judge whether a request was refused although the limit was not reached."""
    aspect = Aspect.UNDER_ADMISSION
    found = {
        lane.key: one
        for lane in view
        if (one := unjustified(lane, promise)) is not None
    }
    if not found:
        shut = [lane for lane in view if lane.rows(REFUSED, plain=True)]
        if not shut:
            return inconclusive(aspect, "nothing was refused, so nothing wrongly")
        short = [lane for lane in shut if _admitted_at_first(lane) < _least(promise)]
        best = inference.fits[0].cost if inference.fits else 0
        if len(short) == len(shut) and inference.fewer_cost <= best:
            most = max(_admitted_at_first(lane) for lane in short)
            return inconclusive(
                aspect,
                f"keys were refused after {most} admitted requests at the most, and "
                "others that were never answered, which may have counted or not",
            )
        return passed(
            aspect,
            "every refusal came after "
            + " and ".join(policy.text for policy in promise.all_policies)
            + " could have been admitted",
        )
    key, (at, counted) = min(found.items(), key=lambda one: one[1][1])
    policy = promise.tightest
    sentence = (
        f"a request of {key} was refused {at:.2f} s into the run, when at most "
        f"{counted} can have been admitted in the {policy.window:g} s before"
    )
    counter, best = inference.cost((COUNTER,)), inference.fits[0].cost
    may = promise.algorithm in (None, Algorithm.SLIDING_COUNTER)
    if may and inference.named == COUNTER:
        return passed(
            aspect,
            f"{sentence}; a sliding counter, which weighs the window before as if it "
            "had been used evenly, does that",
            counted=counted,
        )
    close = counter is not None and counter < min(
        FACTOR * best + MORE, 2 * FIT * inference.requests
    )
    if may and not inference.named and close:
        return inconclusive(
            aspect, f"{sentence}; a sliding counter would do that, and may be one"
        )
    return failed(
        aspect,
        sentence,
        expected=f"no refusal before {policy.limit} in {policy.window:g} s",
        actual=f"refused after at most {counted}",
        counted=counted,
        key=key,
        at=at,
    )


def _least(promise: RateLimitPromise) -> int:
    """Return how many must be admitted of a rested key before the first refusal."""
    limits = [
        min(policy.limit, policy.burst or policy.limit)
        for policy in promise.all_policies
    ]
    return min(limits) - int(min(limits) * promise.tolerance)


def _admitted_at_first(lane: Lane) -> int:
    """Return how many answers say that a key was let in before its first refusal."""
    until = lane.received[lane.rows(REFUSED, plain=True)[0]]
    return sum(lane.sent[row] <= until for row in lane.rows(ADMITTED))


def unjustified(lane: Lane, promise: RateLimitPromise) -> tuple[float, int] | None:
    """Return (when, how many counted) of the least justified refusal, or None."""
    rows = lane.rows(REFUSED, plain=True)
    counts = promise.counting.rejected is True
    sent, received = lane.asked if counts else lane.countable
    # A sliding counter that counted more than the limit is full for longer.
    doubles = counts and promise.algorithm in (None, Algorithm.SLIDING_COUNTER)
    starts = [lane.sent[row] for row in rows]
    ends = [lane.received[row] for row in rows]
    left: set[float] | None = None
    least: dict[float, int] = {}
    for policy in promise.all_policies:
        limit = policy.limit
        if promise.algorithm in _BUCKETED and policy.burst:
            limit = min(limit, policy.burst)
        slack = int(limit * promise.tolerance)
        length = policy.window * (2 if doubles else 1)
        found = unjustified_refusals(
            # A refusal that counts itself does not justify itself.
            sent,
            received,
            starts,
            ends,
            limit=limit - slack + counts,
            length=length,
        )
        least.update({one.at: one.counted for one in found})
        moments = {one.at for one in found}
        left = moments if left is None else left & moments
    if not left:
        return None
    at = min(left, key=lambda moment: least[moment])
    return at, least[at]


def paced(view: View, promise: RateLimitPromise) -> Finding:
    """Judge the key that stayed just below the limit."""
    aspect = Aspect.PACED
    policy = promise.tightest
    # 95 % of the shortest limit may be more than a longer one allows.
    longer = [one for one in promise.all_policies if one is not policy]
    for lane in view:
        rows = [row for row, phase in enumerate(lane.phase) if phase == "paced"]
        if not rows:
            continue
        before = rows[0] and lane.sent[rows[0]] - lane.sent[rows[0] - 1]
        if rows[0] and before < 2 * policy.window:
            continue
        shut = [row for row in rows if lane.outcome[row] == REFUSED]
        # What is sent or worked off in bunches may exceed the limit after all.
        refused = [
            row
            for row in shut
            if possible(
                *lane.countable, lane.sent[row] - policy.window, lane.received[row]
            )
            < policy.limit
            and not any(may_be_spent(lane, row, promise, one) for one in longer)
        ]
        seconds = lane.sent[rows[-1]] - lane.sent[rows[0]]
        if shut and not refused:
            return inconclusive(
                aspect,
                f"{len(shut)} of {len(rows)} requests were refused that should have "
                "come evenly spaced, but may have been decided closer together"
                + (", or met a longer limit" if longer else ""),
            )
        if refused:
            row = refused[0]
            return failed(
                aspect,
                f"{len(refused)} of {len(rows)} evenly spaced requests were refused, "
                f"the first after {lane.sent[row] - lane.sent[rows[0]]:.1f} s",
                expected=f"no refusal below {policy.text}",
                actual=f"{len(refused)} refused at 95 % of it",
                refused=len(refused),
            )
        return passed(
            aspect,
            f"{len(rows)} requests over {seconds:.1f} s, 95 % of what is promised, "
            "met no refusal",
        )
    return not_applicable(
        aspect, "no key was kept just below the limit for a window: needs four keys"
    )


def edge(view: View, promise: RateLimitPromise) -> Finding:
    """State the most that was admitted in a window that starts anywhere."""
    aspect = Aspect.EDGE
    policy = promise.tightest
    best = max(
        (certain_peak(*lane.admitted, policy.window) for lane in view),
        key=lambda peak: peak.count,
        default=None,
    )
    if best is None or not best.count:
        return inconclusive(aspect, "nothing was admitted")
    share = best.count / policy.limit
    text = (
        f"the fullest {policy.window:g} s held {best.count} admitted requests, "
        f"{share:.2f} times the limit"
    )
    figures = {"admitted": best.count, "ratio": round(share, 4)}
    if not promise.any_window:
        note = ": a property of the algorithm, not excluded by the promise"
        return not_applicable(aspect, text + (note if share > 1 else ""), **figures)
    if best.count > _cap(promise, policy):
        return failed(
            aspect,
            text,
            expected=f"no window holds more than {_cap(promise, policy)}",
            actual=str(best.count),
            **figures,
        )
    return passed(aspect, text, **figures)


def races(view: View, over: Finding) -> Finding:
    """Say what the synchronised bursts across the limit have shown."""
    aspect = Aspect.RACES
    trials = hits = 0
    for lane in view:
        for name in {phase for phase in lane.phase if phase.endswith(".across")}:
            rows = [row for row, phase in enumerate(lane.phase) if phase == name]
            outcomes = {lane.outcome[row] for row in rows}
            if REFUSED in outcomes or ADMITTED in outcomes:
                trials += 1
                hits += REFUSED not in outcomes
    if not trials:
        return inconclusive(aspect, "no burst across the limit was sent")
    if over.figures.get("beyond"):
        return failed(
            aspect,
            f"{over.figures['beyond']} too many were admitted in a run with {trials} "
            "synchronised bursts across the limit",
            expected="the limit holds under concurrency",
            actual=over.actual,
            trials=trials,
        )
    _, high = interval(0, trials)
    return passed(
        aspect,
        f"no over-admission in {trials} synchronised bursts across the limit: a race "
        f"in more than {high:.0%} of them is excluded with 95 % confidence",
        trials=trials,
        upper_bound=round(high, 4),
    )


def algorithm(promise: RateLimitPromise, inference: Inference) -> Finding:
    """Compare what explains the observations with the promised algorithm."""
    aspect = Aspect.ALGORITHM
    figures = {
        "named": inference.named,
        "candidates": list(inference.candidates),
        "costs": {fit.model.family: fit.cost for fit in inference.fits},
        "requests": inference.requests,
    }
    if promise.algorithm is None:
        return not_applicable(
            aspect, f"no algorithm is promised; {inference.sentence}", **figures
        )
    keeps = KEEPS[promise.algorithm]
    if inference.named in keeps:
        return passed(aspect, inference.sentence, **figures)
    if inference.candidates and not set(keeps) & set(inference.candidates):
        return failed(
            aspect,
            inference.sentence,
            expected=promise.algorithm.replace("_", " "),
            actual=inference.named or " or ".join(inference.candidates),
            **figures,
        )
    if inference.candidates and set(inference.candidates) <= set(keeps):
        return passed(aspect, inference.sentence, **figures)
    return inconclusive(aspect, inference.sentence, **figures)
