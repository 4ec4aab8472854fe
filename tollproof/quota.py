"""Measures a deployment's rate limit: from its profile to a measurement, once a run.

Knows which keys, which operation and which budget the profile allows, hands them to the
load side and the result to the analysis. Must not judge: `tollproof.ratelimit` does.
"""

from __future__ import annotations

import random
import string
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from tollproof.allowance import LONGEST
from tollproof.client import Headers
from tollproof.deployment import Deployment
from tollproof.errors import Undetermined, UsageError
from tollproof.forms import FORWARDED, Form, Sifted, forms, useful
from tollproof.identity import Identity
from tollproof.load.allowance import Budget
from tollproof.load.engine import Limits
from tollproof.load.job import LoadJob, RequestSpec, Tls
from tollproof.load.runner import Progress, run
from tollproof.model import Outcome as ModelOutcome
from tollproof.model import Reason, Verdict
from tollproof.operations import Operation
from tollproof.profile.model import Profile
from tollproof.profile.promises import Policy as DeclaredPolicy
from tollproof.ratelimit.aside import ASIDE, CALLERS
from tollproof.ratelimit.attribution import attribute, owner_of
from tollproof.ratelimit.draft import judge_fields
from tollproof.ratelimit.finding import Aspect, Finding
from tollproof.ratelimit.guards import Guard, refuses_all
from tollproof.ratelimit.measure import Measurement, analyse, withhold
from tollproof.ratelimit.narrowing import without_phases
from tollproof.ratelimit.observation import Trace
from tollproof.ratelimit.planning import plan
from tollproof.ratelimit.promise import (
    BY_ADDRESS,
    BY_OPERATION,
    ERRONEOUS,
    ERRONEOUS_AT_ALL,
    Algorithm,
    Counting,
    HeaderPromise,
    Ietf,
    Policy,
    RateLimitPromise,
    ResetForm,
    RetryAfterForm,
    header_names,
)
from tollproof.ratelimit.schedule import Schedule
from tollproof.target import Target

#: Keys that are measured at the same time; more tell nothing new.
KEYS = 4
#: Windows after its last request in which a key is rested.
RESTED = 1.05
_ALPHABET = string.ascii_letters + string.digits
_ERRONEOUS = (ERRONEOUS, ERRONEOUS_AT_ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a measurement will do, known before anything is sent.

    Attributes:
        keys: the identities that spend their allowance, the first one's twin last.
        operation: what they all ask for.
        forms: other forms of the request, that the schedule names.
        unasked: forms, with the reason, that had no answer when they were tried out.
        strangers: headers with a wrong credential, by the label of who sends them.
    """

    promise: RateLimitPromise
    schedule: Schedule
    keys: tuple[Identity, ...]
    operation: Operation
    forms: tuple[Form, ...] = ()
    unasked: tuple[str, ...] = ()
    strangers: Mapping[str, Headers] = field(default_factory=dict, repr=False)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.schedule.seconds

    @property
    def requests(self) -> int:
        """The most requests it sends."""
        return self.schedule.most_requests

    @property
    def failing(self) -> float:
        """When the first request with a wrong credential is sent; 0 without any."""
        labels = self.strangers.keys()
        sent = (shot.at for shot in self.schedule.shots if shot.key in labels)
        return min(sent, default=0.0)

    @property
    def rest(self) -> float:
        """Seconds that the keys must have been idle before.

        A longer limit is waited for where that takes no more than two minutes.
        """
        longer = (policy.window for policy in self.promise.all_policies)
        waited = (window for window in longer if window <= LONGEST)
        return RESTED * max(self.promise.tightest.window, *waited, 0.0)


def promise_of(profile: Profile) -> RateLimitPromise:
    """Return the profile's promise as the analysis needs it.

    Raises:
        LookupError: the profile makes none.
    """
    declared = profile.promises.rate_limit
    if declared is None:
        raise LookupError("the profile promises no rate limit")
    told = declared.headers
    headers = HeaderPromise()
    if told is not None:
        headers = HeaderPromise(
            limit=told.limit or "",
            remaining=told.remaining or "",
            reset=told.reset or "",
            reset_form=ResetForm(told.reset_form) if told.reset_form else None,
            retry_after=RetryAfterForm(told.retry_after),
            retry_after_on_success=told.retry_after_on_success,
            ietf=Ietf(told.ietf),
        )
    counts, failing = declared.counts, declared.failed_authentications
    said = "counts" in declared.model_fields_set
    return RateLimitPromise(
        policy=_policy(declared),
        per=declared.per,
        algorithm=Algorithm(declared.algorithm) if declared.algorithm else None,
        any_window=declared.any_window,
        tolerance=declared.tolerance,
        status=declared.status,
        headers=headers,
        counting=Counting(
            errors=counts.errors if "errors" in counts.model_fields_set else None,
            rejected=counts.rejected if said else None,
            methods=counts.methods,
        ),
        policies=tuple(_policy(item) for item in declared.policies),
        strangers=Policy(
            limit=failing.limit, window=float(failing.window), per=failing.per
        )
        if failing
        else None,
    )


def _policy(declared: DeclaredPolicy) -> Policy:
    return Policy(
        limit=declared.limit,
        window=float(declared.window),
        burst=declared.burst,
        per=declared.per if "per" in declared.model_fields_set else "",
    )


#: (operation, forms of its request) -> those that are of use.
Sift = Callable[[Operation, tuple[Form, ...]], Sifted]


def _all_of_them(_operation: Operation, found: tuple[Form, ...]) -> Sifted:
    return Sifted(kept=found)


def plan_measurement(deployment: Deployment, sift: Sift = _all_of_them) -> Plan:
    """Choose keys, an operation and the forms of a request, and plan the traffic.

    Args:
        sift: chooses the forms that are of use; without it all of them are planned.

    Raises:
        Undetermined: the profile has no key that may be spent, or no operation that
            may be asked for so often; says what to add.
    """
    promise = promise_of(deployment.profile)
    operation = ordinary_operation(deployment)
    keys, twin, others = _keys(deployment, operation, promise.per)
    plain = plain_request(deployment, operation, keys[0])
    sifted = sift(operation, forms(deployment, operation, plain, keys))
    chosen = sifted.kept
    strangers = _strangers(keys[0], promise)
    wrong = [form.name for form in chosen if form.name in _ERRONEOUS]
    asks = _asks_with_errors(promise, keys, others) if wrong else None
    schedule = plan(
        promise,
        [identity.name for identity in keys],
        variants=[form.name for form in chosen if form.name not in _ERRONEOUS],
        sibling=twin.name if twin else "",
        per_second=deployment.profile.consent.budget.per_second or 6000.0,
        errors=(asks.name, wrong[0]) if asks else None,
        strangers=tuple(strangers),
        spoofed=FORWARDED,
    )
    more = (asks,) if asks and asks not in keys else ()
    return Plan(
        promise=promise,
        schedule=schedule,
        keys=(*keys, *((twin,) if twin else ()), *more),
        operation=operation,
        forms=chosen,
        unasked=sifted.unasked,
        strangers=strangers,
    )


def _asks_with_errors(
    promise: RateLimitPromise, keys: Sequence[Identity], others: Sequence[Identity]
) -> Identity | None:
    """Return who finds out whether errors count; None where nobody needs to or can."""
    # Another operation's errors, or another limit's, say nothing of this one.
    if promise.counting.errors is None or promise.scopes != (promise.per,):
        return None
    if promise.per == BY_OPERATION:
        return None
    if others:
        return others[0]
    # A key that has just been measured has not rested for a longer window as well.
    return None if promise.policies else keys[0]


def _strangers(key: Identity, promise: RateLimitPromise) -> Mapping[str, Headers]:
    """Return wrong credentials of the right form, by the label of who shows them."""
    if promise.strangers is None:
        return {}
    one = promise.strangers.per in ("key", "token")
    chance = random.Random(key.name)
    found = {}
    for number in range(1 if one else CALLERS):
        label = f"stranger {number + 1}"
        wrong = key.variant(lambda value: guessed(value, chance), f"unknown {number}")
        found[label] = key.showing(wrong.value)
    return found


def ordinary_operation(deployment: Deployment) -> Operation:
    """Return the operation that costs its target least to ask for often.

    Raises:
        Undetermined: there is none; says what to add.
    """
    candidates = [
        item
        for item in deployment.operations
        if not item.public and not item.changes and deployment.callers(item)
    ]
    if not candidates:
        raise Undetermined(
            Reason.PRECONDITION,
            "No protected operation may be asked for often: list a harmless one under "
            "target.read_only.",
        )
    return min(
        candidates,
        key=lambda item: (item.method != "GET", len(item.parameters), len(item.path)),
    )


def _keys(
    deployment: Deployment, operation: Operation, per: str
) -> tuple[tuple[Identity, ...], Identity | None, tuple[Identity, ...]]:
    """Return identities whose allowance may be spent, a twin of the first, and more.

    Those with the purpose `burst` come first, then those whose credential does not
    expire in the middle of a load; the one that other checks use as their control is
    spared while there are others.
    """
    usable = [
        identity
        for identity in deployment.callers(operation)
        if identity.limit is None and "bystander" not in identity.declared.purpose
    ]
    usable.sort(
        key=lambda identity: (
            "burst" not in identity.declared.purpose,
            identity.declared.kind == "oauth",
        )
    )
    control = deployment.callers(operation)[0]
    spare = [item for item in usable if item.name != control.name] or usable
    if not spare:
        raise Undetermined(
            Reason.PRECONDITION,
            "Every live identity has a limit of its own; add one that has the promised "
            'limit, with purpose = ["burst"].',
        )
    if per == "organisation":
        spare = list({item.organisation: item for item in reversed(spare)}.values())
    if per in (BY_ADDRESS, BY_OPERATION):
        spare = spare[:1]
    keys = tuple(spare[:KEYS])
    twins = [
        item
        for item in deployment.callers(operation)
        if item not in keys
        and item.limit is None
        and item.name != control.name
        # At one address everybody shares an allowance that is the address's.
        and (
            per == BY_ADDRESS
            or (item.organisation and item.organisation == keys[0].organisation)
        )
    ]
    twin = next(iter(twins), None)
    return keys, twin, tuple(item for item in spare[KEYS:] if item is not twin)


def guessed(value: str, chance: random.Random) -> str:
    """Return a credential of the same form and prefix, the rest of it guessed."""
    head, separator, rest = value.rpartition("_")
    kinds = {True: string.digits, False: _ALPHABET}
    letters = (
        chance.choice(kinds[letter.isdigit()]) if letter.isalnum() else letter
        for letter in rest
    )
    return head + separator + "".join(letters)


def measurement(target: Target) -> Measurement:
    """Return what the run has measured of the rate limit; measured once.

    Raises:
        Undetermined: nothing could be measured; says why.
    """
    return target.deployment.once(("ratelimit",), lambda: _measure(target))


def _measure(target: Target) -> Measurement:
    deployment = target.deployment
    target.control(ordinary_operation(deployment))
    planned = plan_measurement(
        deployment, lambda operation, found: useful(target, operation, found)
    )
    job = _job(target, planned)
    _rest(deployment, planned)
    _forget_failures(deployment, planned, ahead=planned.failing)
    with tempfile.TemporaryDirectory(prefix="tollproof-load-") as folder:
        try:
            outcome = run(
                job,
                folder=Path(folder) / "load",
                progress=_announce(deployment, planned),
            )
        except (UsageError, OSError) as error:
            raise Undetermined(Reason.BUDGET, f"{error}.") from error
    deployment.touch(*(key.name for key in planned.keys), *planned.strangers)
    if not len(outcome.trace):
        why = outcome.fault or "nothing was observed"
        raise Undetermined(Reason.HARNESS, f"The load could not be run: {why}.")
    if planned.strangers:
        # Whoever comes next would be refused on account of these.
        _forget_failures(deployment, planned, ahead=0.0)
    untested = (*planned.schedule.untested, *(() if outcome.complete else (
        f"everything: the load did not come to its end ({outcome.fault})",
    )))  # fmt: skip
    known = (
        refuses_everybody(target, planned),
        unasked(planned),
        spent_before(planned, deployment.client.traffic().requests),
    )
    return judge(
        outcome.trace,
        planned.promise,
        untested=untested,
        beside=[guard for guard in known if guard],
    )


def unasked(planned: Plan) -> Guard | None:
    """Withhold that no form of the request escapes, where some could not be tried."""
    if not planned.unasked:
        return None
    return Guard(
        name="unasked forms",
        why="it could not be found out whether these forms of the request are served: "
        + ", ".join(planned.unasked),
        passes=frozenset((Aspect.EVASION, Aspect.SCOPE)),
    )


def spent_before(planned: Plan, sent: int) -> Guard | None:
    """Excuse refusals where a limit too long to wait for was drawn on before.

    Args:
        sent: how many requests the run has sent beside the measurement.
    """
    partly = [
        policy.text
        for policy in planned.promise.all_policies
        if RESTED * policy.window > planned.rest
        and policy.limit <= sent + planned.requests
    ]
    if not partly:
        return None
    return Guard(
        name="spent before",
        why="what the rest of the run asked before may count against "
        + " and ".join(partly)
        + ", which is too long to wait for",
        fails=frozenset(
            (Aspect.UNDER_ADMISSION, Aspect.PACED, Aspect.RECOVERY, Aspect.ISOLATION)
        ),
    )


def refuses_everybody(target: Target, planned: Plan) -> Guard | None:
    """Ask for all callers that were left out of the load, after it.

    Where all are refused, it is not by a limit: some have asked for next to nothing. A
    counter that is shared with the measured keys has had its window when asked again.
    """
    operation = planned.operation
    spared = [
        identity
        for identity in target.deployment.callers(operation)
        if identity not in planned.keys
    ]
    if not spared:
        return None
    usual = target.control(operation).status
    answers: list[str] = []
    for pause in (0.0, planned.rest):
        time.sleep(pause)
        answers.clear()
        for identity in spared:
            answer = target.attempt(target.probe(operation, identity))
            if answer.response is not None and answer.status in {200, usual}:
                return None
            answers.append(str(answer.status) if answer.response else "nothing")
    names = ", ".join(identity.name for identity in spared)
    return refuses_all(
        f"whoever took no part in the load ({names}) is answered {', '.join(answers)} "
        f"after it, and again {planned.rest:.0f} s later: the target has come to "
        "refuse everybody"
    )


def judge(
    trace: Trace,
    promise: RateLimitPromise,
    *,
    untested: Sequence[str] = (),
    beside: Sequence[Guard] = (),
) -> Measurement:
    """Analyse a trace and let each defect fail the aspect that names it.

    Args:
        untested: what the schedule could not show.
        beside: what is known beside the trace, and makes it unfit.
    """
    measured = analyse(trace, promise, untested=untested)
    for guard in beside:
        measured = withhold(measured, guard)
    fields = judge_fields(without_phases(trace, ASIDE), promise, measured)
    findings = tuple(
        fields if one.aspect is Aspect.IETF else one for one in measured.findings
    )
    return attribute(trace, promise, replace(measured, findings=findings))


def _rest(deployment: Deployment, planned: Plan) -> None:
    """Wait until nothing that other checks sent can count against the planned keys.

    A window that began with a preflight is half over when the measurement begins, and
    what is then let in at its end would look like too much.
    """
    names = _takers(deployment, planned)
    while left := deployment.rested(names, planned.rest):
        deployment.say(
            f"ratelimit: keys rest for {left:.0f} s before they are measured"
        )
        time.sleep(min(left, 5.0))


def _forget_failures(deployment: Deployment, planned: Plan, *, ahead: float) -> None:
    """Wait until no wrong credential that was shown before can count any more.

    Args:
        ahead: seconds that pass anyway before the next is shown.
    """
    policy = planned.promise.strangers
    if policy is None or not planned.strangers:
        return
    live = {name for name, one in deployment.identities.items() if one.is_live}
    wrong = [*planned.strangers, *(deployment.used.keys() - live)]
    rest = RESTED * policy.window
    while (left := deployment.rested(wrong, rest) - ahead) > 0:
        deployment.say(
            f"ratelimit: wrong credentials are not shown for {left:.0f} s, until none "
            "counts any more"
        )
        time.sleep(min(left, 5.0))


def _takers(deployment: Deployment, planned: Plan) -> list[str]:
    """Name everybody whose requests take from the allowances that are measured."""
    keys, per = planned.keys, planned.promise.per
    if per == BY_ADDRESS:
        return [*deployment.identities, *(key.name for key in keys)]
    homes = {key.organisation for key in keys} if per == "organisation" else set()
    others = [
        name
        for name, identity in deployment.identities.items()
        if identity.organisation in homes - {""}
    ]
    return [*(key.name for key in keys), *others]


def _announce(deployment: Deployment, planned: Plan) -> Callable[[Progress], object]:
    def announce(progress: Progress) -> None:
        left = max(planned.seconds - progress.seconds, 0.0)
        deployment.say(
            f"ratelimit: {progress.sent} of about {planned.schedule.requests} "
            f"requests, {left:.0f} s left"
        )

    return announce


def _job(target: Target, planned: Plan) -> LoadJob:
    operation, keys = planned.operation, planned.keys
    common = common_job(target, operation, keys, seconds=planned.seconds)
    return replace(
        common,
        schedule=planned.schedule,
        requests=(*common.requests, *(form.spec for form in planned.forms)),
        credentials={**common.credentials, **planned.strangers},
        headers=dict(header_names(planned.promise)),
        reset_form=planned.promise.headers.reset_form,
        # Whatever refuses, a shot that looks for refusals has found them.
        refusals=tuple({planned.promise.status, 429, 503}),
    )


def plain_request(
    deployment: Deployment, operation: Operation, key: Identity
) -> RequestSpec:
    """Return the operation's example request without the credential."""
    probe = deployment.probe(operation, key)
    own = key.mechanism.header.lower()
    return RequestSpec(
        method=probe.method,
        path=probe.target,
        headers=tuple(item for item in probe.headers if item[0].lower() != own),
        body=probe.body.decode("utf-8"),
    )


def common_job(
    target: Target,
    operation: Operation,
    keys: Sequence[Identity],
    *,
    seconds: float,
) -> LoadJob:
    """Return a job with target, budget, request and credentials, but without a plan."""
    deployment = target.deployment
    profile = deployment.profile
    parts = urlsplit(profile.target.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    budget = profile.consent.budget
    tls = profile.target.tls

    def beside(name: str | None) -> str:
        return str((profile.folder / name).resolve()) if name else ""

    return LoadJob(
        url=profile.target.base_url,
        budget=Budget(
            hosts=((parts.hostname or "", port),),
            requests=budget.audit_requests,
            per_second=int(budget.per_second),
            seconds=seconds + 30.0,
        ),
        requests=(plain_request(deployment, operation, keys[0]),),
        credentials={item.name: item.headers() for item in keys},
        operation=operation.label,
        limits=Limits(timeout=min(profile.target.timeout, 10.0)),
        tls=Tls(
            verify=tls.verify,
            ca=beside(tls.ca),
            certificate=beside(tls.certificate),
            key=beside(tls.key.file if tls.key else None),
        ),
        run_id=deployment.client.settings.run_id,
    )


def verdict_on(target: Target, *aspects: Aspect) -> Verdict:
    """Return the measurement's finding about an aspect as a verdict.

    Of several aspects the worst counts.

    Raises:
        Undetermined: nothing could be measured.
    """
    measured = measurement(target)
    finding = max((measured[item] for item in aspects), key=lambda f: f.outcome.rank)
    figures = {
        **finding.figures,
        "requests": measured.requests,
        "seconds": measured.seconds,
        **_charts(measured, aspects),
    }
    undecided = finding.outcome is ModelOutcome.INCONCLUSIVE
    return Verdict(
        outcome=finding.outcome,
        summary=_sentence(finding.sentence),
        reason=_reason(finding) if undecided else None,
        expected=finding.expected,
        actual=finding.actual,
        measurements=figures,
    )


def _reason(finding: Finding) -> Reason:
    return Reason.PRECONDITION if owner_of(finding) else Reason.NOISE


def _charts(measured: Measurement, aspects: Sequence[Aspect]) -> dict[str, object]:
    wanted = {
        Aspect.OVER_ADMISSION: "dmitted",
        Aspect.REMAINING: "Remaining",
    }
    charts = [
        dict(chart)
        for chart in measured.charts
        for aspect in aspects
        if aspect in wanted and wanted[aspect] in str(chart.get("title", ""))
    ]
    return {"charts": charts} if charts else {}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
