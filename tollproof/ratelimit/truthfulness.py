"""Judging whether Limit, Remaining and Reset say what is so.

Only what no order of the decisions can explain is a failure; understatement, duplicates
and a second's flapping are notes. Conformance with the IETF's drafts, whose rules are
weaker, is judged apart. Knows lanes, the promise, the clock and what was inferred.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from tollproof.ratelimit.clock import Offset
from tollproof.ratelimit.finding import (
    Aspect,
    Finding,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.ratelimit.headers import Count
from tollproof.ratelimit.infer import KEEPS, Inference
from tollproof.ratelimit.models import (
    BUCKET,
    COUNTER,
    COUNTER_REJECTED,
    FIXED_CLOCK,
    FIXED_FIRST,
)
from tollproof.ratelimit.promise import Algorithm, Ietf, RateLimitPromise, ResetForm
from tollproof.ratelimit.reopening import openings
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane, Told, View

#: The part of a window in which at most one edge can fall between two fills.
STRETCH = 0.24


def limit_header(view: View, promise: RateLimitPromise) -> Finding:
    """Judge the Limit of every answer."""
    aspect = Aspect.LIMIT
    if not (promise.headers.limit or promise.headers.ietf):
        return not_applicable(aspect, "no header with the limit is promised")
    limits = {policy.limit for policy in promise.all_policies}
    wrong: dict[str, int] = {}
    answers = 0
    for lane in view:
        for told, outcome, variant in zip(
            lane.told, lane.outcome, lane.variant, strict=True
        ):
            if outcome == UNKNOWN or variant != "plain":
                continue
            answers += 1
            fault = _count_fault(told.limit, told)
            if not fault and told.limit and told.limit.value not in limits:
                fault = f"says {told.limit.value}"
            if fault:
                wrong[fault] = wrong.get(fault, 0) + 1
    return _verdict_on_all(
        aspect,
        answers,
        wrong,
        good=f"the Limit of {answers} answers is {' or '.join(map(str, limits))}",
        expected=f"Limit is {' or '.join(map(str, sorted(limits)))} on every answer",
    )


def _count_fault(count: Count | None, told: Told) -> str:
    if count is None:
        # A field that does not parse is as good as none (draft-10, section 4).
        return "is malformed" if told.fields and told.fields.wrong else "is missing"
    return count.wrong


def _verdict_on_all(
    aspect: Aspect, answers: int, wrong: dict[str, int], *, good: str, expected: str
) -> Finding:
    if not answers:
        return inconclusive(aspect, "no answer to judge")
    if not wrong:
        return passed(aspect, good, answers=answers)
    fault, times = max(wrong.items(), key=lambda one: one[1])
    return failed(
        aspect,
        f"on {sum(wrong.values())} of {answers} answers it is not as promised: it "
        f"{fault} on {times}",
        expected=expected,
        actual=f"it {fault} on {times} of {answers}",
        answers=answers,
        wrong=dict(sorted(wrong.items(), key=lambda one: -one[1])[:10]),
    )


@dataclass(slots=True)
class _Remaining:
    """What the Remaining of one lane has shown so far."""

    overstated: int = 0
    by: int = 0
    rises: int = 0
    compared: int = 0
    understated: int = 0


def remaining_header(
    view: View, promise: RateLimitPromise, inference: Inference
) -> Finding:
    """Judge the Remaining of every answer: its form, and that it does not overstate."""
    aspect = Aspect.REMAINING
    if not (promise.headers.remaining or promise.headers.ietf):
        return not_applicable(aspect, "no header with what remains is promised")
    policy = promise.tightest
    wrong: dict[str, int] = {}
    answers = 0
    total = _Remaining()
    # Buckets and sliding counters give back little by little.
    refills = bool({BUCKET, COUNTER, COUNTER_REJECTED} & set(inference.candidates)) or (
        not inference.candidates
        and promise.algorithm
        in (
            None,
            Algorithm.SLIDING_COUNTER,
            Algorithm.TOKEN_BUCKET,
            Algorithm.LEAKY_BUCKET,
        )
    )
    rate = policy.limit / policy.window if refills else 0.0
    top = max(policy.limit, policy.burst or 0)
    for lane in view:
        for told, outcome, variant in zip(
            lane.told, lane.outcome, lane.variant, strict=True
        ):
            if outcome == UNKNOWN or variant != "plain":
                continue
            answers += 1
            fault = _count_fault(told.remaining, told)
            if not fault and told.remaining and (told.remaining.value or 0) > top:
                fault = "exceeds the limit"
            if fault:
                wrong[fault] = wrong.get(fault, 0) + 1
        _judge_stretch(lane, policy.window, top, rate, total)
    if wrong:
        return _verdict_on_all(
            aspect,
            answers,
            wrong,
            good="",
            expected=f"Remaining is from 0 to {top} on every answer",
        )
    figures = {
        "answers": answers,
        "compared": total.compared,
        "overstated": total.overstated,
        "by": total.by,
        "rises": total.rises,
        "understated": total.understated,
    }
    if total.overstated or total.rises:
        what = []
        if total.overstated:
            what.append(f"{total.overstated} answers overstate it, by up to {total.by}")
        if total.rises:
            what.append(f"it rises {total.rises} times while it is being used up")
        return failed(
            aspect,
            f"of {total.compared} answers that can be judged " + "; ".join(what),
            expected="never more than is left, and falling within a window",
            actual=what[0],
            **figures,
        )
    if not total.compared:
        return inconclusive(aspect, "no two answers could be compared", **figures)
    return passed(
        aspect,
        f"none of {total.compared} answers tells of more than was certainly left",
        **figures,
    )


def _judge_stretch(
    lane: Lane, window: float, top: int, rate: float, total: _Remaining
) -> None:
    """Judge the first stretch of a rested key.

    One edge of a window may fall into it and give the whole limit back: everything
    must then be as it should be from that edge on. Where Reset says that both sides
    of it belong to one window, there was none.
    """
    if not len(lane):
        return
    begin = lane.sent[0]
    upto = bisect_right(lane.sent, begin + STRETCH * window)
    # Requests in another form may have an allowance of their own, promised or not.
    plain = [row for row in lane.rows(ADMITTED, plain=True) if row < upto]
    admitted = sorted(lane.received[row] for row in plain)
    starts = [lane.sent[row] for row in plain]
    counted = [lane.sent[row] for row in range(upto) if lane.outcome[row] != REFUSED]
    edge = begin
    edges = 0
    lowest = _Falling()
    lows, highs, step = _told_edges(lane, upto)

    def one_window(moment: float) -> bool:
        """Whether all that was sent before a moment is said to be in one window."""
        part = bisect_left(lane.sent, moment, 0, upto) - 1
        return step > 0 and part >= 0 and highs[part] - lows[part] <= 1.5 * step

    for row in sorted(range(upto), key=lambda row: lane.received[row]):
        told, sent, received = lane.told[row], lane.sent[row], lane.received[row]
        if told.remaining is None or told.remaining.value is None:
            continue
        if lane.variant[row] != "plain" or lane.outcome[row] == UNKNOWN:
            continue
        value = told.remaining.value
        total.compared += 1
        own = lane.outcome[row] == ADMITTED
        before = bisect_left(admitted, sent) - bisect_left(starts, edge)
        slack = int(rate * (received - begin)) + 1 if rate else 0
        over = value - max(0, top - max(0, before) - own) - slack
        rises = lowest.rises(sent, value, slack)
        if (over > 0 or rises) and edges == 0 and not one_window(received):
            edges, edge = 1, received
            lowest = _Falling()  # what was told before is of another window
        elif over > 0:
            total.overstated += 1
            total.by = max(total.by, over)
        elif rises:
            total.rises += 1
        if sent >= edge:  # others may tell of the window before it
            lowest.add(received, value)
        if edges == 0:
            left = top - bisect_right(counted, received) - value
            total.understated = max(total.understated, left)


class _Falling:
    """The lowest Remaining among answers received so far, by time of reception."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.lowest: list[int] = []

    def add(self, received: float, value: int) -> None:
        """Add an answer; they come in order of reception."""
        self.times.append(received)
        before = self.lowest[-1] if self.lowest else value
        self.lowest.append(min(before, value))

    def rises(self, sent: float, value: int, slack: int) -> bool:
        """Say whether an earlier answer, received before `sent`, told of less.

        After a rise the comparison starts anew from it.
        """
        row = bisect_left(self.times, sent) - 1
        if row < 0 or value <= self.lowest[row] + slack:
            return False
        self.times, self.lowest = [], []
        return True


def _told_edges(lane: Lane, upto: int) -> tuple[list[float], list[float], float]:
    """Return, over growing parts of a lane, the earliest and latest edge told so far.

    The third value is the coarsest step in which they are told; 0 when none is.
    """
    low, high, step = float("inf"), -float("inf"), 0.0
    lows, highs = [], []
    for row in range(upto):
        reset = lane.told[row].reset
        if reset is not None and reset.seconds is not None:
            edge = reset.seconds
            if reset.form is ResetForm.DELTA_SECONDS:
                edge += lane.received[row]
            low, high, step = min(low, edge), max(high, edge), max(step, reset.step)
        lows.append(low)
        highs.append(high)
    return lows, highs, step


def reset_header(
    view: View, promise: RateLimitPromise, inference: Inference, offset: Offset
) -> Finding:
    """Judge Reset: its form always; the moment it names where windows are fixed."""
    aspect = Aspect.RESET
    headers = promise.headers
    if not (headers.reset or headers.ietf):
        return not_applicable(aspect, "no header with the reset is promised")
    window = promise.tightest.window
    wrong: dict[str, int] = {}
    answers = 0
    found, kinds = set(inference.candidates), {FIXED_CLOCK, FIXED_FIRST}
    # Where it is open what the limiter is, what is promised is taken for it.
    promised = set(KEEPS.get(promise.algorithm, ())) if promise.algorithm else set()
    fixed = kinds >= found != set() or (kinds >= promised and bool(promised & found))
    farthest = (1.0 if fixed else 2.0) * max(
        policy.window for policy in promise.all_policies
    )
    for lane in view:
        for row, told in enumerate(lane.told):
            if lane.outcome[row] == UNKNOWN or lane.variant[row] != "plain":
                continue
            answers += 1
            reset = told.reset
            fault = ""
            if reset is None:
                if headers.reset or not (told.fields and told.fields.limits):
                    fault = "is missing"
            elif reset.wrong:
                fault = f"is malformed ({reset.wrong})" if len(wrong) < 20 else "is bad"
            else:
                span = _moment(view, lane, row, offset)
                if span and span[1] < lane.sent[row]:
                    fault = "names a moment that is past"
                elif span and span[0] > lane.received[row] + farthest:
                    fault = f"names a moment more than {farthest:g} s ahead"
            if fault:
                wrong[fault] = wrong.get(fault, 0) + 1
    if wrong or not answers:
        return _verdict_on_all(
            aspect,
            answers,
            wrong,
            good="",
            expected=f"a readable Reset between now and {farthest:g} s ahead",
        )
    if not fixed and (
        not inference.candidates
        or {FIXED_CLOCK, FIXED_FIRST} & set(inference.candidates)
    ):
        return inconclusive(
            aspect,
            f"the Reset of {answers} answers has the promised form and is neither past "
            "nor too far ahead; whether a window ends then is open, since it "
            f"{inference.sentence}",
            answers=answers,
        )
    if not fixed:
        return passed(
            aspect,
            f"the Reset of {answers} answers has the promised form and is neither past "
            "nor too far ahead; only a fixed window has an edge to compare it with",
            answers=answers,
        )
    return _compare_resets(view, window, offset, answers)


def _compare_resets(view: View, window: float, offset: Offset, answers: int) -> Finding:
    aspect = Aspect.RESET
    compared = off = 0
    worst = 0.0
    example = ""
    for lane in view:
        for opening in openings(lane, 0.0):
            since = lane.sent[opening.refused] - 0.9 * window
            for row in range(opening.refused, -1, -1):
                if lane.sent[row] < since or lane.outcome[row] == ADMITTED:
                    break
                span = _moment(view, lane, row, offset)
                if lane.outcome[row] != REFUSED or span is None:
                    continue
                compared += 1
                low, high = span
                gap = max(low - opening.high, opening.low - high)
                if gap > 0:
                    off += 1
                    if gap > worst:
                        worst = gap
                        early = "late" if low > opening.high else "early"
                        example = (
                            f"{lane.key} was let in again between {opening.low:.2f} "
                            f"and {opening.high:.2f} s, Reset names {low:.2f} to "
                            f"{high:.2f} s: {gap:.2f} s too {early}"
                        )
    figures = {"answers": answers, "compared": compared, "off": off, "worst": worst}
    if off:
        return failed(
            aspect,
            f"{off} of {compared} refusals name another moment than the one at which "
            f"the key was let in again; {example}",
            expected="Reset is when the window ends",
            actual=f"up to {worst:.2f} s off",
            **figures,
        )
    if not compared:
        return inconclusive(
            aspect, "no key was seen to open, so Reset has nothing to agree with"
        )
    return passed(
        aspect,
        f"{compared} refusals name the moment at which the key was let in again",
        **figures,
    )


def _moment(
    view: View, lane: Lane, row: int, offset: Offset
) -> tuple[float, float] | None:
    """Return the interval of our time that a Reset may mean, its rounding included.

    Whether it was rounded up, down or to the nearest is not known: a step either way.
    A Date may be a second old, so the target's clock may be that much further on.
    """
    reset = lane.told[row].reset
    if reset is None or reset.seconds is None:
        return None
    step = reset.step + 0.005
    if reset.form is ResetForm.DELTA_SECONDS:
        return (
            lane.sent[row] + reset.seconds - step,
            lane.received[row] + reset.seconds + step,
        )
    at = reset.seconds - view.unix(0.0)
    return at - step - offset.high - 1.0, at + step - offset.low


def ietf_fields(view: View, promise: RateLimitPromise) -> Finding:
    """Judge the IETF's fields by the rules of the draft that is promised."""
    aspect = Aspect.IETF
    edition = promise.headers.ietf
    if edition is Ietf.NONE:
        return not_applicable(aspect, "no edition of the IETF's fields is promised")
    if edition is Ietf.DRAFT_6:
        return not_applicable(aspect, "draft-6 has separate headers, judged as such")
    wrong: dict[str, int] = {}
    answers = 0
    for lane in view:
        for told, outcome, variant in zip(
            lane.told, lane.outcome, lane.variant, strict=True
        ):
            if outcome == UNKNOWN or variant != "plain":
                continue
            answers += 1
            faults = list(told.fields.wrong) if told.fields else []
            if told.fields is None or told.fields.dialect is Ietf.NONE:
                faults.append("is missing")
            for fault in faults:
                if len(wrong) < 20 or fault in wrong:
                    wrong[fault] = wrong.get(fault, 0) + 1
    return _verdict_on_all(
        aspect,
        answers,
        wrong,
        good=f"RateLimit and RateLimit-Policy of {answers} answers keep to {edition}",
        expected=f"fields as {edition} has them, on every answer",
    )
