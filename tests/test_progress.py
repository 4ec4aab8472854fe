"""What a reader sees while a run goes on, in a log and on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from tests.reporting.sample import sample_run
from tollproof.model import Outcome, Reason, Result, Verdict
from tollproof.progress import LiveProgress, PlainProgress, Progress

#: Clears the screen, names the window, turns the text around.
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe [bold]not markup[/bold]\nnext"


def result(
    check: str, outcome: Outcome, summary: str = "So it is.", subject: str = "GET /x"
) -> Result:
    reason = Reason.NOISE if outcome is Outcome.INCONCLUSIVE else None
    return Result(
        check=check,
        subject=subject,
        verdict=Verdict(outcome=outcome, summary=summary, reason=reason),
        at="2026-01-01T00:00:00.000Z",
        seconds=0.1,
    )


def plain(*results: Result, **planned: int) -> list[str]:
    stream = io.StringIO()
    shown = PlainProgress(stream=stream)
    shown.started(planned)
    for item in results:
        shown.finished(item)
    shown.ended(sample_run())
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_a_suite_and_one_for_what_needs_attention() -> None:
    lines = plain(
        result("a.one", Outcome.PASSED),
        result("a.two", Outcome.PASSED),
        result("b.one", Outcome.FAILED, "It broke."),
        result("b.two", Outcome.INCONCLUSIVE, "It was silent."),
        result("b.three", Outcome.NOT_APPLICABLE),
        a=2,
        b=3,
    )
    assert lines[0] == "5 results planned"
    assert lines[1].startswith("a                2 passed  (")
    assert lines[2] == "  FAILED  b.one  GET /x: It broke."
    assert lines[3] == "  INCONCLUSIVE  b.two  GET /x: It was silent."
    assert lines[4].startswith("b                1 failed, 1 inconclusive, 1 not appl")
    assert len(lines) == 5


def test_a_suite_has_its_line_when_all_of_it_is_there() -> None:
    """Processes that share the checks finish those of several suites in turn."""
    lines = plain(
        *(result(name, Outcome.PASSED) for name in ("a.x", "b.x", "a.y", "c.x")),
        a=2,
        b=1,
        c=5,
    )
    assert [line.split() for line in lines[1:]] == [
        ["b", "1", "passed", "(0.1", "s)"],
        ["a", "2", "passed", "(0.2", "s)"],
        ["c", "1", "passed", "(0.1", "s)"],
    ]


def test_a_process_that_leaves_the_display_says_nothing() -> None:
    stream = io.StringIO()
    shown = PlainProgress(stream=stream)
    shown.leave()
    shown.note("here")
    shown.finished(result("a.one", Outcome.FAILED))
    assert stream.getvalue() == ""


def test_a_log_gets_a_sign_of_life_not_a_picture() -> None:
    stream = io.StringIO()
    shown = PlainProgress(stream=stream)
    for second in range(50):
        shown.note(f"{second} of 50 s")
    assert stream.getvalue() == "  0 of 50 s\n"


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INCONCLUSIVE])
def test_what_the_target_sent_is_inert(outcome: Outcome) -> None:
    one = result("a.one", outcome, HOSTILE, subject=HOSTILE)
    stream = io.StringIO()
    live = LiveProgress(console=Console(file=stream, width=2000, force_terminal=False))
    live.finished(one)
    for text in ("\n".join(plain(one)), stream.getvalue()):
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\u202e" not in text
        assert "[bold]not markup[/bold]" in text
        assert not any(line.startswith("next") for line in text.splitlines())


def test_a_bar_moves_and_leaves_what_needs_attention() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=200, no_color=True)
    shown = LiveProgress(console=console)
    shown.started({"a": 3})
    shown.finished(result("a.one", Outcome.PASSED))
    shown.note(HOSTILE)
    shown.finished(result("a.two", Outcome.FAILED, "It broke."))
    shown.ended(sample_run())
    text = stream.getvalue()
    assert "a.two  GET /x: It broke." in text
    assert "a.one" not in text
    assert "2/3" in text
    assert "owned\x07" not in text


def test_a_reader_who_has_gone_stops_nothing() -> None:
    """`tollproof gate … | head -1` judges to the end."""
    reading, writing = os.pipe()
    os.close(reading)
    judged = False
    # What is left in the buffer cannot be written when it is closed, either.
    with contextlib.suppress(BrokenPipeError), open(writing, "w") as stream:
        shown = PlainProgress(stream=stream)
        shown.started({"a": 3})
        shown.finished(result("a.one", Outcome.FAILED))
        shown.ended(sample_run())
        judged = True
    assert judged


def test_the_display_outlives_what_is_done_to_the_descriptor(tmp_path: Path) -> None:
    """A check's output is kept from the terminal; the progress goes on."""
    path = tmp_path / "log"
    with path.open("w") as stream:
        shown = Progress.of("plain", stream)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
        shown.started({"a": 3, "b": 4})
        assert isinstance(shown, PlainProgress)
        shown.stream.close()
    assert path.read_text() == "7 results planned\n"


def test_none_was_asked_for_and_nothing_is_said() -> None:
    stream = io.StringIO()
    shown = Progress.of("", stream)
    shown.started({"a": 3})
    shown.note("here")
    shown.finished(result("a.one", Outcome.FAILED))
    shown.ended(sample_run())
    assert stream.getvalue() == ""
    assert isinstance(Progress.of("live", io.StringIO()), LiveProgress)
