"""The decision is that of the exit codes, and every planned case is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from tests.reporting.sample import sample_run
from tests.reporting.strategies import runs
from tests.reporting.test_hostile import any_run
from tollproof.model import Outcome, Planned, Reason, Result, Run, Verdict
from tollproof.reporting.summary import (
    Decision,
    State,
    count,
    grouped,
    specs_by_id,
    summarise,
)


def _run(*outcomes: Outcome, waived: bool = False, **changes: object) -> Run:
    """The sample's declarations with one result for each outcome."""
    sample = sample_run()
    waiver = sample.waivers[0] if waived else None
    results = tuple(
        Result(
            check="tokens.unsigned",
            subject=str(number),
            at="",
            seconds=0.0,
            verdict=Verdict(
                outcome=outcome,
                summary="so",
                reason=Reason.NOISE if outcome is Outcome.INCONCLUSIVE else None,
            ),
            waiver=waiver if outcome is Outcome.FAILED else None,
        )
        for number, outcome in enumerate(outcomes)
    )
    planned = tuple(Planned(check=it.check, subject=it.subject) for it in results)
    run = replace(sample, results=results, planned=planned)
    return replace(run, **changes)  # type: ignore[arg-type]


P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_APPLICABLE
U = Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("run", "decision"),
    [
        (_run(P, P), Decision.RELEASE),
        (_run(P, N), Decision.RELEASE),
        (_run(P, F), Decision.REFUSE),
        (_run(F, U), Decision.REFUSE),
        (_run(P, U), Decision.UNDECIDED),
        (_run(N), Decision.UNDECIDED),
        (_run(), Decision.UNDECIDED),
        (_run(P, F, waived=True), Decision.RELEASE),
        (_run(F, waived=True), Decision.RELEASE),
        (_run(P, problems=("a stale waiver",)), Decision.REFUSE),
        (_run(P, planned=(Planned(check="a.b", subject="c"),)), Decision.UNDECIDED),
        (
            _run(P, about=replace(sample_run().about, interrupted=True)),
            Decision.UNDECIDED,
        ),
    ],
)
def test_decision(run: Run, decision: Decision) -> None:
    summary = summarise(run)

    assert summary.decision is decision
    assert summary.headline.startswith(decision.label)


@any_run
@given(run=runs())
def test_only_a_kept_promise_and_nothing_else_is_a_release(run: Run) -> None:
    summary = summarise(run)

    if summary.decision is Decision.RELEASE:
        assert not run.problems
        assert not summary.of(State.FAILED, State.INCONCLUSIVE)
        assert summary.of(State.PASSED, State.WAIVED)


@any_run
@given(run=runs())
def test_every_result_and_every_planned_case_is_counted(run: Run) -> None:
    summary = summarise(run)
    find = specs_by_id(run)
    keys = {case.key for case in summary.cases}

    assert sum(summary.tally.values()) == len(summary.cases)
    assert len(summary.cases) >= len(run.results)
    assert all((find(item.check).id, item.subject) in keys for item in run.planned)


def test_planned_without_result_is_inconclusive_not_run() -> None:
    run = sample_run()
    cut = replace(run, results=run.results[:3])

    (first, *_) = summarise(cut).of(State.INCONCLUSIVE)
    assert first.verdict.reason is Reason.NOT_RUN
    assert len(summarise(cut).cases) == len(run.planned)


def test_result_under_an_alias_is_the_renamed_checks() -> None:
    run = sample_run()
    old = replace(run.results[2], check="auth.revoked")

    (case,) = summarise(replace(run, results=(old,), planned=())).cases
    assert case.spec.id == "authentication.revoked-key"


def test_groups_come_worst_first() -> None:
    failed = grouped(summarise(sample_run()).of(State.FAILED))

    assert [group.spec.id for group in failed] == [
        "authentication.missing",
        "authentication.revoked-key",
        "ratelimit.admitted",
        "envelope.disclosure",
        "headers.cache-control",
    ]


def test_numbers_agree_with_their_nouns() -> None:
    assert count(1, "result") == "1 result"
    assert count(1234, "result") == "1,234 results"
    assert count(2, "promise is", "promises are") == "2 promises are"
