"""A sound deployment that meets with a mishap is not accused of anything."""

from __future__ import annotations

import re

import pytest

from tests.ratelimit.cells import CELLS, Setting, schedule_of
from tests.ratelimit.simulated import LAN, WAN, Deployment, run
from tollproof.model import Outcome
from tollproof.ratelimit.admitting import paced, under_admission
from tollproof.ratelimit.finding import Aspect
from tollproof.ratelimit.guards import refuses_all
from tollproof.ratelimit.infer import infer
from tollproof.ratelimit.measure import Measurement, analyse, withhold
from tollproof.ratelimit.observation import Trace
from tollproof.ratelimit.promise import RateLimitPromise
from tollproof.ratelimit.view import view

SETTING = Setting(60, 60.0, 4)
BY_NAME = {cell.name: cell for cell in CELLS}
SOUND = ("fixed-clock", "fixed-first", "log", "counter", "bucket")


def after(mishap: str, name: str, since: float) -> Measurement:
    return analyse(*observed(mishap, name, since))


def observed(mishap: str, name: str, since: float) -> tuple[Trace, RateLimitPromise]:
    cell = BY_NAME[name]
    promise, schedule = schedule_of(cell, SETTING)
    deployment = Deployment(
        make=cell.make, n=SETTING.limit, w=SETTING.window, mishap=mishap, since=since
    )
    return run(schedule, promise, deployment, LAN, 1), promise


def failed(measurement: Measurement) -> set[Aspect]:
    return {one.aspect for one in measurement.findings if one.outcome is Outcome.FAILED}


@pytest.mark.parametrize("since", [3.0, 40.0])
@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize(
    ("mishap", "guard"),
    [
        ("dies", "unknown outcomes"),
        ("unavailable", "unknown outcomes"),
        ("forbids", "unsuccessful"),
        ("jumps", "target clock step"),
    ],
)
def test_a_mishap_is_named_and_nothing_else(
    mishap: str, guard: str, name: str, since: float
) -> None:
    measurement = after(mishap, name, since)
    assert [one.name for one in measurement.guards] == [guard]
    assert failed(measurement) == set()
    over = measurement[Aspect.OVER_ADMISSION]
    assert over.outcome is Outcome.INCONCLUSIVE
    assert over.sentence.startswith(measurement.guards[0].why)
    assert "What was still seen:" in over.sentence


@pytest.mark.parametrize("since", [0.5, 3.0, 20.0, 40.0, 61.0])
@pytest.mark.parametrize("name", SOUND)
def test_counters_lost_with_their_process_are_no_fault(name: str, since: float) -> None:
    measurement = after("restarts", name, since)
    assert failed(measurement) == set()
    assert [one.name for one in measurement.guards] in ([], ["started anew"])


def test_what_a_restart_feigns_is_named_and_withheld() -> None:
    measurement = after("restarts", "fixed-clock", 20.0)
    over = measurement[Aspect.OVER_ADMISSION]
    assert over.outcome is Outcome.INCONCLUSIVE
    assert over.sentence.startswith("the target ended the connections in use 20.")
    assert "What was still seen: " in over.sentence
    # Without the break it is what a limiter that admits too many does.
    trace, promise = observed("restarts", "fixed-clock", 20.0)
    trace.breaks = []
    assert Aspect.OVER_ADMISSION in failed(analyse(trace, promise))


def test_a_restart_hides_no_fault_that_either_part_shows() -> None:
    measurement = after("restarts", "no limit", 20.0)
    assert Aspect.OVER_ADMISSION in failed(measurement)
    assert measurement.guards == ()


def test_who_breaks_connections_again_and_again_has_no_excuse() -> None:
    trace, promise = observed("restarts", "fixed-clock", 20.0)
    begin = min(trace.sent)
    trace.breaks = [begin + at * 10_000_000_000 for at in range(1, 6)]
    assert Aspect.OVER_ADMISSION in failed(analyse(trace, promise))


@pytest.mark.parametrize("name", SOUND)
def test_answers_that_come_late_widen_what_is_possible(name: str) -> None:
    assert failed(after("slow", name, 20.0)) == set()


def test_the_step_of_a_clock_is_measured() -> None:
    (guard,) = after("jumps", "fixed-first", 40.0).guards
    told = re.search(r"ahead by ([\d.]+) s or more, ([\d.]+) s into", guard.why)
    assert told, guard.why
    # 17 s, less the second that Date leaves open; seen by the next answer after 40 s.
    assert 15.9 < float(told[1]) <= 17.05
    assert 40.0 <= float(told[2]) < 42.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("since", [0.024, 0.65, 30.01])
def test_a_step_amid_a_burst_is_seen_though_answers_overtake_each_other(
    since: float, seed: int
) -> None:
    cell = BY_NAME["fixed-first"]
    promise, schedule = schedule_of(cell, SETTING)
    deployment = Deployment(make=cell.make, n=60, w=60.0, mishap="jumps", since=since)
    measurement = analyse(run(schedule, promise, deployment, WAN, seed), promise)
    assert "target clock step" in [one.name for one in measurement.guards]
    assert failed(measurement) == set()


@pytest.mark.parametrize(
    "name", ["fixed-first, cached Date", "fixed-clock, clock 7.3 s ahead"]
)
@pytest.mark.parametrize("seed", range(8))
def test_no_step_is_seen_where_there_is_none(name: str, seed: int) -> None:
    cell = BY_NAME[name]
    promise, schedule = schedule_of(cell, SETTING)
    deployment = cell.change(
        Deployment(make=cell.make, n=SETTING.limit, w=SETTING.window)
    )
    trace = run(schedule, promise, deployment, LAN, seed)
    assert analyse(trace, promise).guards == ()


def test_who_refuses_everybody_is_not_judged_by_its_limit() -> None:
    measurement = after("refuses", "fixed-first", 40.0)
    assert failed(measurement)
    judged = withhold(measurement, refuses_all("everybody is refused"))
    assert failed(judged) == set()
    assert judged[Aspect.RECOVERY].outcome is Outcome.INCONCLUSIVE
    assert judged[Aspect.RECOVERY].sentence.startswith("everybody is refused. What")
    assert withhold(measurement, None) is measurement


def test_a_proof_of_too_many_stays() -> None:
    cell = BY_NAME["no limit"]
    promise, schedule = schedule_of(cell, SETTING)
    deployment = Deployment(
        make=cell.make, n=60, w=60.0, mishap="unavailable", since=30.0
    )
    measured = analyse(run(schedule, promise, deployment, LAN, 1), promise)
    assert Aspect.OVER_ADMISSION in failed(
        withhold(measured, refuses_all("everybody is refused"))
    )


def test_what_was_given_up_may_still_be_decided() -> None:
    """A target that lags works off what waits, whoever still listens."""
    promise, _ = schedule_of(BY_NAME["fixed-first"], Setting(5, 6.0, 1))
    trace = Trace(host="x")
    trace.anchors.append((0, 1_790_000_000.0))
    second = 1_000_000_000

    def asked(at: int, received: int, status: int) -> None:
        trace.append(
            key=trace.label("k"),
            phase=trace.label("cap"),
            operation=trace.label("GET /"),
            variant=trace.label("plain"),
            worker=trace.label("w"),
            shot=0,
            sent=at * second,
            received=received * second,
            status=status,
            headers=trace.header_set((None,) * 8),
            connection=1,
        )

    for _ in range(5):
        asked(1, 3, 0)  # given up after two seconds
    asked(20, 21, 429)
    seen = view(trace, promise)
    found = under_admission(seen, promise, infer(tuple(seen), promise.tightest))
    assert found.outcome is Outcome.INCONCLUSIVE  # they may have counted, or not


def test_who_is_bunched_is_not_evenly_spaced() -> None:
    """A target that stood still decides much at once, and then refuses rightly."""
    promise, _ = schedule_of(BY_NAME["fixed-first"], Setting(5, 6.0, 1))
    trace = Trace(host="x")
    trace.anchors.append((0, 1_790_000_000.0))
    for number in range(6):
        trace.append(
            key=trace.label("k"),
            phase=trace.label("paced"),
            operation=trace.label("GET /"),
            variant=trace.label("plain"),
            worker=trace.label("w"),
            shot=0,
            sent=(1 + 2 * number) * 1_000_000_000,
            received=12_000_000_000,
            status=429 if number == 5 else 200,
            headers=trace.header_set((None,) * 8),
            connection=1,
        )
    assert paced(view(trace, promise), promise).outcome is Outcome.INCONCLUSIVE
