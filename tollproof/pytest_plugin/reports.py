"""From verdicts to pytest's reports and exit status, and back where pytest knows more.

Knows pytest's words for outcomes. Must not know how a verdict was reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import pytest

from tollproof.evaluate import verdict_of
from tollproof.judgement import Exit
from tollproof.model import Outcome, Reason, Result, Verdict, from_json, now, to_json
from tollproof.pytest_plugin.shared import CASE, worker_id
from tollproof.reporting.text import one_line, visible

WORDS = {
    Outcome.PASSED: ("passed", ".", "PASSED"),
    Outcome.FAILED: ("failed", "F", "FAILED"),
    Outcome.INCONCLUSIVE: ("inconclusive", "?", "INCONCLUSIVE"),
    Outcome.NOT_APPLICABLE: ("not applicable", "-", "NOT APPLICABLE"),
}
PYTEST_OUTCOME: Mapping[Outcome, Literal["passed", "failed", "skipped"]] = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.INCONCLUSIVE: "failed",
    Outcome.NOT_APPLICABLE: "skipped",
}


_XFAILED = "It fails, as its mark says."


def without_verdict(
    item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None]
) -> Result:
    """Return the result of an item that gave no verdict of its own, or not the last.

    unittest's methods and coroutines are run by others, and what a fixture takes down
    comes after the verdict: if it cannot, something of the run was left behind.
    """
    spec, case = item.stash[CASE]
    error = call.excinfo.value if call.excinfo else None
    expected = getattr(report, "wasxfail", None)
    if report.skipped and expected is not None:
        why = f"It fails, as its mark says: {expected}" if expected else _XFAILED
        verdict = Verdict(outcome=Outcome.NOT_APPLICABLE, summary=why)
    elif report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
        verdict = Verdict(outcome=Outcome.NOT_APPLICABLE, summary=str(why))
    elif report.failed and report.when == "call" and error is None:
        verdict = Verdict(
            outcome=Outcome.FAILED,
            summary="A test that its strict mark says fails does not.",
            expected="that it fails, or no mark that says so",
            actual="it passes",
        )
    elif report.when == "call":
        verdict = verdict_of(partial(_conclude, error))
    else:
        word = "set up" if report.when == "setup" else "taken down"
        verdict = Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=Reason.HARNESS,
            summary=f"The check could not be {word}: {report.longreprtext[-500:]}",
        )
    return Result(
        check=spec.id,
        subject=case.subject,
        verdict=verdict,
        at=now(),
        seconds=report.duration,
    )


def _conclude(error: BaseException | None) -> Verdict:
    if isinstance(error, pytest.fail.Exception):
        raise AssertionError(str(error)) from error
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise RuntimeError(f"ended by {type(error).__name__}: {error}")
    return Verdict(outcome=Outcome.PASSED, summary="Every assertion holds.")


def attach(
    report: pytest.TestReport,
    result: Result,
    config: pytest.Config,
    *,
    kept: bool = False,
) -> None:
    """Send a result along with its report; as JSON where that leaves the process.

    Args:
        kept: it is written down already.
    """
    value = to_json(result) if worker_id(config) else result
    report.tollproof = value  # type: ignore[attr-defined]
    report.tollproof_kept = kept  # type: ignore[attr-defined]


def is_kept(report: pytest.TestReport) -> bool:
    """Whether the result that came along is written down already."""
    return bool(getattr(report, "tollproof_kept", False))


def attached(report: pytest.CollectReport | pytest.TestReport) -> Result | None:
    """Return the result that came along with a report, if one did."""
    data = getattr(report, "tollproof", None)
    if data is None or isinstance(data, Result):
        return data
    return from_json(Result, data)


def representation(result: Result, location: tuple[str, int | None, str]) -> Any:
    verdict = result.verdict
    if verdict.outcome is Outcome.PASSED:
        return None
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        path, line, _ = location
        return (str(path), line or 0, one_line(verdict.summary))
    lines = [f"{result.check} on {result.subject}: {visible(verdict.summary)}"]
    if verdict.expected or verdict.actual:
        lines += [
            f"  expected: {visible(verdict.expected)}",
            f"  actual:   {visible(verdict.actual)}",
        ]
    return "\n".join(lines)


def exit_status(
    status: int | pytest.ExitCode, judged: Exit, others_failed: bool
) -> int | pytest.ExitCode:
    """Let pytest's exit status say what the judgement of the run says.

    pytest counts a waived failure and one below the severity asked for, and knows
    nothing of stale waivers or of what was planned and never ran.
    """
    codes = pytest.ExitCode
    if status == codes.TESTS_FAILED and judged is Exit.PASSED and not others_failed:
        return codes.OK
    if status == codes.OK and judged is not Exit.PASSED:
        return codes.TESTS_FAILED
    return status
