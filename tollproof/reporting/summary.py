"""What a run says, before anybody formats it: cases, counts, the decision.

Knows the model. Must not know any report format, and reads nothing but the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tollproof.model import (
    CheckSpec,
    LeftOut,
    Outcome,
    Reason,
    Result,
    Run,
    Severity,
    Verdict,
)

__all__ = [
    "Case",
    "Decision",
    "Group",
    "State",
    "Summary",
    "count",
    "grouped",
    "specs_by_id",
    "summarise",
]


class State(StrEnum):
    """A verdict as a reader counts it: a waived failure is a state of its own."""

    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"
    PASSED = "passed"
    NOT_APPLICABLE = "not_applicable"

    @property
    def label(self) -> str:
        """The word a reader sees."""
        return self.value.replace("_", " ")


class Decision(StrEnum):
    """The answer to the one question a gate is asked."""

    RELEASE = "release"
    REFUSE = "refuse"
    UNDECIDED = "undecided"

    @property
    def label(self) -> str:
        """The answer in words."""
        return {
            Decision.RELEASE: "May be released",
            Decision.REFUSE: "Do not release",
            Decision.UNDECIDED: "Not decided",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A result beside the declaration of its check.

    Attributes:
        number: its place in the run, from 1: what anchors are made of.
    """

    number: int
    spec: CheckSpec
    result: Result

    @property
    def key(self) -> tuple[str, str]:
        """What a result is known by in every run: check id and subject."""
        return self.spec.id, self.result.subject

    @property
    def verdict(self) -> Verdict:
        """Shorthand."""
        return self.result.verdict

    @property
    def state(self) -> State:
        """The verdict's outcome, or waived."""
        outcome = self.result.verdict.outcome
        if outcome is Outcome.FAILED and self.result.waiver:
            return State.WAIVED
        return State(outcome.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The cases of one check, in the order of the run."""

    spec: CheckSpec
    cases: tuple[Case, ...]

    @property
    def tally(self) -> Mapping[State, int]:
        """How many cases are in each state; states without any stay out."""
        return _tally(self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The run as every report tells it.

    Attributes:
        headline: one sentence that answers whether this may be released.
        reasons: sentences that carry the headline, the weightiest first.
        cases: every result, and for every planned subject without one a verdict
            inconclusive, not run.
        tally: how many cases are in each state; every state has an entry.
        severities: how many unwaived failures there are of each severity.
        left_out: checks and subjects that the run does not decide.
    """

    decision: Decision
    headline: str
    reasons: tuple[str, ...]
    cases: tuple[Case, ...]
    tally: Mapping[State, int]
    severities: Mapping[Severity, int]
    left_out: tuple[LeftOut, ...]

    def of(self, *states: State) -> tuple[Case, ...]:
        """Return the cases in those states, in the order of the run."""
        return tuple(case for case in self.cases if case.state in states)


def summarise(run: Run) -> Summary:
    """Read the run once; never raises, whatever the run holds."""
    cases = _cases(run)
    tally = _tally(cases)
    failed = [case for case in cases if case.state is State.FAILED]
    severities = Counter(case.spec.severity for case in failed)
    decision = _decide(run, tally)
    return Summary(
        decision=decision,
        headline=_headline(decision, run, tally, failed),
        reasons=tuple(_reasons(decision, run, tally, failed, severities)),
        cases=cases,
        tally={state: tally.get(state, 0) for state in State},
        severities={level: severities[level] for level in Severity},
        left_out=run.left_out,
    )


def grouped(cases: Iterable[Case]) -> tuple[Group, ...]:
    """Gather cases by check: worst severity first, then by check id."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.spec.id, []).append(case)
    groups = [Group(spec=of[0].spec, cases=tuple(of)) for of in found.values()]
    groups.sort(key=lambda group: (-group.spec.severity.rank, group.spec.id))
    return tuple(groups)


def specs_by_id(run: Run) -> Callable[[str], CheckSpec]:
    """Return a look-up by id or alias; an unknown id gets a bare declaration."""
    known = {alias: spec for spec in run.checks for alias in spec.aliases}
    known |= {spec.id: spec for spec in run.checks}

    def find(check: str) -> CheckSpec:
        if check not in known:
            known[check] = CheckSpec(
                id=check,
                title="A check that the record does not describe",
                severity=Severity.MEDIUM,
            )
        return known[check]

    return find


def count(number: int, singular: str, plural: str = "") -> str:
    """Return `1 result`, `2 results`, `1,234 results`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _cases(run: Run) -> tuple[Case, ...]:
    find = specs_by_id(run)
    results = list(run.results)
    decided = {(find(result.check).id, result.subject) for result in results}
    for planned in run.planned:
        key = (find(planned.check).id, planned.subject)
        if key not in decided:
            decided.add(key)
            results.append(_not_run(planned.check, planned.subject, run))
    return tuple(
        Case(number=number, spec=find(result.check), result=result)
        for number, result in enumerate(results, 1)
    )


def _not_run(check: str, subject: str, run: Run) -> Result:
    return Result(
        check=check,
        subject=subject,
        verdict=Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=Reason.NOT_RUN,
            summary="It was planned, and the run ended before it was decided.",
        ),
        at=run.about.ended or run.about.started,
        seconds=0.0,
    )


def _tally(cases: Iterable[Case]) -> dict[State, int]:
    counts = Counter(case.state for case in cases)
    return {state: counts[state] for state in State if counts[state]}


def _decide(run: Run, tally: Mapping[State, int]) -> Decision:
    if tally.get(State.FAILED) or run.problems:
        return Decision.REFUSE
    determined = tally.get(State.PASSED, 0) + tally.get(State.WAIVED, 0)
    if tally.get(State.INCONCLUSIVE) or run.about.interrupted or not determined:
        return Decision.UNDECIDED
    return Decision.RELEASE


def _headline(
    decision: Decision, run: Run, tally: Mapping[State, int], failed: list[Case]
) -> str:
    if decision is Decision.REFUSE and failed:
        checks = len({case.spec.id for case in failed})
        return f"Do not release: {count(checks, 'promise is', 'promises are')} broken."
    if decision is Decision.REFUSE:
        return "Do not release: the profile itself has problems."
    if decision is Decision.RELEASE and tally.get(State.WAIVED):
        return "May be released: every promise tested was kept or is waived."
    if decision is Decision.RELEASE:
        return "May be released: every promise tested was kept."
    if run.about.interrupted:
        return "Not decided: the run was interrupted."
    if not tally.get(State.INCONCLUSIVE):
        return "Not decided: nothing was determined."
    unsure = count(tally[State.INCONCLUSIVE], "verdict is", "verdicts are")
    return f"Not decided: {unsure} inconclusive."


def _reasons(
    decision: Decision,
    run: Run,
    tally: Mapping[State, int],
    failed: list[Case],
    severities: Mapping[Severity, int],
) -> Iterable[str]:
    if failed:
        levels = ", ".join(
            f"{severities[level]:,} {level}" for level in Severity if severities[level]
        )
        yield f"{count(len(failed), 'result')} failed: {levels}."
    yield from run.problems
    if run.about.interrupted:
        yield "The run was interrupted; what it had not reached is inconclusive."
    if unsure := tally.get(State.INCONCLUSIVE):
        yield (
            f"{count(unsure, 'result')} could not be determined: "
            "neither kept nor broken was seen."
        )
    if waived := tally.get(State.WAIVED):
        yield f"{count(waived, 'failure')} accepted by a waiver."
    if kept := tally.get(State.PASSED):
        yield f"{count(kept, 'result')} passed."
    elif decision is not Decision.REFUSE:
        yield "Nothing was seen to hold."
