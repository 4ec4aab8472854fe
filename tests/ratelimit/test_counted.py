"""Which requests count is judged by logic, for every kind of limiter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ratelimit.cells import MAKES, PROMISE
from tests.ratelimit.simulated import LAN, NETWORKS, Deployment, Network, run
from tollproof.model import Outcome
from tollproof.quota import judge
from tollproof.ratelimit.finding import Aspect, Finding
from tollproof.ratelimit.measure import Measurement
from tollproof.ratelimit.planning import plan
from tollproof.ratelimit.promise import (
    ERRONEOUS,
    ERRONEOUS_AT_ALL,
    Counting,
    Policy,
    RateLimitPromise,
)

KEYS = ("k0", "k1", "k2", "k3")
OWN = "k4"
STRANGERS = ("stranger 1", "stranger 2", "stranger 3")
SOUND = ("fixed-clock", "fixed-first", "log", "counter", "bucket")
PLAIN = RateLimitPromise(policy=Policy(limit=60, window=60.0), headers=PROMISE)


def with_errors(
    name: str,
    *,
    promised: bool | None = True,
    free: bool = False,
    key: str = OWN,
    form: str = ERRONEOUS,
    network: Network = LAN,
    seed: int = 1,
    limit: int = 60,
) -> Measurement:
    promise = replace(
        PLAIN,
        policy=Policy(limit=limit, window=60.0),
        counting=Counting(errors=promised),
    )
    schedule = plan(promise, KEYS, errors=(key, form))
    deployment = Deployment(make=MAKES[name][1], n=limit, w=60.0, errors_free=free)
    return judge(run(schedule, promise, deployment, network, seed), promise)


def failing(measured: Measurement) -> set[Aspect]:
    return {one.aspect for one in measured.findings if one.outcome is Outcome.FAILED}


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("promised", [True, False])
@pytest.mark.parametrize("free", [True, False])
def test_whether_errors_count_is_found_out(
    name: str, promised: bool, free: bool
) -> None:
    measured = with_errors(name, promised=promised, free=free)
    kept = free is not promised
    finding = measured[Aspect.ERRORS]
    assert finding.outcome is (Outcome.PASSED if kept else Outcome.FAILED)
    assert ("do not count" in finding.sentence) is free
    assert failing(measured) == (set() if kept else {Aspect.ERRORS})


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(SOUND),
    promised=st.booleans(),
    free=st.booleans(),
    key=st.sampled_from([OWN, "k0"]),
    network=st.sampled_from(sorted(NETWORKS)),
    limit=st.sampled_from([5, 20, 60, 100]),
    seed=st.integers(0, 1 << 30),
)
def test_no_verdict_on_errors_is_wrong(
    name: str, promised: bool, free: bool, key: str, network: str, limit: int, seed: int
) -> None:
    measured = with_errors(
        name,
        promised=promised,
        free=free,
        key=key,
        network=NETWORKS[network],
        seed=seed,
        limit=limit,
    )
    right = Outcome.PASSED if free is not promised else Outcome.FAILED
    assert measured[Aspect.ERRORS].outcome in (right, Outcome.INCONCLUSIVE)
    assert failing(measured) <= {Aspect.ERRORS}


def test_a_key_that_is_used_again_has_rested_for_a_sliding_counter_too() -> None:
    measured = with_errors(
        "counter",
        promised=False,
        free=True,
        key="k0",
        network=NETWORKS["noisy"],
        seed=145482841,
        limit=5,
    )
    assert failing(measured) == set()


def test_who_asks_for_nothing_at_all_may_not_have_come_to_the_limiter() -> None:
    finding = with_errors("fixed-first", free=True, form=ERRONEOUS_AT_ALL)[
        Aspect.ERRORS
    ]
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "List an operation with a path parameter" in finding.sentence
    counted = with_errors("fixed-first", form=ERRONEOUS_AT_ALL)[Aspect.ERRORS]
    assert counted.outcome is Outcome.PASSED


def test_a_limiter_that_refuses_too_early_says_nothing_of_errors() -> None:
    promise = replace(PLAIN, counting=Counting(errors=False))
    schedule = plan(promise, KEYS, errors=(OWN, ERRONEOUS))
    deployment = Deployment(make=MAKES["fixed-first"][1], n=40, w=60.0)
    measured = judge(run(schedule, promise, deployment, LAN, 1), promise)
    assert Aspect.UNDER_ADMISSION in failing(measured)
    assert measured[Aspect.ERRORS].outcome is Outcome.INCONCLUSIVE


def test_what_is_not_promised_is_not_judged() -> None:
    measured = with_errors("fixed-first", promised=None)
    assert measured[Aspect.ERRORS].outcome is Outcome.NOT_APPLICABLE


def test_without_a_way_to_fail_it_says_what_to_add() -> None:
    promise = replace(PLAIN, counting=Counting(errors=True))
    deployment = Deployment(make=MAKES["log"][1], n=60, w=60.0)
    trace = run(plan(promise, KEYS), promise, deployment, LAN, 1)
    finding = judge(trace, promise)[Aspect.ERRORS]
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "path parameter" in finding.sentence


def test_errors_of_another_operation_say_nothing_of_a_limit_per_operation() -> None:
    promise = replace(PLAIN, counting=Counting(errors=True), per="operation")
    deployment = Deployment(make=MAKES["log"][1], n=60, w=60.0)
    trace = run(plan(promise, KEYS[:1]), promise, deployment, LAN, 1)
    finding = judge(trace, promise)[Aspect.ERRORS]
    assert finding.outcome is Outcome.NOT_APPLICABLE
    assert "another operation" in finding.sentence


# -- wrong credentials -----------------------------------------------------------------


def with_strangers(
    name: str = "fixed-first",
    *,
    promised: int = 20,
    failures: int = 20,
    network: Network = LAN,
    seed: int = 1,
    spoofable: bool = False,
    let_in: bool = False,
    per: str = "key",
) -> tuple[Finding, Measurement]:
    promise = replace(PLAIN, strangers=Policy(limit=promised, window=60.0), per=per)
    schedule = plan(promise, KEYS, strangers=STRANGERS, spoofed="forwarded")
    deployment = Deployment(
        make=MAKES[name][1], n=60, w=60.0, failures=failures, spoofable=spoofable
    )
    trace = run(schedule, promise, deployment, network, seed)
    if let_in:
        trace.status = type(trace.status)(
            trace.status.typecode,
            [200 if status == 401 else status for status in trace.status],
        )
    measured = judge(trace, promise)
    return measured[Aspect.STRANGERS], measured


@pytest.mark.parametrize("name", SOUND)
def test_a_limit_on_wrong_credentials_is_seen_to_hold(name: str) -> None:
    finding, measured = with_strangers(name)
    assert finding.outcome is Outcome.PASSED, finding
    assert failing(measured) == set()


@pytest.mark.parametrize(
    ("failures", "says"), [(0, "no limit at all"), (60, "attempts"), (8, "after 8")]
)
def test_another_limit_on_wrong_credentials_is_found(failures: int, says: str) -> None:
    finding, measured = with_strangers(failures=failures)
    assert finding.outcome is Outcome.FAILED
    assert says in finding.actual
    assert failing(measured) == {Aspect.STRANGERS}


def test_a_limit_per_address_may_be_what_refuses_wrong_credentials() -> None:
    for failures in (20, 8):
        finding, _ = with_strangers(failures=failures, per="address")
        assert finding.outcome is Outcome.INCONCLUSIVE
        assert "may be what refused them" in finding.sentence
    finding, _ = with_strangers(failures=0, per="address")
    assert finding.outcome is Outcome.FAILED


def test_who_claims_another_origin_must_not_begin_anew() -> None:
    finding, _ = with_strangers(spoofable=True)
    assert finding.outcome is Outcome.FAILED
    assert "X-Forwarded-For" in finding.sentence


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(SOUND),
    failures=st.sampled_from([0, 20]),
    network=st.sampled_from(sorted(NETWORKS)),
    seed=st.integers(0, 1 << 30),
)
def test_no_verdict_on_wrong_credentials_is_wrong(
    name: str, failures: int, network: str, seed: int
) -> None:
    finding, measured = with_strangers(
        name, failures=failures, network=NETWORKS[network], seed=seed
    )
    right = Outcome.PASSED if failures else Outcome.FAILED
    assert finding.outcome in (right, Outcome.INCONCLUSIVE)
    assert failing(measured) <= {Aspect.STRANGERS}


def test_wrong_credentials_that_are_let_in_are_not_limited_either() -> None:
    finding, _ = with_strangers(let_in=True)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "were let in" in finding.sentence
