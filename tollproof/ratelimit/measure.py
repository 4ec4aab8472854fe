"""A whole measurement: observations and a promise in, findings and charts out.

The one entry of the analysis. Pure: the same trace gives the same measurement. Knows
every part of the package. Must not know how the observations were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tollproof.model import Outcome, to_json
from tollproof.ratelimit import (
    admitting,
    closing,
    counted,
    evading,
    reopening,
    sharing,
    truthfulness,
    waiting,
)
from tollproof.ratelimit.aside import ASIDE, ERRORS, STRANGERS
from tollproof.ratelimit.clock import Offset, clock_offset
from tollproof.ratelimit.finding import Aspect, Finding
from tollproof.ratelimit.guards import Guard, apply, guards
from tollproof.ratelimit.infer import Inference, infer
from tollproof.ratelimit.narrowing import (
    as_one,
    joined,
    phases_only,
    without_phases,
)
from tollproof.ratelimit.observation import Trace
from tollproof.ratelimit.promise import BY_ADDRESS, OTHER_KEY, RateLimitPromise
from tollproof.ratelimit.restart import outages, parts, started_anew
from tollproof.ratelimit.series import Chart, charts
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, view

#: A phase of the first key.
CAP = "cap.probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a run has shown of a rate limit.

    Attributes:
        findings: one for each aspect, in the order of :class:`Aspect`.
        inference: which limiter explains what was seen.
        offset: the target's clock against ours.
        guards: what made the observations unfit for some conclusions.
        requests, admitted, refused, unknown: how many, all keys together.
        seconds: from the first request to the last answer.
        untested: what the schedule could not show.
        charts: plain JSON, for the report.
    """

    findings: tuple[Finding, ...]
    inference: Inference
    offset: Offset
    guards: tuple[Guard, ...]
    requests: int
    admitted: int
    refused: int
    unknown: int
    seconds: float
    untested: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()

    def __getitem__(self, aspect: Aspect) -> Finding:
        """Return the finding about an aspect."""
        return next(one for one in self.findings if one.aspect is aspect)

    def to_json(self) -> Mapping[str, Any]:
        """Return everything as plain JSON."""
        data: Mapping[str, Any] = to_json(self)
        return data


def analyse(
    trace: Trace, promise: RateLimitPromise, *, untested: Sequence[str] = ()
) -> Measurement:
    """Judge a trace by a promise.

    Args:
        untested: sentences of the schedule about what it could not show.
    """
    measured = _judged(trace, promise, untested)
    if not any(one.outcome is Outcome.FAILED for one in measured.findings):
        return measured
    found = outages(trace, promise.tightest.window)
    if not found:
        return measured
    pieces = [_judged(part, promise, ()).findings for part in parts(trace, found)]
    return withhold(measured, started_anew(trace, found, measured.findings, pieces))


def _judged(
    trace: Trace, promise: RateLimitPromise, untested: Sequence[str]
) -> Measurement:
    whole = trace
    trace = without_phases(whole, ASIDE)
    everyone = view(trace, promise)
    seen = view(_own(trace, promise), promise)
    longer = [one for one in promise.all_policies if one is not promise.tightest]
    inference = infer(tuple(seen), promise.tightest, longer)
    offset = clock_offset(seen)
    found = guards(seen, promise)
    over = admitting.over_admission(seen, promise)
    # What shows in bursts, or while a key is shut, meets the shortest limit only.
    shortest = over
    if promise.policies:
        alone = replace(promise, policy=promise.tightest, policies=())
        shortest = admitting.over_admission(seen, alone)
    under = admitting.under_admission(seen, promise, inference)
    failing = view(phases_only(whole, ERRORS), promise, seen.refusal)
    unknown = view(as_one(phases_only(whole, STRANGERS)), promise)
    judged = (
        over,
        under,
        admitting.paced(seen, promise),
        admitting.edge(seen, promise),
        admitting.algorithm(promise, inference),
        reopening.window(seen, promise, inference),
        reopening.recovery(seen, promise, inference),
        admitting.races(seen, shortest),
        sharing.workers(seen, promise, shortest),
        closing.stays_closed(seen, promise, shortest),
        sharing.isolation(seen, promise, inference),
        sharing.sharing(everyone, promise),
        evading.scope(everyone, promise, inference, shortest),
        evading.evasion(seen, promise, inference, shortest),
        reopening.counting(promise, inference),
        counted.errors(failing, seen, promise, inference, shortest, under),
        counted.strangers(unknown, promise),
        sharing.status(seen, promise),
        truthfulness.limit_header(seen, promise),
        truthfulness.remaining_header(seen, promise, inference),
        truthfulness.reset_header(seen, promise, inference, offset),
        waiting.retry_after_header(seen, promise, inference, offset),
        truthfulness.ietf_fields(seen, promise),
    )
    outcomes = [what for lane in seen for what in lane.outcome]
    return Measurement(
        findings=tuple(apply(one, found) for one in judged),
        inference=inference,
        offset=offset,
        guards=found,
        requests=len(whole),
        admitted=outcomes.count(ADMITTED),
        refused=outcomes.count(REFUSED),
        unknown=outcomes.count(UNKNOWN),
        seconds=round(seen.end, 3),
        untested=tuple(untested),
        charts=charts(seen, promise),
    )


def _own(trace: Trace, promise: RateLimitPromise) -> Trace:
    """Let a second key that shares the first one's allowance take from that."""
    if promise.per not in ("organisation", BY_ADDRESS):
        return trace
    rows = (row for row, one in enumerate(trace.phase) if trace.labels[one] == CAP)
    first = next(rows, None)
    if first is None:
        return trace
    key = trace.labels[trace.key[first]]
    return joined(trace, "sharing", key, OTHER_KEY)


def withhold(measured: Measurement, guard: Guard | None) -> Measurement:
    """Return a measurement without what one more guard forbids."""
    if guard is None:
        return measured
    found = tuple(apply(one, (guard,)) for one in measured.findings)
    return replace(measured, findings=found, guards=(*measured.guards, guard))
