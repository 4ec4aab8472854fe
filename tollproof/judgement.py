"""What a run amounts to: waivers applied, a conclusion, an exit code.

Knows how results add up. Must not know how they were found or how they are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from enum import IntEnum
from fnmatch import fnmatchcase

from tollproof.model import Outcome, Result, Run, Severity, Waiver


class Exit(IntEnum):
    """What the command line tells its caller."""

    PASSED = 0
    FAILED = 1
    UNDETERMINED = 2
    USAGE = 3
    INTERRUPTED = 4


def with_waivers(run: Run, waivers: tuple[Waiver, ...], today: date) -> Run:
    """Mark every waived failure, and name the waivers that are no good any more.

    An expired waiver covers nothing. One that matches no failure is a problem of the
    run: what it excused has been mended, and the next such fault must not slip through.
    A waiver for what this run left out or could not determine is neither.
    """
    names = {name: spec.id for spec in run.checks for name in (spec.id, *spec.aliases)}
    results: list[Result] = []
    used: set[Waiver] = set()
    for result in run.results:
        outcome = result.verdict.outcome
        covering = [item for item in waivers if _covers(item, result, names)]
        if outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
            used.update(covering)
        valid = [item for item in covering if today <= item.expires]
        if outcome is Outcome.FAILED and valid:
            result = replace(result, waiver=valid[0])
        results.append(result)
    problems = [
        f"The waiver for {item.check} on {item.subject} expired on {item.expires} "
        f"(owner: {item.owner}); mend the fault or renew the waiver."
        for item in waivers
        if today > item.expires
    ]
    problems += [
        f"The waiver for {item.check} on {item.subject} covers no failure "
        f"(owner: {item.owner}); take it out of the profile."
        for item in waivers
        if today <= item.expires and item not in used and _was_run(item, run, names)
    ]
    return replace(
        run,
        results=tuple(results),
        waivers=waivers,
        problems=(*run.problems, *problems),
    )


def as_judged(run: Run, today: date) -> Run:
    """Return a run with its waivers applied; a killed one did not live to do so."""
    return run if run.about.ended else with_waivers(run, run.waivers, today)


def _covers(waiver: Waiver, result: Result, names: Mapping[str, str]) -> bool:
    check = names.get(waiver.check, waiver.check)
    return check == result.check and _fits(waiver.subject, result.subject)


def _fits(pattern: str, subject: str) -> bool:
    return pattern == subject or fnmatchcase(subject, pattern.replace("[", "[[]"))


def _was_run(waiver: Waiver, run: Run, names: Mapping[str, str]) -> bool:
    check = names.get(waiver.check, waiver.check)
    if any(item.check == check for item in run.planned):
        return True
    return not any(item.check in ("*", check) for item in run.left_out)


def counts(results: Iterable[Result]) -> Counter[Outcome]:
    """Count results by outcome; a waived failure counts as failed."""
    return Counter(result.verdict.outcome for result in results)


def exit_code(run: Run, fail_on: Severity = Severity.INFO) -> Exit:
    """Return the exit code: never 0 when nothing was selected or determined.

    Args:
        fail_on: the lowest severity that stops a release; what is below is shown only.
    """
    severity = {spec.id: spec.severity for spec in run.checks}
    decisive = [
        result
        for result in run.results
        if severity.get(result.check, Severity.CRITICAL).rank >= fail_on.rank
    ]
    outcomes = {item.verdict.outcome for item in decisive if item.waiver is None}
    if Outcome.FAILED in outcomes:
        return Exit.FAILED
    if run.about.interrupted:
        return Exit.INTERRUPTED
    if run.problems:
        return Exit.FAILED
    determined = {result.verdict.outcome for result in run.results}
    if Outcome.INCONCLUSIVE in outcomes or not determined & {
        Outcome.PASSED,
        Outcome.FAILED,
    }:
        return Exit.UNDETERMINED
    return Exit.PASSED
