"""A limit that holds on is told from one that gives way, and from other defects."""

from __future__ import annotations

import pytest

from tests.ratelimit.cells import CELLS, Setting, schedule_of
from tests.ratelimit.simulated import (
    LAN,
    NOISY,
    WAN,
    Deployment,
    FailsOpen,
    FixedFirst,
    Network,
    run,
)
from tollproof.model import Outcome
from tollproof.ratelimit.finding import Aspect, Finding
from tollproof.ratelimit.measure import analyse

SETTING = Setting(60, 60.0, 4)
BY_NAME = {cell.name: cell for cell in CELLS}


def found(name: str, setting: Setting = SETTING, seed: int = 2) -> Finding:
    cell = BY_NAME[name]
    promise, schedule = schedule_of(cell, setting)
    deployment = cell.change(
        Deployment(make=cell.make, n=setting.limit, w=setting.window)
    )
    measured = analyse(run(schedule, promise, deployment, LAN, seed), promise)
    return measured[Aspect.STAYS_CLOSED]


def giving_way(
    after: int, setting: Setting = SETTING, network: Network = LAN, seed: int = 2
) -> Finding:
    promise, schedule = schedule_of(BY_NAME["fixed-first"], setting)
    deployment = Deployment(
        make=lambda n, w, rng: FailsOpen(FixedFirst(n, w), after),
        n=setting.limit,
        w=setting.window,
    )
    measured = analyse(run(schedule, promise, deployment, network, seed), promise)
    assert measured[Aspect.OVER_ADMISSION].outcome is Outcome.FAILED
    return measured[Aspect.STAYS_CLOSED]


@pytest.mark.parametrize("after", [35, 40, 70])
def test_a_limiter_that_gives_way_is_found_whenever_it_does(after: int) -> None:
    finding = giving_way(after)
    assert finding.outcome is Outcome.FAILED
    assert finding.figures["after"] == pytest.approx(after, abs=after / 2)


def test_an_answer_that_lingers_does_not_break_a_row_of_refusals() -> None:
    setting = Setting(60, 60.0, 2)
    assert giving_way(40, setting, NOISY, seed=11000788).outcome is Outcome.FAILED


def test_a_refusal_that_was_overtaken_does_not_shut_a_key_again() -> None:
    setting = Setting(600, 60.0, 4)
    assert giving_way(40, setting, WAN, seed=8001494).outcome is Outcome.FAILED


def test_who_opens_amid_a_burst_is_not_said_to_have_held() -> None:
    finding = giving_way(15)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "no key was refused for long" in finding.sentence


@pytest.mark.parametrize("name", ["fixed-clock", "fixed-first", "log", "bucket"])
def test_a_limit_that_holds_says_how_much_excess_it_bore(name: str) -> None:
    finding = found(name)
    assert finding.outcome is Outcome.PASSED
    assert finding.figures["refused"] >= 20
    assert 0 < finding.figures["in_a_row"] <= finding.figures["refused"]


@pytest.mark.parametrize(
    "name", ["three too many, log", "race", "2 workers count apart, fixed-first"]
)
def test_other_ways_to_admit_too_many_do_not_give_way(name: str) -> None:
    assert found(name).outcome is not Outcome.FAILED


def test_without_a_refusal_nothing_held() -> None:
    finding = found("no limit")
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.figures["refused"] == 0
