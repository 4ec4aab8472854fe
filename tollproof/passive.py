"""Checks that judge every exchange of the run, in one pass over the journal.

Knows how single judgements become one verdict. Must not know what is judged: each
check is a function of one exchange. Memory holds tallies, never the exchanges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from tollproof.evaluate import verdict_of
from tollproof.model import Exchange, Outcome, Reason, Verdict

Judge = Callable[[Exchange], Verdict]

#: Offending exchanges that a verdict refers to; the rest is counted.
SHOWN = 5


@dataclass(slots=True)
class _Tally:
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    first: dict[Outcome, Verdict] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    where: Counter[str] = field(default_factory=Counter)


def sweep(
    exchanges: Iterable[Exchange], judges: Mapping[str, Judge]
) -> dict[str, Verdict]:
    """Show every answered exchange to every judge and return a verdict for each."""
    tallies = {name: _Tally() for name in judges}
    for exchange in exchanges:
        if exchange.response is None:
            continue
        for name, judge in judges.items():
            _enter(tallies[name], exchange, verdict_of(partial(judge, exchange)))
    return {name: _verdict(tally) for name, tally in tallies.items()}


def _enter(tally: _Tally, exchange: Exchange, verdict: Verdict) -> None:
    tally.outcomes[verdict.outcome] += 1
    tally.first.setdefault(verdict.outcome, verdict)
    if verdict.outcome is Outcome.FAILED:
        tally.where[f"{exchange.operation or 'other'}: {exchange.status}"] += 1
        if len(tally.shown) < SHOWN:
            tally.shown.append(exchange.id)


def _verdict(tally: _Tally) -> Verdict:
    counts = tally.outcomes
    judged = counts[Outcome.PASSED] + counts[Outcome.FAILED]
    if failure := tally.first.get(Outcome.FAILED):
        return replace(
            failure,
            summary=f"{counts[Outcome.FAILED]} of {judged} responses: "
            f"{failure.summary}",
            exchanges=tuple(tally.shown),
            measurements={
                "judged": judged,
                "failed": counts[Outcome.FAILED],
                "where": dict(tally.where.most_common(SHOWN * 4)),
            },
        )
    if undetermined := tally.first.get(Outcome.INCONCLUSIVE):
        return undetermined
    if judged:
        passed = tally.first[Outcome.PASSED]
        return replace(
            passed,
            summary=f"{passed.summary} ({judged} responses judged.)",
            exchanges=(),
            measurements={"judged": judged},
        )
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        reason=Reason.PRECONDITION,
        summary="No response of the run was of the kind that this judges; "
        "with more suites there are more kinds.",
    )
