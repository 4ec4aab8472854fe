"""The figures of a load whose run was killed, for the report that is made of the rest.

Knows the record and what a load leaves in it. Must not decide anything that was left
undecided: what was cut short stays inconclusive, with what was seen until then.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tollproof.load.figures import charts, figures, sentence
from tollproof.load.remains import FOLDER, Remains, read_remains
from tollproof.model import Outcome, Reason, Result, Run, Tier, Verdict
from tollproof.record import JOURNAL


def salvaged(run: Run, folder: Path) -> Run:
    """Return an unfinished run with what its load left; any other as it is."""
    place = folder / JOURNAL / FOLDER
    if run.about.ended or not place.is_dir():
        return run
    of_load = {spec.id for spec in run.checks if spec.tier is Tier.LOAD}
    try:
        left = read_remains(place)
    except (OSError, ValueError):
        left = None
    results = tuple(
        _told(item, left) if item.check in of_load and _undecided(item) else item
        for item in run.results
    )
    return replace(run, results=results)


def _undecided(result: Result) -> bool:
    return result.verdict.reason is Reason.NOT_RUN


def _told(result: Result, left: Remains | None) -> Result:
    if left is None:
        said = "The load was cut short, and no observation of it is on record."
        measured: dict[str, Any] = {}
    else:
        summary = left.summary
        said = (
            "The load was cut short: its run ended without judging it. On record are "
            f"{sentence(summary)}; {left.seconds:g} s were planned."
        )
        said += _of_the_limit(left)
        measured = {**figures(summary), "charts": list(charts(summary))}
        if left.throughout is not None:
            measured |= {"fullest": left.throughout.fullest}
            measured |= {"over": left.throughout.over, "under": left.throughout.under}
    verdict = Verdict(
        outcome=Outcome.INCONCLUSIVE,
        reason=Reason.NOT_RUN,
        summary=said,
        measurements=measured,
    )
    return replace(result, verdict=verdict)


def _of_the_limit(left: Remains) -> str:
    seen, promised = left.throughout, left.promised
    if seen is None or promised is None:
        return ""
    if seen.excesses:
        first = seen.excesses[0]
        return (
            f" {first.key} was admitted {first.admitted} times within "
            f"{promised.tightest.window:g} s, from {first.at:.1f} s on: more than "
            f"{promised.tightest.text}. Load it again to have that judged."
        )
    return (
        f" No key was admitted more than {promised.tightest.text} in what is on record."
    )
