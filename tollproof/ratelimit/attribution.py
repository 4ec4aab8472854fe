"""Which check a defect belongs to, where it shows in several aspects at once.

A limiter that counts in each worker admits too much, looks like a race, and tells a
Remaining that jumps: one defect, one failure. The aspect that names the cause keeps its
failure; of the others it becomes inconclusive, since they cannot be judged until the
cause is mended. Nothing that fails is ever made to pass, and one failure always stays.
Knows findings and lanes. Must not know checks.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tollproof.model import Outcome
from tollproof.ratelimit import admitting
from tollproof.ratelimit.aside import ASIDE
from tollproof.ratelimit.finding import Aspect, Finding, withheld
from tollproof.ratelimit.measure import Measurement, analyse
from tollproof.ratelimit.narrowing import plain_only, without_phases
from tollproof.ratelimit.observation import Trace
from tollproof.ratelimit.promise import OTHER_OPERATION, Policy, RateLimitPromise
from tollproof.ratelimit.reopening import PRECISION
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane, View, view

A = Aspect

#: What a key that is refused too early or too long shows beside.
_TOO_FEW = frozenset(
    (
        *(A.UNDER_ADMISSION, A.PACED, A.RECOVERY, A.COUNTING, A.ALGORITHM, A.WINDOW),
        *(A.RESET, A.RETRY_AFTER, A.REMAINING, A.IETF),
    )
)
#: What a key that is admitted too often shows beside.
_TOO_MANY = frozenset(
    (
        *(A.OVER_ADMISSION, A.RACES, A.WORKERS, A.EDGE, A.ALGORITHM, A.WINDOW),
        *(A.STAYS_CLOSED, A.REMAINING, A.IETF),
    )
)
#: What cannot be told where keys take from each other's allowance.
_WHOSE = frozenset((A.ISOLATION, A.SHARING, A.SCOPE, A.ERRORS))
#: What cannot be told of a limiter that is like none of the models.
_INFERRED = (A.ALGORITHM, A.WINDOW, A.COUNTING, A.RESET)
#: A fill that varies by no more than this is always cut off at the same number.
_SAME = 1
#: So often what is left must rise, one request after another, to tell of two counters.
_RISES = 3
#: The part of a window in which at most one edge can fall.
_STRETCH = 0.9

_FILLS = ("cap", "recovery.first", "recovery.again", "trial")
_PARTS = ("cold", "fill", "across", "after")


class Cause(StrEnum):
    """Why more was admitted than the limit."""

    LIMIT = "limit"
    """Whatever comes one by one is admitted too often as well."""
    RACE = "race"
    """Only requests that meet are counted wrongly."""
    COUNTERS = "counters"
    """Several counters, each right by itself."""
    GAVE_WAY = "gave way"
    """One that was right until it had refused often."""


@dataclass(slots=True)
class _Ledger:
    """Findings, in the course of being attributed."""

    findings: dict[Aspect, Finding]

    def failed(self, aspect: Aspect) -> bool:
        """Tell whether an aspect fails."""
        return self.findings[aspect].outcome is Outcome.FAILED

    def owns(self, owner: Aspect, shown: Iterable[Aspect], why: str) -> None:
        """Let one aspect answer for the failures of others."""
        for aspect in shown:
            if aspect is not owner and self.failed(aspect):
                found = withheld(self.findings[aspect], why)
                figures = {**found.figures, "owner": owner.value}
                self.findings[aspect] = replace(
                    found, figures=figures, expected="", actual=""
                )

    def explains(self, owner: Aspect, open_: Iterable[Aspect], why: str) -> None:
        """Let one aspect answer for what others could not decide on its account."""
        for aspect in open_:
            found = self.findings[aspect]
            if found.outcome is Outcome.INCONCLUSIVE and not owner_of(found):
                figures = {**found.figures, "owner": owner.value}
                sentence = f"{why}; {found.sentence}"
                self.findings[aspect] = replace(
                    found, figures=figures, sentence=sentence
                )


def attribute(
    trace: Trace, promise: RateLimitPromise, measured: Measurement
) -> Measurement:
    """Return a measurement in which each defect fails the aspect that names it."""
    ledger = _Ledger({one.aspect: one for one in measured.findings})
    _evasion(ledger, trace, promise, measured)
    if ledger.failed(A.ISOLATION):
        why = "the keys share one allowance, so none can be judged by itself"
        ledger.owns(A.ISOLATION, _TOO_FEW | _TOO_MANY | _WHOSE, why)
    elif ledger.failed(A.SHARING) and promise.per in ("key", "token"):
        why = "keys of one organisation take from each other's allowance"
        ledger.owns(A.SHARING, _TOO_FEW | _TOO_MANY | _WHOSE, why)
    if OTHER_OPERATION in ledger.findings[A.SCOPE].figures.get("apart", ()):
        why = "each operation has an allowance of its own, and so have its errors"
        ledger.owns(A.SCOPE, (A.ERRORS,), why)
    if ledger.failed(A.COUNTING):
        why = "refused requests count, so a key is shut for longer"
        ledger.owns(A.COUNTING, _TOO_FEW, why)
    elif _window_owns(ledger, promise, measured):
        why = "the window is of another length than promised"
        ledger.owns(A.WINDOW, _TOO_FEW | _TOO_MANY, why)
    elif ledger.failed(A.RECOVERY):
        why = "a key that was shut is not let in again"
        ledger.owns(A.RECOVERY, _TOO_FEW, why)
    seen = view(without_phases(trace, ASIDE), promise)
    _too_many(ledger, seen, promise, measured)
    if ledger.failed(A.UNDER_ADMISSION):
        why = "fewer requests are admitted than promised, in a window of any length"
        ledger.owns(A.UNDER_ADMISSION, (A.WINDOW, A.ALGORITHM), why)
    return replace(measured, findings=tuple(ledger.findings.values()))


def _evasion(
    ledger: _Ledger, trace: Trace, promise: RateLimitPromise, measured: Measurement
) -> None:
    if not ledger.failed(A.EVASION):
        return
    plain = analyse(plain_only(trace), promise, untested=measured.untested)
    mended = [
        aspect for aspect in Aspect if plain[aspect].outcome is not Outcome.FAILED
    ]
    why = "requests in another form are let in, and are not looked at here"
    ledger.owns(A.EVASION, mended, why)


def _window_owns(
    ledger: _Ledger, promise: RateLimitPromise, measured: Measurement
) -> bool:
    """Whether the promised limit in a window of another length explains it all."""
    best, policy = measured.inference.best, promise.tightest
    if not ledger.failed(A.WINDOW) or best is None:
        return False
    near = max(0.5, promise.tolerance * policy.limit)
    return (
        abs(best.limit - policy.limit) <= near
        and abs(best.window - policy.window) > PRECISION * policy.window
    )


def _too_many(
    ledger: _Ledger, seen: View, promise: RateLimitPromise, measured: Measurement
) -> None:
    if ledger.failed(A.EDGE) and _only_at_edges(seen, promise):
        why = "more than the limit passes around the edge of a window, not within it"
        ledger.owns(A.EDGE, _TOO_MANY, why)
        return
    if not measured[A.OVER_ADMISSION].figures.get("beyond"):
        return
    if not any(ledger.failed(one) for one in (A.OVER_ADMISSION, A.RACES, A.WORKERS)):
        return
    cause = cause_of(seen, promise.tightest, trickling=measured.inference.may_trickle)
    if cause is not Cause.COUNTERS and ledger.failed(A.STAYS_CLOSED):
        cause = Cause.GAVE_WAY
    owner, why = {
        Cause.COUNTERS: (A.WORKERS, "several counters are in use"),
        Cause.RACE: (A.RACES, "requests that meet are not counted one by one"),
        Cause.LIMIT: (A.OVER_ADMISSION, "more is admitted in any case"),
        Cause.GAVE_WAY: (A.STAYS_CLOSED, "the limiter gives way once it refused often"),
    }[cause]
    told = _TOO_MANY | {A.EVASION}
    if cause is Cause.COUNTERS:
        # Each has a window of its own, so nothing told is true of the other.
        told |= {A.RESET, A.RETRY_AFTER, A.RECOVERY, A.COUNTING}
    elif cause in (Cause.LIMIT, Cause.GAVE_WAY):
        # Who is let in before its time was told no truth about when that would be.
        told |= {A.RESET, A.RETRY_AFTER}
    ledger.owns(owner, told, why)
    if cause is Cause.COUNTERS or not measured.inference.candidates:
        # No single limiter explains the run, because of that very cause.
        ledger.explains(owner, _INFERRED, why)


def _only_at_edges(seen: View, promise: RateLimitPromise) -> bool:
    """Whether windows that begin somewhere, of any kind, explain what was admitted."""
    lenient = replace(promise, any_window=False, algorithm=None)
    return admitting.over_admission(seen, lenient).outcome is not Outcome.FAILED


def cause_of(seen: View, policy: Policy, *, trickling: bool) -> Cause:
    """Say why more was admitted than the limit, where the observations tell.

    Args:
        trickling: whether places may come one by one, as from a bucket.
    """
    rate = policy.limit / policy.window if trickling else 0.0
    if max((_rises(lane, policy.window, rate) for lane in seen), default=0) >= _RISES:
        return Cause.COUNTERS
    turns = max((_alternations(lane, policy.window, rate) for lane in seen), default=0)
    if turns >= _RISES:
        return Cause.COUNTERS
    fills = [fill for lane in seen for fill in _fills(lane, policy.limit)]
    if len(fills) < 2:
        return Cause.LIMIT
    # What trickles in is in every fill; fills differ by no more than they last longer.
    lasted = [fill.seconds for fill in fills]
    slack = _SAME + 2 * rate * (max(lasted) - min(lasted))
    counts = [fill.admitted for fill in fills]
    late = max(fill.late for fill in fills)
    if late > 0.5 * (max(counts) - policy.limit):
        return Cause.LIMIT
    return Cause.RACE if max(counts) - min(counts) > slack else Cause.LIMIT


def _rises(lane: Lane, window: float, rate: float) -> int:
    """Count how often what is left rises from one lone request to the next.

    Lone: nothing else of the key was under way, so a counter that is not atomic is
    right too. Only a window's first part is looked at, where at most one edge falls.
    """
    if not len(lane):
        return 0
    tells = any(told.remaining is not None for told in lane.told)
    until = lane.sent[0] + _STRETCH * window
    rises = 0
    before: tuple[float, int] | None = None
    busy = -1.0
    for row in range(len(lane)):
        sent, received = lane.sent[row], lane.received[row]
        if sent > until:
            break
        later = lane.sent[row + 1] if row + 1 < len(lane) else sent + window
        lone = busy < sent and received < later
        busy = max(busy, received)
        level = _level(lane, row, tells=tells)
        if not lone or level is None:
            before = None
            continue
        if before and level > before[1] + (rate and rate * (received - before[0]) + 1):
            rises += 1
        before = sent, level
    return rises


def _alternations(lane: Lane, window: float, rate: float) -> float:
    """Count how often a key was let in after a refusal, and refused again after that.

    Each was sent when the answer before it had been received, so one counter that is
    right about requests that come one by one lets this happen at the edge of a window
    and not otherwise; beside what trickles, which is taken off. Where anything else was
    let in meanwhile, a counter that is not atomic may have been set back by it.
    """
    if not len(lane):
        return 0.0
    until = lane.sent[0] + _STRETCH * window
    rows = [
        row
        for row, what in enumerate(lane.outcome)
        if what != UNKNOWN and lane.variant[row] == "plain" and lane.sent[row] <= until
    ]
    rows.sort(key=lane.received.__getitem__)
    begun, ended = lane.countable
    turns, wanted, first = 0, REFUSED, -1
    refused = -1
    known = -math.inf
    for row in rows:
        if lane.outcome[row] != wanted or lane.sent[row] <= known:
            continue
        if wanted == REFUSED:
            refused, first = row, row if first < 0 else first
        elif (
            # Whatever may have been let in since the refusal was asked for, with this.
            bisect_left(begun, lane.received[row])
            - bisect_right(ended, lane.sent[refused])
            > 1
        ):
            continue
        else:
            turns += 1
        known = lane.received[row]
        wanted = REFUSED if wanted == ADMITTED else ADMITTED
    if not turns:
        return 0.0
    trickled = rate * (known - lane.received[first]) + 1 if rate else 0.0
    return turns - trickled


def _level(lane: Lane, row: int, *, tells: bool) -> int | None:
    """Return what is left by an answer: as it tells, or else whether anything is."""
    if lane.outcome[row] == UNKNOWN or lane.variant[row] != "plain":
        return None
    if lane.outcome[row] == REFUSED:
        return 0
    if not tells:
        return 1
    told = lane.told[row].remaining
    return told.value if told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fill:
    """One time that a key was filled until it was refused.

    Attributes:
        late: how many were admitted although a refusal had been received before.
    """

    admitted: int
    late: int
    seconds: float


def _fills(lane: Lane, limit: int) -> Iterable[_Fill]:
    for name in _FILLS:
        phases = {f"{name}.{part}" for part in _PARTS}
        rows = [row for row, phase in enumerate(lane.phase) if phase in phases]
        taken = [row for row in rows if lane.outcome[row] == ADMITTED]
        refused = [row for row in rows if lane.outcome[row] == REFUSED]
        if not refused or len(taken) < limit:
            continue
        known = min(lane.received[row] for row in refused)
        yield _Fill(
            admitted=len(taken),
            late=sum(lane.sent[row] > known for row in taken),
            seconds=lane.received[rows[-1]] - lane.sent[rows[0]],
        )


def owner_of(finding: Finding) -> str:
    """Return the aspect that answers for a finding; empty when it does so itself."""
    figures: Mapping[str, object] = finding.figures
    return str(figures.get("owner", ""))
