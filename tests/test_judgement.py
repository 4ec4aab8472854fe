"""Waivers, and the exit code: nothing determined is never a success."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.judgement import Exit, as_judged, counts, exit_code, with_waivers
from tollproof.model import (
    About,
    CheckSpec,
    LeftOut,
    Outcome,
    Planned,
    Result,
    Run,
    Severity,
    Verdict,
    Waiver,
)

TODAY = date(2026, 6, 15)
CHECKS = tuple(
    CheckSpec(id=f"a.{severity}", title="It holds", severity=severity)
    for severity in Severity
)
P, F, I, N = (  # noqa: E741 - as in the tables of the tests
    Outcome.PASSED,
    Outcome.FAILED,
    Outcome.INCONCLUSIVE,
    Outcome.NOT_APPLICABLE,
)


def result(outcome: Outcome, check: str = "a.high", subject: str = "x") -> Result:
    return Result(
        check=check,
        subject=subject,
        verdict=Verdict(outcome=outcome, summary="."),
        at="",
        seconds=0.0,
    )


def run(*results: Result, interrupted: bool = False, **more: Any) -> Run:
    about = About(
        tool="tollproof",
        run_id="1",
        command="gate",
        deployment="d",
        base_url="http://x",
        environment="staging",
        profile="p.toml",
        started="",
        interrupted=interrupted,
    )
    planned = tuple(Planned(check=i.check, subject=i.subject) for i in results)
    given: dict[str, Any] = {"checks": CHECKS, "planned": planned, **more}
    return Run(about=about, results=results, **given)


def waiver(check: str = "a.high", subject: str = "*", days: int = 1) -> Waiver:
    return Waiver(
        check=check,
        subject=subject,
        reason="known",
        owner="ops",
        expires=TODAY + timedelta(days=days),
    )


# -- exit codes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), Exit.UNDETERMINED),
        ((N,), Exit.UNDETERMINED),
        ((N, N), Exit.UNDETERMINED),
        ((I,), Exit.UNDETERMINED),
        ((P,), Exit.PASSED),
        ((P, N), Exit.PASSED),
        ((P, I), Exit.UNDETERMINED),
        ((P, I, N), Exit.UNDETERMINED),
        ((F,), Exit.FAILED),
        ((F, P), Exit.FAILED),
        ((F, I), Exit.FAILED),
        ((F, P, I, N), Exit.FAILED),
    ],
)
def test_what_outcomes_amount_to(outcomes: tuple[Outcome, ...], code: Exit) -> None:
    found = [result(item, subject=str(n)) for n, item in enumerate(outcomes)]

    assert exit_code(run(*found)) is code
    assert exit_code(run(*reversed(found))) is code


@given(st.lists(st.sampled_from([I, N])), st.sampled_from(list(Severity)))
def test_nothing_determined_is_never_a_success(
    outcomes: list[Outcome], fail_on: Severity
) -> None:
    found = [result(item, subject=str(n)) for n, item in enumerate(outcomes)]

    assert exit_code(run(*found), fail_on) is Exit.UNDETERMINED


@pytest.mark.parametrize("outcome", [F, I])
@pytest.mark.parametrize("own", list(Severity))
@pytest.mark.parametrize("fail_on", list(Severity))
def test_what_is_below_the_severity_asked_for_is_only_shown(
    outcome: Outcome, own: Severity, fail_on: Severity
) -> None:
    found = run(result(P, "a.critical"), result(outcome, f"a.{own}"))
    counted = list(Severity).index(own) <= list(Severity).index(fail_on)
    code = {F: Exit.FAILED, I: Exit.UNDETERMINED}[outcome]

    assert exit_code(found, fail_on) is (code if counted else Exit.PASSED)


def test_a_result_of_an_unknown_check_counts_as_critical() -> None:
    assert exit_code(run(result(F, "b.x")), Severity.CRITICAL) is Exit.FAILED


def test_an_interruption_is_told_apart_unless_something_failed() -> None:
    assert exit_code(run(result(P), interrupted=True)) is Exit.INTERRUPTED
    assert exit_code(run(result(I), interrupted=True)) is Exit.INTERRUPTED
    assert exit_code(run(interrupted=True)) is Exit.INTERRUPTED
    assert exit_code(run(result(F), interrupted=True)) is Exit.FAILED


def test_a_problem_of_the_run_fails_it_whatever_the_severity() -> None:
    found = run(result(P), problems=("a stale waiver",))

    assert exit_code(found, Severity.CRITICAL) is Exit.FAILED


def test_a_waived_failure_counts_as_failed_and_does_not_fail_the_run() -> None:
    found = with_waivers(run(result(F), result(P, "a.low")), (waiver(),), TODAY)

    assert counts(found.results) == {F: 1, P: 1}
    assert exit_code(found) is Exit.PASSED


def test_a_run_in_which_all_is_waived_has_determined_something() -> None:
    found = with_waivers(run(result(F)), (waiver(),), TODAY)

    assert exit_code(found) is Exit.PASSED


# -- waivers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "subject", "covers"),
    [
        ("*", "GET /a", True),
        ("GET /a", "GET /a", True),
        ("GET /a", "GET /ab", False),
        ("GET /a/*", "GET /a/b", True),
        ("GET /a/*", "PUT /a/b", False),
        ("GET /a/{id}", "GET /a/{id}", True),
        ("GET /a[0]", "GET /a[0]", True),
        ("GET /a[0]*", "GET /a0", False),
        ("get /a", "GET /a", False),
    ],
)
def test_which_subjects_a_waiver_covers(
    pattern: str, subject: str, covers: bool
) -> None:
    given = waiver(subject=pattern)
    found = with_waivers(run(result(F, subject=subject)), (given,), TODAY)

    assert found.results[0].waiver == (given if covers else None)
    assert exit_code(found) is (Exit.PASSED if covers else Exit.FAILED)


def test_a_waiver_covers_its_own_check_only() -> None:
    found = with_waivers(run(result(F, "a.low")), (waiver("a.high"),), TODAY)

    assert found.results[0].waiver is None


@pytest.mark.parametrize("outcome", [P, I, N])
def test_only_failures_are_waived(outcome: Outcome) -> None:
    found = with_waivers(run(result(outcome)), (waiver(),), TODAY)

    assert found.results == (result(outcome),)
    assert found.waivers == (waiver(),)


@pytest.mark.parametrize(("days", "holds"), [(1, True), (0, True), (-1, False)])
def test_a_waiver_holds_on_its_last_day_and_not_after(days: int, holds: bool) -> None:
    given = waiver(days=days)
    found = with_waivers(run(result(F)), (given,), TODAY)

    assert (found.results[0].waiver is not None) is holds
    assert bool(found.problems) is not holds
    assert exit_code(found) is (Exit.PASSED if holds else Exit.FAILED)
    if not holds:
        assert "expired on 2026-06-14 (owner: ops)" in found.problems[0]


def test_an_expired_waiver_does_not_hide_a_valid_one_beside_it() -> None:
    valid = waiver(subject="x")
    found = with_waivers(run(result(F)), (waiver(days=-1), valid), TODAY)

    assert found.results[0].waiver == valid
    assert exit_code(found) is Exit.FAILED  # the expired one must still go


def test_an_expired_waiver_fails_the_run_though_its_failure_is_gone() -> None:
    found = with_waivers(run(result(P)), (waiver(days=-1),), TODAY)

    assert len(found.problems) == 1
    assert exit_code(found) is Exit.FAILED


@pytest.mark.parametrize("outcome", [P, N])
def test_a_waiver_that_covers_no_failure_fails_the_run(outcome: Outcome) -> None:
    found = with_waivers(run(result(outcome), result(P, "a.low")), (waiver(),), TODAY)

    assert "covers no failure (owner: ops)" in found.problems[0]
    assert exit_code(found) is Exit.FAILED


def test_a_waiver_for_a_check_that_does_not_exist_fails_the_run() -> None:
    found = with_waivers(run(result(P)), (waiver("a.typo"),), TODAY)

    assert "a.typo" in found.problems[0]


def test_a_waiver_for_what_could_not_be_determined_is_no_problem() -> None:
    found = with_waivers(run(result(I), interrupted=True), (waiver(),), TODAY)

    assert found.problems == ()
    assert exit_code(found) is Exit.INTERRUPTED


@pytest.mark.parametrize("check", ["a.high", "*"])
def test_a_waiver_for_a_check_that_was_left_out_is_no_problem(check: str) -> None:
    left_out = (LeftOut(check=check, subject="-", reason="another suite"),)
    found = with_waivers(run(result(P, "a.low"), left_out=left_out), (waiver(),), TODAY)

    assert found.problems == ()
    assert exit_code(found) is Exit.PASSED


@pytest.mark.parametrize("outcome", [F, P])
def test_a_waiver_may_use_a_former_id(outcome: Outcome) -> None:
    renamed = (replace(CHECKS[1], aliases=("a.former",)),)
    given = run(result(outcome), checks=renamed)
    found = with_waivers(given, (waiver("a.former"),), TODAY)

    assert (found.results[0].waiver is not None) is (outcome is F)
    assert bool(found.problems) is (outcome is P)


def test_a_killed_run_has_its_waivers_applied_when_it_is_read() -> None:
    killed = run(result(F), interrupted=True, waivers=(waiver(),))
    ended = replace(killed, about=replace(killed.about, ended="2026-06-15T00:00:00Z"))

    assert as_judged(killed, TODAY).results[0].waiver == waiver()
    assert as_judged(ended, TODAY) == ended
