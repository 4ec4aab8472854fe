"""The end of a run on a terminal: the decision, what fails, what was not told.

Knows the width of characters and four colours. Must not print: it returns text. All
that comes from the run is made inert first, so that no byte of a target's can move
the cursor, change a colour, or turn the order of the words around.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, chop_cells

from tollproof.model import Run
from tollproof.reporting.summary import (
    Decision,
    Group,
    State,
    Summary,
    count,
    grouped,
    summarise,
)
from tollproof.reporting.text import clip, one_line

__all__ = ["render"]

_COLOUR = {
    State.FAILED: "31",
    State.INCONCLUSIVE: "33",
    State.WAIVED: "35",
    State.PASSED: "32",
    State.NOT_APPLICABLE: "2",
}
_DECISION = {
    Decision.REFUSE: State.FAILED,
    Decision.UNDECIDED: State.INCONCLUSIVE,
    Decision.RELEASE: State.PASSED,
}
_MAX_GROUPS, _MAX_CASES = 20, 5


def render(run: Run, *, width: int = 80, colour: bool = False) -> str:
    """Return the summary; no line is wider than `width` columns (40 at the least).

    Args:
        run: what to tell.
        width: columns of the terminal.
        colour: whether to write ANSI colours: our own, and nobody else's.
    """
    return "\n".join(_lines(run, max(40, width), colour)) + "\n"


def _lines(run: Run, width: int, colour: bool) -> Iterator[str]:
    summary = summarise(run)
    about = run.about
    yield from _wrapped(
        f"{about.deployment} ({about.environment}) at {about.base_url}", width, ""
    )
    yield ""
    tone = _COLOUR[_DECISION[summary.decision]]
    for line in _wrapped(summary.headline, width, ""):
        yield _painted(line, f"1;{tone}", colour)
    yield from _counts(summary, width, colour)
    for problem in run.problems[:20]:
        yield from _wrapped(f"! {problem}", width, "  ")
    for state, head in (
        (State.FAILED, "Failed"),
        (State.INCONCLUSIVE, "Inconclusive"),
        (State.WAIVED, "Failed, and waived"),
    ):
        yield from _section(head, state, summary, width, colour)
    if run.left_out:
        yield ""
        yield from _wrapped(
            f"{count(len(run.left_out), 'check or subject', 'checks or subjects')} "
            "left out; every report says which and why.",
            width,
            "",
        )


def _counts(summary: Summary, width: int, colour: bool) -> Iterator[str]:
    """The counts side by side, broken between two of them where they do not fit."""
    line, used = "", 0
    for state in State:
        plain = f"{summary.tally[state]:,} {state.label}"
        lit = summary.tally[state] > 0
        shown = _painted(plain, _COLOUR[state], colour and lit)
        if used and used + 3 + len(plain) > width:
            yield line
            line, used = "", 0
        line += (" · " if used else "") + shown
        used += (3 if used else 0) + len(plain)
    yield line


def _section(
    head: str, state: State, summary: Summary, width: int, colour: bool
) -> Iterator[str]:
    groups = grouped(summary.of(state))
    if not groups:
        return
    yield ""
    yield _painted(f"{head} ({summary.tally[state]:,})", "1", colour)
    for group in groups[:_MAX_GROUPS]:
        yield from _group(group, state, width, colour)
    if len(groups) > _MAX_GROUPS:
        more = count(len(groups) - _MAX_GROUPS, "more check")
        yield f"  … and {more}; every report has them."


def _group(group: Group, state: State, width: int, colour: bool) -> Iterator[str]:
    spec = group.spec
    first, *rest = _wrapped(f"{spec.severity}  {spec.id}  {spec.title}", width, "  ")
    yield _painted(first, _COLOUR[state], colour)
    yield from (_painted(line, _COLOUR[state], colour) for line in rest)
    for case in group.cases[:_MAX_CASES]:
        verdict = case.verdict
        told = f"{verdict.reason}: " if verdict.reason else ""
        yield from _wrapped(
            f"{clip(case.result.subject, 200)}: {told}{clip(verdict.summary, 500)}",
            width,
            "    ",
        )
        waiver = case.result.waiver
        if waiver:
            yield from _wrapped(
                f"waived until {waiver.expires.isoformat()} by {waiver.owner}: "
                f"{clip(waiver.reason, 300)}",
                width,
                "      ",
            )
        elif verdict.expected or verdict.actual:
            yield from _wrapped(
                f"expected {clip(verdict.expected, 300)}", width, " " * 6
            )
            yield from _wrapped(f"actual   {clip(verdict.actual, 300)}", width, " " * 6)
    if len(group.cases) > _MAX_CASES:
        yield f"    … and {len(group.cases) - _MAX_CASES:,} more"


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    """Break at spaces where possible; continuation lines are indented by two more."""
    lines, line = [], indent
    for word in one_line(text).split(" "):
        for place, part in enumerate(_parts(word, width - len(indent) - 2)):
            gap = " " if line.strip() and not place else ""
            if cell_len(line) + len(gap) + cell_len(part) > width and line.strip():
                lines.append(line)
                line, gap = indent + "  ", ""
            line += gap + part
    return [*lines, line]


def _parts(word: str, room: int) -> list[str]:
    return chop_cells(word, room) if cell_len(word) > room else [word]


def _painted(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
