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
class Tally:
    """What one check made of the exchanges that it was shown.

    Attributes:
        first: the first verdict of each outcome.
        shown: ids of the first responses that failed.
        where: operation and status of all of those → how many.
    """

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    first: dict[Outcome, Verdict] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    where: dict[str, int] = field(default_factory=dict)


#: Id of a check that judges exchanges → what it made of them.
Tallies = Mapping[str, Tally]


def tallied(exchanges: Iterable[Exchange], judges: Mapping[str, Judge]) -> Tallies:
    """Show every answered exchange to every judge."""
    tallies = {name: Tally() for name in judges}
    for exchange in exchanges:
        if exchange.response is None:
            continue
        for name, judge in judges.items():
            _enter(tallies[name], exchange, verdict_of(partial(judge, exchange)))
    return tallies


def verdicts(parts: Iterable[Tallies]) -> dict[str, Verdict]:
    """Return each check's verdict on exchanges that were tallied in parts, in order."""
    whole: dict[str, Tally] = {}
    for tallies in parts:
        for name, tally in tallies.items():
            _add(whole.setdefault(name, Tally()), tally)
    return {name: _verdict(tally) for name, tally in whole.items()}


def _enter(tally: Tally, exchange: Exchange, verdict: Verdict) -> None:
    outcome = verdict.outcome
    tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
    tally.first.setdefault(outcome, verdict)
    if outcome is Outcome.FAILED:
        where = f"{exchange.operation or 'other'}: {exchange.status}"
        tally.where[where] = tally.where.get(where, 0) + 1
        if len(tally.shown) < SHOWN:
            tally.shown.append(exchange.id)


def _add(whole: Tally, part: Tally) -> None:
    for outcome, count in part.outcomes.items():
        whole.outcomes[outcome] = whole.outcomes.get(outcome, 0) + count
    for place, count in part.where.items():
        whole.where[place] = whole.where.get(place, 0) + count
    whole.first = part.first | whole.first
    whole.shown = (whole.shown + part.shown)[:SHOWN]


def _verdict(tally: Tally) -> Verdict:
    counts = Counter(tally.outcomes)
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
                "where": dict(Counter(tally.where).most_common(SHOWN * 4)),
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
