"""One defect, one failure: the aspect that names the cause answers for the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ratelimit.cells import CELLS, Setting, schedule_of
from tests.ratelimit.simulated import LAN, Deployment, run
from tollproof.model import Outcome
from tollproof.quota import judge
from tollproof.ratelimit.attribution import attribute, owner_of
from tollproof.ratelimit.finding import Aspect
from tollproof.ratelimit.finding import failed as finding
from tollproof.ratelimit.measure import Measurement, analyse
from tollproof.ratelimit.promise import OTHER_ADDRESS, OTHER_OPERATION

SETTING = Setting(60, 60.0, 4)
BY_NAME = {cell.name: cell for cell in CELLS}


def both(name: str) -> tuple[Measurement, Measurement]:
    """Return a measurement before and after its failures were attributed."""
    cell = BY_NAME[name]
    promise, schedule = schedule_of(cell, SETTING)
    deployment = cell.change(
        Deployment(make=cell.make, n=SETTING.limit, w=SETTING.window)
    )
    trace = run(schedule, promise, deployment, LAN, 4)
    return analyse(trace, promise), judge(trace, promise)


def failed(measurement: Measurement) -> set[Aspect]:
    return {one.aspect for one in measurement.findings if one.outcome is Outcome.FAILED}


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("2 workers count apart, fixed-clock", Aspect.WORKERS),
        ("3 workers count apart, fixed-first", Aspect.WORKERS),
        ("no limit", Aspect.OVER_ADMISSION),
        ("fails open", Aspect.STAYS_CLOSED),
        ("window too short", Aspect.WINDOW),
        ("refusals count though promised not to", Aspect.COUNTING),
        ("keys share an allowance", Aspect.ISOLATION),
        ("2N at the edge though excluded", Aspect.EDGE),
        ("forwarding header counts apart", Aspect.EVASION),
    ],
)
def test_the_cause_alone_fails(name: str, cause: Aspect) -> None:
    before, after = both(name)
    assert failed(after) == {cause}
    # Nothing that failed has come to pass: it waits for the cause to be mended.
    for aspect in failed(before) - {cause}:
        assert after[aspect].outcome is Outcome.INCONCLUSIVE
        assert owner_of(after[aspect]) == cause


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_failure_never_vanishes(cell: object) -> None:
    before, after = both(getattr(cell, "name", ""))
    assert bool(failed(before)) == bool(failed(after))
    assert failed(after) <= failed(before)


@pytest.mark.parametrize("form", [OTHER_OPERATION, OTHER_ADDRESS])
def test_errors_of_another_operation_say_nothing_where_it_counts_apart(
    form: str,
) -> None:
    promise, schedule = schedule_of(BY_NAME["fixed-first"], SETTING)
    deployment = Deployment(
        make=BY_NAME["fixed-first"].make, n=SETTING.limit, w=SETTING.window
    )
    trace = run(schedule, promise, deployment, LAN, 4)
    sound = analyse(trace, promise)
    scope = finding(Aspect.SCOPE, "apart", expected="", actual="", apart=[form])
    errors = finding(Aspect.ERRORS, "not counted", expected="", actual="")
    broken = {Aspect.SCOPE: scope, Aspect.ERRORS: errors}
    findings = tuple(broken.get(one.aspect, one) for one in sound.findings)
    after = attribute(trace, promise, replace(sound, findings=findings))
    other = {Aspect.ERRORS} if form == OTHER_ADDRESS else set()
    assert failed(after) == {Aspect.SCOPE} | other
