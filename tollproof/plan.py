"""What a run set out to decide, held against what it did.

Knows the plan as a value and :func:`reconcile`, so that nothing that was planned can
vanish. Must not know how a case is chosen or run: whoever reads a record needs no more
than this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tollproof.model import (
    CheckSpec,
    LeftOut,
    Outcome,
    Planned,
    Reason,
    Result,
    Verdict,
    now,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run set out to decide, and what it did not."""

    checks: tuple[CheckSpec, ...] = ()
    planned: tuple[Planned, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def reconcile(plan: Plan, results: Iterable[Result]) -> tuple[Result, ...]:
    """Return exactly one result for each planned case, in the plan's order.

    What has none is inconclusive: not run. Of several, the worst counts.
    """
    found: dict[Planned, Result] = {}
    for result in results:
        key = Planned(check=result.check, subject=result.subject)
        former = found.get(key)
        worse = former is None or (
            result.verdict.outcome.rank > former.verdict.outcome.rank
        )
        if worse:
            found[key] = result
    planned = set(plan.planned)
    unplanned = [key for key in found if key not in planned]
    return tuple(found.get(key) or _not_run(key) for key in (*plan.planned, *unplanned))


def _not_run(key: Planned) -> Result:
    return Result(
        check=key.check,
        subject=key.subject,
        verdict=Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=Reason.NOT_RUN,
            summary="The run ended before this was decided.",
        ),
        at=now(),
        seconds=0.0,
    )
