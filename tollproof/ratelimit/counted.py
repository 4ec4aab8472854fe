"""Judging which requests count: those that end in an error, those of strangers.

Both are asked aside, so that they disturb nothing else, and judged by logic: a refusal
that the requests which certainly count do not justify, or more than a limiter can let
in if these counted. Knows lanes, the promise and what was found of the limit itself.
Must not know headers.
"""

from __future__ import annotations

from tollproof.model import Outcome
from tollproof.ratelimit import admitting
from tollproof.ratelimit.admission import possible
from tollproof.ratelimit.aside import FAILED, REFILL, SPENT, SPOOFED
from tollproof.ratelimit.finding import (
    Aspect,
    Finding,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.ratelimit.infer import Inference
from tollproof.ratelimit.models import (
    FIXED_CLOCK,
)
from tollproof.ratelimit.promise import (
    BY_ADDRESS,
    BY_OPERATION,
    ERRONEOUS_AT_ALL,
    RateLimitPromise,
)
from tollproof.ratelimit.sharing import shut
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane, View


def errors(
    beside: View,
    seen: View,
    promise: RateLimitPromise,
    inference: Inference,
    over: Finding,
    under: Finding,
) -> Finding:
    """Judge whether requests that are answered with an error count as promised.

    Args:
        beside: the requests that were sent to find that out.
        seen: those of the measurement itself, with what was found of `over` and
            `under` admission in it.
    """
    aspect = Aspect.ERRORS
    promised = promise.counting.errors
    if promised is None:
        return not_applicable(
            aspect, "nothing is promised of requests that end in an error"
        )
    lane = next(iter(beside), None)
    if lane is None and BY_OPERATION in promise.scopes:
        return not_applicable(
            aspect,
            "the limit is per operation, and a request that ends in an error is one of "
            "another operation: it cannot be seen whether it would count",
        )
    if lane is None:
        return inconclusive(
            aspect,
            "no request that ends in a client error was sent: none could be provoked "
            "without harm, or no key was free for it. List an operation with a path "
            "parameter under target.read_only, or add a key",
        )
    spent = [row for row, phase in enumerate(lane.phase) if phase == SPENT]
    good = [row for row in spent if lane.status[row] and lane.status[row] < 400]
    unknown = lane.outcome.count(UNKNOWN)
    figures = {
        "errors": len(spent),
        "plain": lane.phase.count(REFILL),
        "refused": lane.outcome.count(REFUSED),
    }
    if good:
        return inconclusive(
            aspect,
            f"{len(good)} of {len(spent)} requests that should fail were answered "
            f"{lane.status[good[0]]}, so there were no errors to count",
            **figures,
        )
    if unknown > 0.01 * len(lane):
        return inconclusive(
            aspect,
            f"{unknown} of {len(lane)} requests had no answer, or a fault of the "
            "server in place of one",
            **figures,
        )
    counted = _proves_counted(lane, promise)
    between = _between(beside, seen)
    ignored = _proves_ignored(lane, promise, inference) and _no_edge(
        seen, inference, *between
    )
    what = f"{len(spent)} requests that were answered with a client error"
    if counted == ignored:
        return inconclusive(
            aspect,
            f"whether {what} count is open: an edge of a window, or what became free "
            "meanwhile, explains it either way",
            **figures,
        )
    owner = under if counted else over
    if owner.outcome is Outcome.FAILED:
        return inconclusive(
            aspect,
            f"{what} cannot be judged while the limit itself is wrong: "
            f"{owner.sentence}",
            owner=owner.aspect.value,
            **figures,
        )
    if counted:
        text = f"{what} count: plain ones were refused before the limit was reached"
    else:
        text = f"{what} do not count: as many as ever were let in beside them"
        if ERRONEOUS_AT_ALL in lane.variant:
            return inconclusive(
                aspect,
                f"{text}, but they asked for nothing that exists, and may not have "
                "come as far as the limiter. List an operation with a path parameter "
                "under target.read_only",
                **figures,
            )
    if counted is promised:
        return passed(aspect, text, **figures)
    words = {True: "they count", False: "they do not count"}
    return failed(
        aspect, text, expected=words[promised], actual=words[counted], **figures
    )


def _proves_counted(lane: Lane, promise: RateLimitPromise) -> bool:
    """Whether a refusal came before plain requests can have reached the limit."""
    policy = promise.tightest
    least = promise.capacity - int(promise.capacity * promise.tolerance)
    rows = [
        row
        for row, what in enumerate(lane.outcome)
        if what != REFUSED and lane.variant[row] == "plain"
    ]
    sent = [lane.sent[row] for row in rows]
    received = sorted(lane.received[row] for row in rows)
    return any(
        possible(sent, received, lane.sent[row] - policy.window, lane.received[row])
        < least
        for row in lane.rows(REFUSED)
    )


def _proves_ignored(
    lane: Lane, promise: RateLimitPromise, inference: Inference
) -> bool:
    """Whether more passed in a moment than can have, had the errors counted."""
    policy = promise.tightest
    taken = [row for row, what in enumerate(lane.outcome) if what == ADMITTED]
    if not taken:
        return False
    seconds = max(lane.received[row] for row in taken) - lane.sent[taken[0]]
    if seconds > 0.9 * policy.window:
        return False
    drips = inference.may_trickle
    dripped = policy.limit / policy.window * seconds + 1 if drips else 0.0
    most = promise.capacity * (1 + promise.tolerance) + dripped
    return len(taken) > most


def _between(beside: View, seen: View) -> tuple[float, float]:
    """Return when these requests began and ended, on the clock of the others."""
    later = (beside.start - seen.start) / 1e9
    return later, later + beside.end


def _no_edge(seen: View, inference: Inference, begin: float, end: float) -> bool:
    """Whether no edge of a window by the clock fell among these requests.

    A window of their own began with the first of them. What is counted by the clock
    has one edge for all keys: it was not there while another key was shut throughout,
    nor where the edges are known to lie elsewhere.
    """
    if inference.candidates and FIXED_CLOCK not in inference.candidates:
        return True
    if any(low < begin and end < high for lane in seen for low, high in shut(lane)):
        return True
    best = inference.best
    if best is None or inference.named != FIXED_CLOCK or best.phase is None:
        return False
    margin = 0.05 * best.window
    first = (begin - margin - best.phase) // best.window
    return first == (end + margin - best.phase) // best.window


def strangers(beside: View, promise: RateLimitPromise) -> Finding:
    """Judge the limit on requests with a wrong credential.

    Args:
        beside: those requests, all of one caller as the limit sees it.
    """
    aspect = Aspect.STRANGERS
    policy = promise.strangers
    if policy is None:
        return not_applicable(
            aspect, "no limit on requests with a wrong credential is promised"
        )
    lane = next(iter(beside), None)
    if lane is None:
        return inconclusive(
            aspect, "no request with a wrong credential was sent: no key to derive from"
        )
    let_in = [row for row, code in enumerate(lane.status) if 0 < code < 400]
    if let_in:
        return inconclusive(
            aspect,
            f"{len(let_in)} requests with a wrong credential were let in: see the "
            "checks of who may enter",
        )
    alone = RateLimitPromise(policy=policy, status=promise.status)
    over = admitting.over_admission(beside, alone)
    rows = [row for row, phase in enumerate(lane.phase) if phase == FAILED]
    borne = sum(lane.outcome[row] == ADMITTED for row in rows)
    refused = sum(lane.outcome[row] == REFUSED for row in rows)
    figures = {
        "borne": borne,
        "refused": refused,
        "statuses": {str(one): lane.status.count(one) for one in {*lane.status}},
    }
    expected = f"refused with {promise.status} after {policy.text}"
    if over.outcome is Outcome.FAILED:
        return failed(
            aspect,
            f"{borne} requests with a wrong credential were answered as such within "
            f"{beside.end:.1f} s, and {refused} were refused by a limit",
            expected=expected,
            actual=f"{borne} attempts" if refused else "no limit at all",
            **figures,
        )
    if not refused:
        return inconclusive(
            aspect,
            f"{borne} attempts, and none met a limit: too few to tell",
            **figures,
        )
    if BY_ADDRESS in promise.scopes:
        return inconclusive(
            aspect,
            f"{refused} attempts were refused after {borne}, but the limit per address "
            "counts all requests from there, and may be what refused them: from one "
            "address it cannot be told which",
            **figures,
        )
    if _spoofs(lane):
        return failed(
            aspect,
            "while attempts were refused, those that claimed another origin in "
            "X-Forwarded-For and its kin were not",
            expected=expected,
            actual="whoever names another address has attempts anew",
            **figures,
        )
    early = admitting.unjustified(lane, alone)
    if early is not None:
        return failed(
            aspect,
            f"an attempt was refused when at most {early[1]} can have been made in the "
            f"{policy.window:g} s before",
            expected=f"no refusal before {policy.text}",
            actual=f"refused after {early[1]}",
            **figures,
        )
    if over.outcome is Outcome.INCONCLUSIVE:
        return inconclusive(aspect, over.sentence, **figures)
    return passed(
        aspect,
        f"{borne} attempts with a wrong credential were answered as such, the next "
        f"{refused} refused with {promise.status}, whatever origin they claimed",
        **figures,
    )


def _spoofs(lane: Lane) -> bool:
    """Whether all that claimed another origin passed while plain attempts did not."""
    rows = [row for row, phase in enumerate(lane.phase) if phase == SPOOFED]
    if not rows or any(lane.outcome[row] != ADMITTED for row in rows):
        return False
    begin = lane.sent[rows[0]]
    end = max(lane.received[row] for row in rows)
    plain = [row for row, phase in enumerate(lane.phase) if phase == FAILED]
    before = [row for row in plain if lane.received[row] < begin][-3:]
    after = [row for row in plain if lane.sent[row] > end][:3]
    return (
        bool(before)
        and bool(after)
        and all(lane.outcome[row] == REFUSED for row in (*before, *after))
    )
