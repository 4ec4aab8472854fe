"""When the run must say "inconclusive": what made its observations unfit, and for what.

A guard never hides a proof: what holds for every placement of the decisions holds on a
noisy network too. It withholds conclusions that rest on timing, completeness or on
nobody else using the key. Knows lanes, the promise and the clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tollproof.model import Outcome
from tollproof.ratelimit.finding import Aspect, Finding, withheld
from tollproof.ratelimit.promise import RateLimitPromise
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane, View

#: Aspects whose passing rests on timing.
_TIMING = frozenset((Aspect.ALGORITHM, Aspect.WINDOW, Aspect.EDGE, Aspect.COUNTING))
#: … on nobody else using the keys: what foreign traffic could feign.
_ALONE = frozenset(
    (
        Aspect.UNDER_ADMISSION,
        Aspect.PACED,
        Aspect.RECOVERY,
        Aspect.RETRY_AFTER,
        Aspect.ALGORITHM,
        Aspect.WINDOW,
        Aspect.COUNTING,
        Aspect.ISOLATION,
    )
)
_ALL = frozenset(Aspect)
#: Seconds that a Date may lag behind the clock it is taken from.
CACHED = 2.0
#: Seconds that a target's clock must be put by to be a step.
STEP = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One reason to withhold conclusions.

    Attributes:
        why: the reason, as a sentence without a full stop.
        passes, fails: the aspects whose passing or failing is withheld.
    """

    name: str
    why: str
    passes: frozenset[Aspect] = frozenset()
    fails: frozenset[Aspect] = frozenset()


def guards(view: View, promise: RateLimitPromise) -> tuple[Guard, ...]:
    """Look for everything that makes the observations unfit."""
    lanes = [lane for lane in view if len(lane)]
    window = promise.tightest.window
    found = [
        _nothing(lanes),
        _unsuccessful(lanes),
        _unknown(lanes),
        _slow(lanes, window),
        _late(view, window),
        _gaps(view, window),
        _stepped(view),
        _target_stepped(view),
        _foreign(lanes, promise),
        _cached(lanes),
        _queueing(lanes, promise),
        _second_limiter(lanes, promise),
    ]
    return tuple(guard for guard in found if guard is not None)


def apply(finding: Finding, found: Sequence[Guard]) -> Finding:
    """Withhold a finding that a guard forbids."""
    for guard in found:
        passes = finding.outcome is Outcome.PASSED and finding.aspect in guard.passes
        fails = finding.outcome is Outcome.FAILED and finding.aspect in guard.fails
        if passes or fails:
            return withheld(finding, guard.why)
    return finding


def refuses_all(why: str) -> Guard:
    """A target that has come to refuse everybody, whatever they have spent."""
    return Guard(
        name="refuses everybody",
        why=why,
        passes=_ALL,
        fails=_ALL - {Aspect.OVER_ADMISSION},
    )


def _nothing(lanes: Sequence[Lane]) -> Guard | None:
    if any(what != UNKNOWN for lane in lanes for what in lane.outcome):
        return None
    return Guard(
        name="silent", why="the target answered nothing", passes=_ALL, fails=_ALL
    )


def _unsuccessful(lanes: Sequence[Lane]) -> Guard | None:
    """Requests that end in a client error may never have reached the limiter."""
    wrong: dict[int, int] = {}
    total = 0
    for lane in lanes:
        for row, code in enumerate(lane.status):
            if lane.outcome[row] == ADMITTED and lane.variant[row] == "plain":
                total += 1
                if code >= 400:
                    wrong[code] = wrong.get(code, 0) + 1
    if not total or sum(wrong.values()) <= 0.01 * total:
        return None
    code = max(wrong, key=lambda one: wrong[one])
    return Guard(
        name="unsuccessful",
        why=f"{sum(wrong.values())} of {total} plain requests were answered {code}, so "
        "they may not have been what the limit counts",
        passes=_ALL,
        fails=_ALL - {Aspect.STATUS},
    )


def _unknown(lanes: Sequence[Lane]) -> Guard | None:
    total = sum(len(lane) for lane in lanes)
    missing = sum(lane.outcome.count(UNKNOWN) for lane in lanes)
    if missing <= 0.01 * total:
        return None
    return Guard(
        name="unknown outcomes",
        why=f"{missing} of {total} requests had no answer, or an error in place of one",
        passes=_ALL,
        fails=_TIMING | {Aspect.PACED},
    )


def _slow(lanes: Sequence[Lane], window: float) -> Guard | None:
    widths = sorted(
        lane.received[row] - lane.sent[row]
        for lane in lanes
        for row, what in enumerate(lane.outcome)
        if what != UNKNOWN
    )
    if not widths:
        return None
    wide = widths[int(0.95 * (len(widths) - 1))]
    if wide <= window / 10:
        return None
    return Guard(
        name="slow answers",
        why=f"one answer in twenty took more than {wide:.3f} s, too long against a "
        f"window of {window:g} s",
        passes=_TIMING,
        fails=_TIMING,
    )


def _late(view: View, window: float) -> Guard | None:
    late = sorted(view.trace.lateness)
    if not late:
        return None
    worst = late[int(0.99 * (len(late) - 1))] / 1e9
    if worst <= max(window / 50, 0.02):
        return None
    return Guard(
        name="late requests",
        why=f"one request in a hundred was sent more than {worst:.3f} s late",
        passes=_TIMING | {Aspect.RACES},
    )


def _gaps(view: View, window: float) -> Guard | None:
    lost = sum(end - start for start, end in view.trace.gaps) / 1e9
    longest = max((end - start for start, end in view.trace.gaps), default=0) / 1e9
    # Short gaps widen the intervals they lie in, and that is all they do.
    if longest <= window / 10 and lost <= view.end / 2:
        return None
    return Guard(
        name="harness stalled",
        why=f"the harness itself stood still for up to {longest:.3f} s, {lost:.3f} s "
        "in all",
        passes=_TIMING | {Aspect.RACES},
        fails=_TIMING,
    )


def _stepped(view: View) -> Guard | None:
    offsets = [unix - mono / 1e9 for mono, unix in view.trace.anchors]
    if not offsets or max(offsets) - min(offsets) <= 0.1:
        return None
    return Guard(
        name="clock step",
        why=f"our wall clock moved by {max(offsets) - min(offsets):.3f} s against the "
        "monotonic one",
        passes=frozenset((Aspect.RESET,)),
        fails=frozenset((Aspect.RESET,)),
    )


def _target_stepped(view: View) -> Guard | None:
    """Whether the target's clock stands otherwise from some moment of the run on.

    A Date that is cached lags a second or two and comes back; clocks of several
    replicas take turns. A step divides the run in two parts, each of one mind.
    """
    base = view.unix(0.0)
    rows = sorted(
        (lane.received[row], told.date - base, lane.sent[row])
        for lane in view
        for row, told in enumerate(lane.told)
        if told.date is not None and not told.aged and lane.outcome[row] != UNKNOWN
    )
    before = _common(rows)
    after = _common(rows[::-1])
    if before.count == len(rows):
        return None
    # Answers that were under way as the clock was put may arrive in any order.
    first = rows[before.count][0]
    between = rows[before.count : len(rows) - after.count]
    if any(sent > first for _, _, sent in between):
        return None
    step = max(after.low - before.high, before.low - after.high)
    if step <= STEP:
        return None
    way = "ahead" if after.low > before.low else "back"
    return Guard(
        name="target clock step",
        why=f"the target's clock was put {way}"
        f" by {step:.1f} s or more, {rows[before.count][0]:.1f} s into the run",
        passes=_ALL - {Aspect.STATUS, Aspect.LIMIT},
        fails=_ALL - {Aspect.STATUS, Aspect.LIMIT},
    )


@dataclass(frozen=True, slots=True)
class _Common:
    """What the first so many answers have in common: bounds of the clock's offset."""

    count: int
    low: float
    high: float


def _common(rows: Sequence[tuple[float, float, float]]) -> _Common:
    low, high = -float("inf"), float("inf")
    for count, (received, date, sent) in enumerate(rows):
        narrow = max(low, date - received), min(high, date + 1.0 - sent)
        # What a cached Date is behind is no contradiction.
        if narrow[0] > narrow[1] + CACHED:
            return _Common(count, low, high)
        low, high = narrow
    return _Common(len(rows), low, high)


def _foreign(lanes: Sequence[Lane], promise: RateLimitPromise) -> Guard | None:
    """Remaining falls by more than our requests, whether we ask or wait.

    What is missing beyond our requests is split in two: what grows with every request
    of ours (a limiter that counts twice, which is a fault) and what does not.
    """
    window, limit = promise.tightest.window, promise.tightest.limit
    bearable = max(3.0, 0.02 * limit)
    per_request = 0.0
    first: list[tuple[str, float]] = []
    for lane in lanes:
        seen = _missing(lane, limit, lane.sent[0], 0.05 * window)
        if len(seen) < 5 or seen[-1][0] <= seen[0][0]:
            continue
        (ours, gap), (more, grown) = seen[0], seen[-1]
        per_request = max(0.0, (grown - gap) / (more - ours))
        first.append((lane.key, gap - per_request * ours))
    # Where as much is missing again after a window of silence, nobody took it: the
    # limiter never had it.
    again = [gap for lane in lanes for gap in _missing_again(lane, limit, window)]
    never = float(max(again, default=0))
    for key, lack in first:
        if lack - max(0.0, never) > max(bearable, 0.2 * lack):
            return _foreign_guard(
                f"the first answers to {key} tell of {lack:.0f} requests that are not "
                "ours: the key was not rested, or somebody else uses it"
            )
    for lane in lanes:
        seen = _missing(lane, limit, lane.sent[0], 0.9 * window)
        if "paced" not in lane.phase[:1] or len(seen) < 5:
            continue
        (ours, gap), (more, grown) = seen[0], seen[-1]
        lost = grown - gap - per_request * (more - ours)
        if lost > bearable:
            return _foreign_guard(
                f"what remains of {lane.key} fell by {lost:.0f} more than we sent: "
                "somebody else uses the key"
            )
    return None


def _missing_again(lane: Lane, limit: int, window: float) -> list[int]:
    """Return what is missing at the first answer after a long silence.

    Everything of ours that may still count, from a whole window, is taken into account.
    """
    counted = [
        lane.sent[row] for row, what in enumerate(lane.outcome) if what != REFUSED
    ]
    found = []
    for row in lane.rows(ADMITTED, plain=True):
        told = lane.told[row].remaining
        silent = row and lane.sent[row] - lane.received[row - 1] > 0.25 * window
        if silent and told is not None and told.value is not None:
            ours = bisect_left(counted, lane.received[row]) - bisect_left(
                counted, lane.sent[row] - window
            )
            found.append(limit - told.value - ours)
    return found


def _missing(
    lane: Lane, limit: int, begin: float, seconds: float
) -> list[tuple[int, int]]:
    """Return (requests of ours, what is missing beyond them) for each admitted answer.

    Counted with everything that may have been decided by then, so that nothing of ours
    looks like somebody else's.
    """
    counted = [
        lane.sent[row]
        for row, what in enumerate(lane.outcome)
        if what != REFUSED and lane.sent[row] >= begin
    ]
    found = []
    for row in lane.rows(ADMITTED, plain=True):
        if lane.sent[row] < begin:
            continue
        if lane.sent[row] > begin + seconds:
            break
        told = lane.told[row].remaining
        if told is not None and told.value is not None:
            ours = bisect_left(counted, lane.received[row])
            found.append((ours, limit - told.value - ours))
    return found


def _foreign_guard(why: str) -> Guard:
    return Guard(name="foreign traffic", why=why, passes=_ALONE, fails=_ALONE)


def _cached(lanes: Sequence[Lane]) -> Guard | None:
    total = sum(len(lane) for lane in lanes)
    aged = sum(told.aged for lane in lanes for told in lane.told)
    if aged <= 0.001 * total:
        return None
    return Guard(
        name="cached answers",
        why=f"{aged} of {total} answers came from a cache (they have an Age), which "
        "the limiter never saw",
        passes=_ALL,
        fails=_ALL - {Aspect.OVER_ADMISSION},
    )


def _queueing(lanes: Sequence[Lane], promise: RateLimitPromise) -> Guard | None:
    """Whether admitted requests wait the longer the more of them are waiting."""
    window = promise.tightest.window
    for lane in lanes:
        rows = [
            row
            for row in lane.rows(ADMITTED, plain=True)
            if lane.sent[row] < lane.sent[0] + 0.2 * window
        ]
        if len(rows) < 12:
            continue
        quarter = len(rows) // 4
        early = median(lane.received[r] - lane.sent[r] for r in rows[:quarter])
        late = median(lane.received[r] - lane.sent[r] for r in rows[-quarter:])
        if late > 0.05 * window and late > 5 * early:
            return Guard(
                name="queueing",
                why=f"admitted requests of {lane.key} waited {early:.3f} s at first "
                f"and {late:.3f} s as more of them came: the limiter delays what it "
                "admits (a leaky bucket used as a queue)",
                passes=_TIMING | {Aspect.RACES},
                fails=_TIMING,
            )
    return None


def _second_limiter(lanes: Sequence[Lane], promise: RateLimitPromise) -> Guard | None:
    """A refusal that names another limit than the key's admitted answers do."""
    for lane in lanes:
        usual = {
            told.limit.value
            for told, what in zip(lane.told, lane.outcome, strict=True)
            if what == ADMITTED and told.limit
        }
        other = {
            told.limit.value
            for told, what in zip(lane.told, lane.outcome, strict=True)
            if what == REFUSED and told.limit
        } - usual
        if usual and other:
            return Guard(
                name="second limiter",
                why=f"refusals of {lane.key} name a limit of {min(map(str, other))}, "
                f"admitted requests {min(map(str, usual))}: another limiter is in play",
                passes=_ALONE,
                fails=_ALONE,
            )
    return None
