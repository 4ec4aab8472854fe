"""The end of a run fits the terminal, and colours are only ours."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.reporting.sample import big_run, sample_run
from tests.reporting.strategies import runs
from tests.reporting.test_hostile import any_run
from tollproof.model import Run
from tollproof.reporting.terminal import render


@any_run
@given(run=runs(), width=st.integers(40, 200))
def test_no_line_is_wider_than_the_terminal(run: Run, width: int) -> None:
    for line in render(run, width=width).splitlines():
        assert cell_len(line) <= width


def test_sample_tells_decision_failures_and_waiver() -> None:
    text = render(sample_run(), width=100)
    lines = text.splitlines()

    assert lines[2] == "Do not release: 5 promises are broken."
    assert lines[3] == (
        "5 failed · 2 inconclusive · 1 waived · 17 passed · 1 not applicable"
    )
    assert "  critical  authentication.missing  No credential is not let in" in lines
    assert "      expected 401 Unauthorized" in lines
    assert "waived until 2027-01-31 by jane@example.com" in text
    assert "precondition-failed" in text


def test_colour_is_only_there_when_asked_for() -> None:
    plain, coloured = render(sample_run()), render(sample_run(), colour=True)

    assert "\x1b" not in plain
    assert "\x1b[1;31mDo not release" in coloured
    assert re.sub(r"\x1b\[[0-9;]+m", "", coloured) == plain


def test_escape_sequence_of_a_target_is_shown_not_sent() -> None:
    run = sample_run()
    text = render(_with_summary(run, "\x1b]0;owned\x07 \u202egnp"), colour=True)

    assert r"\x1b]0;owned\x07 \u202egnp" in text


def test_big_run_stays_a_screenful_or_two() -> None:
    assert len(render(big_run(5_000)).splitlines()) < 200


def _with_summary(run: Run, summary: str) -> Run:
    return replace(
        run,
        results=tuple(
            replace(r, verdict=replace(r.verdict, summary=summary)) for r in run.results
        ),
    )
