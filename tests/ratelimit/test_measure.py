"""A slice of the study: bench/ratelimit_study.py runs thousands of these."""

from __future__ import annotations

import json
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ratelimit.cells import CELLS, Cell, Setting, judge, measure, schedule_of
from tests.ratelimit.simulated import (
    LAN,
    NETWORKS,
    Deployment,
    FixedFirst,
    Network,
    Unlimited,
    run,
)
from tollproof.model import Outcome
from tollproof.ratelimit.finding import Aspect
from tollproof.ratelimit.measure import Measurement, analyse
from tollproof.ratelimit.observation import Trace

SETTING = Setting(60, 60.0, 4)
BY_NAME = {cell.name: cell for cell in CELLS}
FAULTS = [cell for cell in CELLS if cell.must_fail]


@cache
def measured(name: str) -> Measurement:
    return measure(BY_NAME[name], SETTING, "lan", seed=4)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_each_deployment_is_judged_rightly(cell: Cell) -> None:
    trial = judge(cell, measured(cell.name))
    assert not trial.false_alarms
    assert not trial.missed
    assert not trial.misnamed


@pytest.mark.parametrize("cell", FAULTS, ids=lambda cell: cell.name)
def test_each_fault_is_noticed(cell: Cell) -> None:
    measurement = measured(cell.name)
    failed = {one.aspect for one in measurement.findings if one.outcome == "failed"}
    assert failed & cell.must_fail


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cell=st.sampled_from(CELLS),
    network=st.sampled_from(sorted(NETWORKS)),
    setting=st.sampled_from([SETTING, Setting(60, 10.0, 4), Setting(60, 60.0, 2)]),
    seed=st.integers(0, 1 << 30),
)
def test_no_verdict_is_wrong(
    cell: Cell, network: str, setting: Setting, seed: int
) -> None:
    if setting.keys < cell.least_keys:
        setting = SETTING
    trial = judge(cell, measure(cell, setting, network, seed))
    assert not trial.wrong, trial


@pytest.mark.parametrize("keys", [1, 2, 3])
@pytest.mark.parametrize("name", ["fixed-clock", "fixed-first", "log", "bucket"])
def test_few_keys_tell_a_promised_algorithm_too(name: str, keys: int) -> None:
    cell = BY_NAME[f"{name} as promised"]
    measurement = measure(cell, Setting(60, 60.0, keys), "lan", 2)
    assert measurement[Aspect.ALGORITHM].outcome is Outcome.PASSED


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_two_keys_that_share_an_allowance_are_never_said_not_to(network: str) -> None:
    for name in ("keys share an allowance", "organisations share an allowance"):
        found = measure(BY_NAME[name], Setting(60, 60.0, 2), network, 5)
        assert found[Aspect.ISOLATION].outcome is not Outcome.PASSED


def outcome(network: Network, deployment: Deployment, aspect: Aspect) -> Outcome:
    promise, schedule = schedule_of(BY_NAME["fixed-first"], SETTING)
    trace = run(schedule, promise, deployment, network, 1)
    return analyse(trace, promise)[aspect].outcome


def test_a_silent_target_decides_nothing() -> None:
    deployment = Deployment(make=lambda n, w, rng: FixedFirst(n, w), n=60, w=60.0)
    promise, schedule = schedule_of(BY_NAME["fixed-first"], SETTING)
    trace = run(schedule, promise, deployment, Network(loss=1.0), 1)
    measurement = analyse(trace, promise)
    assert measurement.unknown == measurement.requests > 0
    decided = {
        one.aspect
        for one in measurement.findings
        if one.outcome in (Outcome.PASSED, Outcome.FAILED)
    }
    assert decided == set()


def test_no_observation_decides_nothing() -> None:
    promise, _ = schedule_of(BY_NAME["fixed-first"], SETTING)
    measurement = analyse(Trace(), promise)
    assert {one.outcome for one in measurement.findings} <= {
        Outcome.INCONCLUSIVE,
        Outcome.NOT_APPLICABLE,
    }


def test_errors_withhold_what_rests_on_completeness() -> None:
    deployment = Deployment(
        make=lambda n, w, rng: FixedFirst(n, w), n=60, w=60.0, errors=0.05
    )
    assert outcome(LAN, deployment, Aspect.UNDER_ADMISSION) is Outcome.INCONCLUSIVE


def test_a_form_that_is_never_let_in_evades_nothing() -> None:
    promise, schedule = schedule_of(BY_NAME["fixed-first"], SETTING)
    sound = Deployment(make=lambda n, w, rng: FixedFirst(n, w), n=60, w=60.0)
    trace = run(schedule, promise, sound, LAN, 4)
    for row, variant in enumerate(trace.variant):
        if trace.labels[variant] == "forwarded":
            trace.status[row] = 405
    found = analyse(trace, promise)[Aspect.EVASION]
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert "forwarded" in found.sentence


def test_errors_do_not_hide_a_proof() -> None:
    deployment = Deployment(
        make=lambda n, w, rng: Unlimited(n, w), n=60, w=60.0, errors=0.05
    )
    assert outcome(LAN, deployment, Aspect.OVER_ADMISSION) is Outcome.FAILED


def test_foreign_traffic_is_not_called_under_admission() -> None:
    deployment = Deployment(
        make=lambda n, w, rng: FixedFirst(n, w), n=60, w=60.0, foreign=0.5
    )
    assert outcome(LAN, deployment, Aspect.UNDER_ADMISSION) is Outcome.INCONCLUSIVE


def test_a_measurement_is_plain_json_and_its_charts_are_thin() -> None:
    measurement = measure(BY_NAME["bucket"], Setting(600, 60.0, 4), "lan", 1)
    data = json.loads(json.dumps(measurement.to_json()))
    assert {one["aspect"] for one in data["findings"]} == {one.value for one in Aspect}
    for chart in data["charts"]:
        assert {"title", "x_label", "y_label", "series"} <= set(chart)
        for series in chart["series"]:
            assert 0 < len(series["points"]) <= 240


@pytest.mark.parametrize(
    ("name", "setting", "network", "seed"),
    [
        # Found by the study; each was once judged wrongly.
        ("Reset 5 s late", Setting(60, 60.0, 1), "lan", 23000715),
        (
            "2 workers count apart, fixed-clock",
            Setting(100, 60.0, 4),
            "lan",
            23001586,
        ),
        ("window too long", SETTING, "lan", 11001264),
        ("window too long", Setting(20, 10.0, 4), "wan", 5000293),
        ("fixed-clock", Setting(20, 10.0, 4), "wan", 7000971),
        ("Reset 5 s late", SETTING, "noisy", 7000167),
        ("Reset 5 s late", Setting(100, 60.0, 4), "noisy", 5000479),
        ("counted twice", SETTING, "noisy", 0),
        ("bucket, no headers", Setting(600, 60.0, 4), "noisy", 11001194),
        ("fixed-clock as promised", Setting(60, 10.0, 4), "lan", 7002061),
        ("fixed-clock, floor of reset", Setting(600, 60.0, 4), "wan", 8002424),
        ("per organisation, fixed-clock", Setting(60, 10.0, 4), "lan", 550434753),
        ("per organisation, fixed-clock", Setting(20, 10.0, 4), "noisy", 855636524),
        (
            "Retry-After rounded to the nearest",
            Setting(100, 60.0, 4),
            "noisy",
            7000479,
        ),
        ("one too few", Setting(60, 60.0, 1), "noisy", 7002519),
    ],
)
def test_what_was_once_judged_wrongly(
    name: str, setting: Setting, network: str, seed: int
) -> None:
    trial = judge(BY_NAME[name], measure(BY_NAME[name], setting, network, seed))
    assert not trial.wrong, trial
