"""Whatever a check does, there is a result."""

import pytest

from tollproof.errors import Undetermined
from tollproof.evaluate import TRACEBACK_LIMIT, evaluate
from tollproof.model import CheckSpec, Outcome, Reason, Severity, Verdict

SPEC = CheckSpec(id="a.b", title="It holds", severity=Severity.LOW)


def raising(error: BaseException) -> object:
    def procedure() -> object:
        raise error

    return procedure


def verdict(procedure: object) -> Verdict:
    result = evaluate(SPEC, "GET /x", procedure)  # type: ignore[arg-type]
    assert (result.check, result.subject) == ("a.b", "GET /x")
    assert result.seconds >= 0
    return result.verdict


def test_a_returned_verdict_stands() -> None:
    given = Verdict(outcome=Outcome.FAILED, summary="no", expected="1", actual="2")

    assert verdict(lambda: given) is given


def test_undetermined_is_inconclusive_with_its_evidence() -> None:
    found = verdict(raising(Undetermined(Reason.THROTTLED, "too often", "x-1")))

    assert found.outcome is Outcome.INCONCLUSIVE
    assert (found.reason, found.summary) == (Reason.THROTTLED, "too often")
    assert found.exchanges == ("x-1",)


def test_a_failed_assertion_is_a_failure() -> None:
    found = verdict(raising(AssertionError("status is 200")))

    assert (found.outcome, found.actual) == (Outcome.FAILED, "status is 200")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("k"), RecursionError()])
def test_a_bug_of_the_check_proves_nothing(error: Exception) -> None:
    found = verdict(raising(error))

    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, Reason.HARNESS)
    assert type(error).__name__ in found.summary
    assert len(found.measurements["traceback"]) <= TRACEBACK_LIMIT


@pytest.mark.parametrize("returned", [None, True, "passed"])
def test_a_forgotten_verdict_is_inconclusive(returned: object) -> None:
    found = verdict(lambda: returned)

    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, Reason.HARNESS)


def test_an_interruption_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        verdict(raising(KeyboardInterrupt()))
