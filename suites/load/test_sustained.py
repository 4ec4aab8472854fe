"""What the deployment keeps up while it is under load, for as long as was asked.

One load serves all of these checks. Requests leave when they are due, whoever is still
waiting, and latency counts from then on: the wait that a slow target causes is in it.
The rate-limit promise is judged all the while, key by key and window by window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Impact,
    Reason,
    Severity,
    Target,
    Tier,
    Verdict,
    check,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.load.figures import sentence
from tollproof.load.summary import Breach, Threshold, beyond_repair, breaches
from tollproof.under_load import sustained

if TYPE_CHECKING:
    from tollproof.sustain import Sustenance

LIMITED = (API(4, 2023), CWE(770), ASVS("5.0.0", "2.4.1"))


def _judge(
    target: Target,
    *thresholds: Threshold,
    unit: str,
    what: str,
    timed: bool = False,
) -> Verdict:
    """Hold the load's figures to thresholds.

    Args:
        timed: a harness that stood still would look like a target that did.
    """
    if not thresholds:
        return not_applicable(f"The profile promises nothing of {what}.")
    found = sustained(target)
    figures = found.figures
    if found.trouble:
        missed = beyond_repair(found.summary, thresholds, refusals=found.refusals)
        if timed:
            missed = tuple(one for one in missed if found.is_certain(one))
        if missed:
            return _broken(found, missed, unit=unit, what=what)
        return _cut_short(found, what)
    broken = breaches(found.summary, thresholds, refusals=found.refusals)
    known = tuple(one for one in broken if one.actual is not None)
    if timed and known and not any(found.is_certain(one) for one in known):
        return inconclusive(
            Reason.NOISE,
            f"The harness itself stood still for {found.stalled:.1f} of "
            f"{found.summary.seconds:.1f} s, so {what} may be better than it looked: "
            "use more processes or a quieter machine.",
            measurements=figures,
        )
    if known:
        return _broken(found, known, unit=unit, what=what)
    if broken:
        return inconclusive(
            Reason.PRECONDITION, "No request was answered well: nothing was measured."
        )
    return passed(_sentence(found, what), measurements=figures)


def _broken(
    found: Sustenance, known: tuple[Breach, ...], *, unit: str, what: str
) -> Verdict:
    return failed(
        f"{what} under load is not as promised"
        + (", and the rest of the load could not mend it" if found.trouble else ""),
        expected="; ".join(_bound(one.threshold, unit) for one in known),
        actual="; ".join(
            f"{one.threshold.figure} {one.actual:.4g}{unit}"
            for one in known
            if one.actual is not None
        ),
        measurements=found.figures,
    )


def _cut_short(found: Sustenance, what: str) -> Verdict:
    return inconclusive(
        Reason.HARNESS,
        f"The load was not as planned: {found.trouble}. Until then: "
        f"{sentence(found.summary)}. That does not decide {what}.",
        measurements=found.figures,
    )


def _is_behind(target: Target) -> bool:
    """Whether the deployment did not keep up, which `load.throughput` judges.

    What was cut short shows nothing of that: its throughput is not the deployment's.
    """
    promised = target.profile.promises.load
    least = promised.per_second if promised else None
    bounds = [Threshold(figure="per_second", least=least)] if least else []
    found = sustained(target)
    return not found.trouble and bool(bounds and breaches(found.summary, bounds))


def _behind(what: str) -> Verdict:
    return inconclusive(
        Reason.PRECONDITION,
        f"The deployment fell behind the load, as `load.throughput` tells: {what} "
        "depends on how long it lasted.",
    )


def _bound(threshold: Threshold, unit: str) -> str:
    if threshold.most is not None:
        return f"{threshold.figure} at most {threshold.most:g}{unit}"
    return f"{threshold.figure} at least {threshold.least:g}{unit}"


def _sentence(found: Sustenance, what: str) -> str:
    summary = found.summary
    return (
        f"{summary.sent} requests in {summary.seconds:.1f} s, "
        f"{summary.per_second:.1f} answers a second: {what} is as promised."
    )


@check(
    id="load.throughput",
    title="As many requests are answered as promised",
    severity=Severity.MEDIUM,
    references=(API(4, 2023), CWE(400)),
    remediation="Find what saturates first: workers, connections, or the store.",
    needs=("promises.load", "identity.live"),
    impact=Impact.LOAD,
    tier=Tier.LOAD,
)
def test_throughput(target: Target) -> Verdict:
    """A deployment that slows its callers down is full, whatever it answers."""
    promised = target.profile.promises.load
    least = promised.per_second if promised else None
    bounds = [Threshold(figure="per_second", least=least)] if least else []
    return _judge(target, *bounds, unit=" a second", what="throughput", timed=True)


@check(
    id="load.latency",
    title="Answers come as soon as promised",
    severity=Severity.MEDIUM,
    references=(API(4, 2023), CWE(400)),
    remediation="Look at what the slowest answers waited for.",
    needs=("promises.load", "identity.live"),
    impact=Impact.LOAD,
    tier=Tier.LOAD,
)
def test_latency(target: Target) -> Verdict:
    """Percentiles of good answers; refusals are quick and would flatter them."""
    if _is_behind(target):
        return _behind("latency")
    promised = target.profile.promises.load
    bounds = {name: getattr(promised, name, None) for name in ("p50", "p95", "p99")}
    return _judge(
        target,
        *(
            Threshold(figure=name, most=most)
            for name, most in bounds.items()
            if most is not None
        ),
        unit=" ms",
        what="latency",
        timed=True,
    )


@check(
    id="load.errors",
    title="Errors stay as rare as promised",
    severity=Severity.HIGH,
    references=(API(4, 2023), CWE(755)),
    remediation="Answer what cannot be done now with 429 or 503, and nothing with 500.",
    needs=("promises.load", "identity.live"),
    impact=Impact.LOAD,
    tier=Tier.LOAD,
)
def test_errors(target: Target) -> Verdict:
    """A server error, or no answer at all, under a load that was promised to fit."""
    promised = target.profile.promises.load
    most = promised.errors if promised else None
    statuses = sustained(target).summary.statuses
    if _is_behind(target) and not any(name >= "500" for name in statuses):
        return _behind("the share of requests without an answer")
    bounds = [Threshold(figure="errors", most=most)] if most is not None else []
    return _judge(target, *bounds, unit=" of all", what="the share of errors")


@check(
    id="load.refused",
    title="Refusals stay as rare as promised",
    severity=Severity.MEDIUM,
    references=LIMITED,
    remediation="Compare what callers were sold with what the limiter admits.",
    needs=("promises.load", "identity.live"),
    impact=Impact.LOAD,
    tier=Tier.LOAD,
)
def test_refused(target: Target) -> Verdict:
    """A load that was promised to fit must not meet the limit."""
    promised = target.profile.promises.load
    most = promised.refused if promised else None
    seen = sustained(target).throughout
    if seen is not None and seen.under:
        return inconclusive(
            Reason.PRECONDITION,
            "Callers within their limit were refused, as `load.under-admission` tells.",
        )
    bounds = [Threshold(figure="refused", most=most)] if most is not None else []
    return _judge(target, *bounds, unit=" of all", what="the share of refusals")


@check(
    id="load.over-admission",
    title="No window of the load admits more than the limit",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(799), RFC(6585, "4")),
    remediation="Count atomically in a store that all workers share and that keeps up.",
    needs=("promises.rate_limit", "identity.live"),
    impact=Impact.LOAD,
    tier=Tier.LOAD,
)
def test_over_admission(target: Target) -> Verdict:
    """A limiter may be right when it is watched and wrong after an hour of load."""
    found = sustained(target)
    seen, promise = found.throughout, found.promised
    if seen is None or promise is None:
        return not_applicable("The profile promises no rate limit.")
    figures = {
        **found.figures,
        "fullest": seen.fullest,
        "over": seen.over,
    }
    policy = promise.tightest
    if seen.excesses:
        first = seen.excesses[0]
        return failed(
            "more was admitted than any reading of the promise allows",
            expected=policy.text,
            actual=f"{first.admitted} of {first.key} within {policy.window:g} s, from "
            f"{first.at:.1f} s on; in {seen.over} stretches in all",
            measurements=figures,
        )
    if found.trouble:
        return _cut_short(
            found,
            f"whether the limit holds: {seen.fullest} of a key within "
            f"{policy.window:g} s were the most, of {policy.limit}",
        )
    if not found.reaches:
        return not_applicable(
            f"No key was asked for more than {policy.text}: `--rate` or `--shape "
            "spike` would show whether the limit holds."
        )
    if not seen.saturated and seen.fullest < policy.limit:
        return inconclusive(
            Reason.PRECONDITION,
            f"No key came to its limit: at most {seen.fullest} within "
            f"{policy.window:g} s, of {policy.limit}.",
        )
    return passed(
        f"At most {seen.fullest} requests of a key within {policy.window:g} s, "
        "all through the load.",
        measurements=figures,
    )


@check(
    id="load.under-admission",
    title="No caller within its limit is refused during the load",
    severity=Severity.MEDIUM,
    references=(*LIMITED, CWE(394)),
    remediation="Count each request once; let every counter expire in time.",
    needs=("promises.rate_limit", "promises.rate_limit.algorithm", "identity.live"),
    impact=Impact.LOAD,
    tier=Tier.LOAD,
)
def test_under_admission(target: Target) -> Verdict:
    """A refusal when fewer than the limit can have been admitted in the window."""
    found = sustained(target)
    seen, promise = found.throughout, found.promised
    if seen is None or promise is None:
        return not_applicable("The profile promises no rate limit.")
    if promise.algorithm == "sliding_counter":
        return not_applicable(
            "A sliding counter weighs the window before, and may refuse earlier."
        )
    policy = promise.tightest
    figures = {**found.figures, "under": seen.under}
    if found.outcome.lost or not found.outcome.reports:
        # What the lost ones were let in with counted, and nobody has seen it.
        return _cut_short(found, "whether a refusal came too early")
    if seen.refusals:
        first = seen.refusals[0]
        return failed(
            "a caller within its limit was refused",
            expected=f"no refusal before {policy.limit} in {policy.window:g} s",
            actual=f"{first.key} was refused at {first.at:.1f} s after at most "
            f"{first.counted}; {seen.under} times in all",
            measurements=figures,
        )
    if found.trouble:
        return _cut_short(
            found, "whether any refusal comes too early: none did until then"
        )
    return passed(
        "Every refusal, if any, came after the limit could have been reached.",
        measurements=figures,
    )
