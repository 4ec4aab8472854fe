"""Measures a deployment under sustained load: from its profile to figures, once a run.

Knows which keys and operation the profile allows and what the command line asked for;
hands both to the load side. Must not judge; `suites/load` does.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tollproof.deployment import Deployment
from tollproof.errors import Undetermined, UsageError
from tollproof.heeding import heeding
from tollproof.identity import Identity
from tollproof.load.arrivals import Stage, expected, peak, plateau, ramp, soak, spike
from tollproof.load.arrivals import duration as duration_of
from tollproof.load.collecting import LoadOutcome
from tollproof.load.figures import charts, figures
from tollproof.load.job import LoadJob, Sustained
from tollproof.load.remains import FOLDER, remember
from tollproof.load.runner import Cluster, Progress, run
from tollproof.load.summary import Breach, Summary, summarise
from tollproof.load.throughout import Throughout, watch
from tollproof.model import Reason, from_json, to_json
from tollproof.profile.model import Profile
from tollproof.quota import common_job, ordinary_operation, promise_of
from tollproof.ratelimit.promise import RateLimitPromise
from tollproof.target import Target

#: How what the command line asks for reaches the process that runs the checks.
CHANNEL = "TOLLPROOF_LOAD"
#: Without a rate, the load is this share of what the promise admits.
SHARE = 0.8
#: … and without a promise, so many requests a second.
MODEST = 50.0
#: Keys that share the load.
KEYS = 16


class Shape(StrEnum):
    """How the rate goes over time."""

    RAMP = "ramp"
    """From nothing to the rate, evenly."""
    PLATEAU = "plateau"
    """The rate, reached in a tenth of the time."""
    SPIKE = "spike"
    """The rate, with a fifth of the time at the peak in the middle."""
    SOAK = "soak"
    """The rate for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What is asked for on the command line.

    Attributes:
        rate: requests a second, all keys together; 0 for a share of the promise.
        peak: of a spike; 0 for four times the rate.
        random: whether requests come at random, as a Poisson process of that rate.
        connections: most connections, all processes together.
        processes, expect, bind, join, wait, web: see :class:`runner.Cluster`.
    """

    shape: Shape = Shape.PLATEAU
    rate: float = 0.0
    peak: float = 0.0
    seconds: float = 60.0
    random: bool = False
    connections: int = 200
    processes: int = 1
    expect: int = 0
    bind: tuple[str, int] = ("127.0.0.1", 5557)
    join: tuple[str, int] | None = None
    wait: float = 300.0
    web: tuple[str, int] | None = None

    @property
    def cluster(self) -> Cluster:
        """Where the processes of the load are."""
        return Cluster(
            processes=self.processes,
            expect=self.expect,
            bind=self.bind,
            join=self.join,
            wait=self.wait,
            web=self.web,
        )

    def to_channel(self) -> str:
        """Return it as text for :data:`CHANNEL`."""
        return json.dumps(to_json(self))


def requested(environ: Mapping[str, str]) -> LoadRequest:
    """Return what the command line asked for; the usual where it said nothing.

    Raises:
        UsageError: what it said cannot be read.
    """
    text = environ.get(CHANNEL)
    if not text:
        return LoadRequest()
    try:
        found: LoadRequest = from_json(LoadRequest, json.loads(text))
    except (ValueError, TypeError, KeyError):
        raise UsageError(f"{CHANNEL} is not what `tollproof load` writes") from None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustenance:
    """What a load has shown.

    Attributes:
        promised: what holds for each key; None when the profile promises no limit.
        throughout: that promise, judged all the while; None without one.
        trouble: why the load was not what was asked for; empty when it was.
        stalled: seconds in which a load process attended to nothing.
        reaches: whether the load asks a key for more than its limit at all.
    """

    request: LoadRequest
    summary: Summary
    outcome: LoadOutcome
    refusals: tuple[int, ...]
    promised: RateLimitPromise | None = None
    throughout: Throughout | None = None
    trouble: str = ""
    stalled: float = 0.0
    reaches: bool = True

    def is_certain(self, breach: Breach) -> bool:
        """Whether a figure of time or rate is broken even without our own stalls.

        While the harness stands still nothing is sent or seen. Stalls may crowd where
        they hurt, so twice their share of the time is taken off, and the longest.
        """
        threshold, actual = breach.threshold, breach.actual
        if actual is None:
            return False
        share = 2 * self.stalled / max(self.summary.seconds, 1e-9)
        kept = max(0.0, 1.0 - share)
        longest = self.outcome.longest_stall / 1e6
        if threshold.most is not None:
            return actual * kept - longest > threshold.most
        return threshold.least is not None and actual < threshold.least * kept

    @property
    def figures(self) -> Mapping[str, Any]:
        """Throughput and latency by status, for every verdict of the suite."""
        return {**figures(self.summary), "charts": list(charts(self.summary))}


def stages_of(request: LoadRequest, rate: float) -> tuple[Stage, ...]:
    """Return the stages of a shape at a rate."""
    seconds = request.seconds
    if request.shape is Shape.RAMP:
        return ramp(rate, seconds)
    if request.shape is Shape.SPIKE:
        high = request.peak or 4 * rate
        fifth = seconds / 5
        return spike(rate, high, before=2 * fifth, during=fifth, after=2 * fifth)
    if request.shape is Shape.SOAK:
        return soak(rate, seconds * 50 / 51)
    return plateau(rate, 0.9 * seconds, rise=0.1 * seconds)


def keys_of(deployment: Deployment) -> tuple[Identity, ...]:
    """Return the identities that share the load.

    Raises:
        Undetermined: there is none; says what to add.
    """
    operation = ordinary_operation(deployment)
    usable = [
        item
        for item in deployment.callers(operation)
        if item.limit is None and "bystander" not in item.declared.purpose
    ]
    for_load = [item for item in usable if "burst" in item.declared.purpose]
    chosen = for_load or usable[1:] or usable
    if not chosen:
        raise Undetermined(
            Reason.PRECONDITION,
            "No live identity may be used for load: add one that has the promised "
            'limit, with purpose = ["burst"].',
        )
    # One clock and one header name for all: tokens and keys are not mixed.
    kind = chosen[0].mechanism.header
    return tuple(item for item in chosen if item.mechanism.header == kind)[:KEYS]


def rate_of(profile: Profile, request: LoadRequest, keys: int) -> float:
    """Return requests a second, all keys together."""
    if request.rate:
        return request.rate
    declared = profile.promises.rate_limit
    if declared is None:
        return MODEST
    sharing = keys if declared.per in ("key", "token") else 1
    return SHARE * sharing * declared.limit / declared.window


def job_of(target: Target, request: LoadRequest) -> LoadJob:
    """Plan the load.

    Raises:
        Undetermined: the profile has nothing to load, or does not consent to as much.
    """
    deployment = target.deployment
    operation, keys = ordinary_operation(deployment), keys_of(deployment)
    rate = rate_of(deployment.profile, request, len(keys))
    stages = stages_of(request, rate)
    job = replace(
        common_job(target, operation, keys, seconds=duration_of(stages)),
        sustained=Sustained(
            stages=stages,
            keys=tuple(item.name for item in keys),
            connections=request.connections,
            seed=deployment.seed if request.random else None,
        ),
        refusals=_refusals(deployment.profile),
        # Nothing is judged by them, and what a target writes there is not kept.
        headers={},
    )
    budget = deployment.profile.consent.budget
    if job.most_requests > budget.audit_requests:
        raise Undetermined(
            Reason.BUDGET,
            f"The load is {job.most_requests} requests, and the profile consents to "
            f"{budget.audit_requests}: set consent.budget.audit_requests = "
            f"{job.most_requests}, or ask for less.",
        )
    if budget.per_second and peak(stages) > budget.per_second:
        raise Undetermined(
            Reason.BUDGET,
            f"The load goes up to {peak(stages):g} requests a second, and the profile "
            f"consents to {budget.per_second:g}: raise consent.budget.per_second, or "
            "ask for less.",
        )
    return job


def _refusals(profile: Profile) -> tuple[int, ...]:
    declared = profile.promises.rate_limit
    return (declared.status if declared else 429,)


def measurement(target: Target) -> Sustenance:
    """Return what the run's load has shown; made once.

    Raises:
        Undetermined: no load could be made; says why.
    """
    return target.deployment.once(("load",), lambda: _measure(target))


def _measure(target: Target) -> Sustenance:
    deployment = target.deployment
    request = requested(os.environ)
    target.control(ordinary_operation(deployment))
    job = job_of(target, request)
    stages = job.sustained.stages if job.sustained else ()
    promised = throughout = None
    if deployment.profile.promises.rate_limit is not None:
        promised = promise_of(deployment.profile)
    told, parent = deployment.interrupted, os.getppid()
    with _room(deployment) as folder, heeding(told):
        try:
            remember(folder, promised)
            outcome = run(
                job,
                folder=folder,
                progress=lambda progress: _announce(deployment, job, progress),
                # A load that nobody can end any more must not go on.
                stop=lambda: told.is_set() or os.getppid() != parent,
                cluster=request.cluster,
            )
            if outcome.stopped:
                told.set()
            summary = summarise(
                outcome.files,
                planned=expected(stages),
                epoch=outcome.epoch,
                shifts=outcome.shifts,
            )
            if promised is not None:
                throughout = watch(
                    outcome.files,
                    promised,
                    epoch=outcome.epoch,
                    refusals=job.refusals,
                    shifts=outcome.shifts,
                )
        except (UsageError, OSError) as error:
            raise Undetermined(Reason.BUDGET, f"{error}.") from error
    deployment.touch(*job.credentials)
    if not summary.sent:
        why = outcome.fault or "nothing was sent"
        if told.is_set():
            why = "it was interrupted before anything was sent"
        raise Undetermined(Reason.HARNESS, f"The load could not be made: {why}.")
    return Sustenance(
        request=request,
        summary=summary,
        outcome=outcome,
        refusals=job.refusals,
        promised=promised,
        throughout=throughout,
        trouble=_trouble(outcome, summary, duration_of(stages)),
        stalled=max((one.stalls.total / 1e9 for one in outcome.reports), default=0.0),
        reaches=_reaches(job, promised),
    )


def _reaches(job: LoadJob, promised: RateLimitPromise | None) -> bool:
    """Whether some key is asked for more than its limit within a window."""
    if promised is None or job.sustained is None:
        return False
    stages, policy = job.sustained.stages, promised.tightest
    # A load that is over before the window is asks for no more than all of it.
    asked = min(peak(stages) * policy.window, float(expected(stages)))
    each = asked / len(job.sustained.keys)
    return each > min(policy.limit, policy.burst or policy.limit)


def _trouble(outcome: LoadOutcome, summary: Summary, seconds: float) -> str:
    """Say why the load was not the one that was asked for; nothing when it was."""
    if outcome.lost:
        shares = len({*outcome.lost, *(one.share for one in outcome.reports)})
        return (
            f"{len(outcome.lost)} of {shares} load processes died, and what came of "
            f"up to {outcome.missing} requests is not known"
        )
    if outcome.stopped:
        return (
            "it was stopped before its end, after "
            f"{min(summary.seconds, seconds):.1f} of {seconds:.1f} s"
        )
    if not outcome.complete:
        return outcome.fault or "the load did not come to its end"
    return ""


@contextmanager
def _room(deployment: Deployment) -> Iterator[Path]:
    """A folder for observations: in the run's record, so that a kill leaves them."""
    if deployment.record is None:
        with tempfile.TemporaryDirectory(prefix="tollproof-load-") as name:
            yield Path(name) / FOLDER
        return
    folder = deployment.record / FOLDER
    try:
        yield folder
    finally:
        # The verdicts hold the figures by now.
        shutil.rmtree(folder, ignore_errors=True)


def _announce(deployment: Deployment, job: LoadJob, progress: Progress) -> None:
    left = max(job.seconds - job.limits.timeout - progress.seconds, 0.0)
    said = ", ".join(
        f"{count} × {status if status != '0' else 'no answer'}"
        for status, count in sorted(progress.statuses.items())
    )
    lost = f"; {len(progress.lost)} processes LOST" if progress.lost else ""
    deployment.say(
        f"load: {progress.sent} of {job.most_requests} requests, {left:.0f} s left"
        + (f" ({said})" if said else "")
        + lost
    )
