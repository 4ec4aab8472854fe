"""What was fixed is what was seen to be kept, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from tests.reporting.sample import former_run, sample_run
from tests.reporting.strategies import runs
from tests.reporting.test_hostile import any_run
from tollproof.model import Outcome, Reason, Run, Verdict
from tollproof.reporting.compare import compare
from tollproof.reporting.summary import State


def test_new_fixed_and_still_failing() -> None:
    found = compare(sample_run(), former_run())

    assert [case.key for case in found.new] == [
        ("authentication.missing", "GET /api/v1/projects")
    ]
    assert [case.key for case in found.fixed] == [("rotation.overlap", "alpha")]
    assert len(found.still) == 5
    assert found.same_target


def test_failure_that_is_inconclusive_now_is_not_fixed() -> None:
    run = sample_run()
    unsure = Verdict(
        outcome=Outcome.INCONCLUSIVE, reason=Reason.THROTTLED, summary="slow down"
    )
    results = tuple(replace(item, verdict=unsure) for item in run.results)
    found = compare(replace(run, results=results), run)

    assert not found.fixed
    assert len(found.unclear) == 6
    assert len(found.lost) == 17


def test_failure_that_is_not_planned_any_more_is_told() -> None:
    run = sample_run()
    found = compare(replace(run, results=(), planned=()), run)

    assert len(found.gone) == 6
    assert not found.fixed


def test_renamed_check_is_the_same_check() -> None:
    run = sample_run()
    specs = tuple(
        replace(spec, id="auth.revoked", aliases=())
        if spec.id == "authentication.revoked-key"
        else spec
        for spec in run.checks
    )
    old = {"authentication.revoked-key": "auth.revoked"}
    former = replace(
        run,
        checks=specs,
        results=tuple(replace(r, check=old.get(r.check, r.check)) for r in run.results),
        planned=tuple(replace(p, check=old.get(p.check, p.check)) for p in run.planned),
    )

    found = compare(run, former)
    assert found.unchanged
    assert len(found.still) == 6


@any_run
@given(run=runs())
def test_run_compared_with_itself_has_nothing_new(run: Run) -> None:
    found = compare(run, run)

    assert not found.gone
    assert all(case.state in (State.FAILED, State.WAIVED) for case in found.still)
    assert found.same_target
