"""Markdown for a step summary ($GITHUB_STEP_SUMMARY) or a pull request.

Knows GitHub's dialect and its limit of 1 MiB. Must not know where the text goes.

Everything that comes from a run is escaped to character references, punctuation and
all: it cannot start a heading, a link, a table cell or a tag, nor be linked by itself.
A mention (`@name`) or a reference (`#12`) is found by GitHub *after* that decoding,
so a word joiner of zero width stands behind each `@` and `#`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tollproof.model import Run
from tollproof.reporting.compare import Comparison, compare
from tollproof.reporting.summary import (
    Case,
    Decision,
    Group,
    State,
    Summary,
    count,
    grouped,
    summarise,
)
from tollproof.reporting.text import clip, one_line

__all__ = ["LIMIT", "render"]

#: Bytes of UTF-8, under GitHub's 1 MiB for a step.
LIMIT = 1_000_000

_MARK = {
    Decision.RELEASE: ":white_check_mark:",
    Decision.REFUSE: ":no_entry:",
    Decision.UNDECIDED: ":grey_question:",
}


def render(run: Run, *, previous: Run | None = None, limit: int = LIMIT) -> str:
    """Return the text, at most `limit` bytes of UTF-8 and never cut inside a block."""
    summary = summarise(run)
    kept: list[str] = []
    room = limit - 300  # for the sentence below
    dropped = 0
    blocks = _blocks(run, summary, compare(run, previous) if previous else None)
    for block in blocks:
        size = len(block.encode()) + 2
        if dropped or size > room:
            dropped += 1
        else:
            kept.append(block)
            room -= size
    if dropped:
        kept.append(
            f"*{count(dropped, 'more part')} did not fit in here; "
            "the HTML and JSON reports have all of it.*"
        )
    return "\n\n".join(kept) + "\n"


def _blocks(run: Run, summary: Summary, comparison: Comparison | None) -> Iterator[str]:
    about = run.about
    yield f"## {_MARK[summary.decision]} {_e(summary.headline)}"
    yield (
        f"{_e(about.deployment)} ({_code(about.environment)}) at "
        f"{_code(about.base_url)}, {_code(about.command)} with {_code(about.profile)}, "
        f"{_e(about.started)}"
    )
    yield _counts(summary)
    yield "\n".join(f"- {_e(clip(reason, 1_000))}" for reason in summary.reasons)
    if comparison:
        yield _change(comparison)
    failed = grouped(summary.of(State.FAILED))
    if failed:
        yield "### What fails"
        yield from (_failure(group) for group in failed)
    unsure = grouped(summary.of(State.INCONCLUSIVE))
    if unsure:
        yield "### What could not be determined"
        yield from _tables(
            ("check", "subject", "reason", "why"),
            (
                (
                    _code(case.spec.id),
                    _code(case.result.subject),
                    _e(case.verdict.reason or ""),
                    _e(clip(case.verdict.summary, 400)),
                )
                for group in unsure
                for case in group.cases
            ),
        )
    waived = summary.of(State.WAIVED)
    if waived:
        yield "### Waived failures"
        yield from _tables(
            ("check", "subject", "accepted until", "by", "because"),
            (_waived(case) for case in waived),
        )
    yield "### By suite"
    yield _suites(summary)
    if run.left_out:
        yield "<details><summary>Not tested, and why</summary>"
        yield from _tables(
            ("check", "subject", "why"),
            (
                (
                    _code(item.check),
                    _code(item.subject or "all"),
                    _e(clip(item.reason, 400)),
                )
                for item in run.left_out
            ),
        )
        yield "</details>"


def _counts(summary: Summary) -> str:
    states = list(State)
    return "\n".join(
        [
            "| " + " | ".join(state.label for state in states) + " |",
            "| " + " | ".join("--:" for _ in states) + " |",
            "| " + " | ".join(f"{summary.tally[state]:,}" for state in states) + " |",
        ]
    )


def _change(comparison: Comparison) -> str:
    parts = [
        f"{len(cases):,} {word}"
        for cases, word in (
            (comparison.new, "new"),
            (comparison.fixed, "fixed"),
            (comparison.still, "still failing"),
            (comparison.unclear, "failing before, now undecided"),
            (comparison.lost, "passing before, now undecided"),
            (comparison.gone, "failing before, no longer tested"),
        )
        if cases
    ]
    told = ", ".join(parts) or "nothing changed"
    return f"Since the run of {_e(comparison.former_started)}: {told}."


def _failure(group: Group) -> str:
    spec = group.spec
    lines = [
        f"**{_e(spec.severity.upper())}** {_e(clip(spec.title, 300))} "
        f"({_code(spec.id)}, {count(len(group.cases), 'result')})",
        "",
    ]
    for case in group.cases[:10]:
        lines.append(
            f"- {_code(case.result.subject)}: {_e(clip(case.verdict.summary, 500))}"
        )
        if case.verdict.expected or case.verdict.actual:
            lines.append(f"  - expected: {_code(case.verdict.expected)}")
            lines.append(f"  - actual: {_code(case.verdict.actual)}")
    if len(group.cases) > 10:
        lines.append(f"- … and {len(group.cases) - 10:,} more")
    if spec.remediation:
        lines += ["", f"Remedy: {_e(clip(spec.remediation, 1_000))}"]
    if spec.references:
        lines += [
            "",
            "See "
            + ", ".join(_e(clip(item.label, 100)) for item in spec.references[:12]),
        ]
    return "\n".join(lines)


def _waived(case: Case) -> tuple[str, ...]:
    waiver = case.result.waiver
    told = (waiver.expires.isoformat(), waiver.owner, waiver.reason) if waiver else ()
    return (
        _code(case.spec.id),
        _code(case.result.subject),
        *(_e(clip(item, 300)) for item in told),
    )


def _suites(summary: Summary) -> str:
    suites: dict[str, dict[State, int]] = {}
    for case in summary.cases:
        row = suites.setdefault(case.spec.suite, dict.fromkeys(State, 0))
        row[case.state] += 1
    rows = [
        "| " + " | ".join([_code(suite), *(f"{row[s]:,}" for s in State)]) + " |"
        for suite, row in sorted(suites.items())[:200]
    ]
    head = "| suite | " + " | ".join(state.label for state in State) + " |"
    return "\n".join([head, "| --- |" + " --: |" * len(State), *rows])


def _tables(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield tables of 100 rows, so that a text that is too long ends between them."""
    lines: list[str] = []
    top = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        lines.append("| " + " | ".join(row) + " |")
        if len(lines) == 100:
            yield "\n".join(top + lines)
            lines = []
    if lines:
        yield "\n".join(top + lines)


def _code(text: str) -> str:
    """In a fixed-width font: as HTML, since a backtick in it could not be escaped."""
    return f"<code>{_e(clip(text, 400))}</code>" if text else "–"


def _e(text: str) -> str:
    """Escape every character that GitHub's dialect gives a meaning to, anywhere."""
    return re.sub(r"""[!"#$&'()*+.:<=>@\[\\\]^_`{|}~-]""", _reference, one_line(text))


def _reference(match: re.Match[str]) -> str:
    joiner = "&#8288;" if match[0] in "@#" else ""
    return f"&#{ord(match[0])};{joiner}"
