"""(check, subject) → Result: the one place where exceptions become verdicts.

Holds the only broad `except` of the package, so that no fault of a check, of the
target or of ours can make something that was planned vanish. Knows neither pytest
nor the network.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from tollproof.errors import Undetermined
from tollproof.model import CheckSpec, Outcome, Reason, Result, Verdict, now

#: How much of a traceback a verdict carries, in characters from its end.
TRACEBACK_LIMIT = 4000


def evaluate(spec: CheckSpec, subject: str, procedure: Callable[[], object]) -> Result:
    """Run `procedure` and return its verdict as a result, whatever happens in it.

    A returned :class:`Verdict` stands. `Undetermined` becomes inconclusive. A plain
    `assert` that fails is a failure. Anything else raised, or a verdict forgotten by
    a declared check, is inconclusive: a bug proves nothing about the target.
    """
    at, started = now(), time.perf_counter()
    verdict = verdict_of(procedure)
    return Result(
        check=spec.id,
        subject=subject,
        verdict=verdict,
        at=at,
        seconds=round(time.perf_counter() - started, 6),
    )


def verdict_of(procedure: Callable[[], object]) -> Verdict:
    """Run `procedure` and return its verdict, or the one its exception amounts to."""
    try:
        returned = procedure()
    except Undetermined as undetermined:
        return Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=undetermined.reason,
            summary=undetermined.sentence,
            exchanges=undetermined.exchanges,
        )
    except AssertionError as assertion:
        return Verdict(
            outcome=Outcome.FAILED,
            summary="An assertion of the check does not hold.",
            expected="the asserted condition",
            actual=str(assertion) or "it is false",
        )
    except Exception as error:  # noqa: BLE001 - the one broad except, on purpose
        where = "".join(traceback.format_exception(error))
        return Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=Reason.HARNESS,
            summary=f"The check itself failed: {type(error).__name__}: {error}",
            measurements={"traceback": where[-TRACEBACK_LIMIT:]},
        )
    if isinstance(returned, Verdict):
        return returned
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        reason=Reason.HARNESS,
        summary=f"The check returned {type(returned).__name__} instead of a verdict.",
    )
