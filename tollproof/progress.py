"""What the reader sees while a run goes on: a live bar on a terminal, else lines.

Knows how to draw. Must not know how results come about. Whatever a target sent is made
inert before it is written.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import (
    Progress as Bar,
)

from tollproof.model import Outcome, Result, Run
from tollproof.reporting.text import one_line

#: Seconds between two signs of life in a log.
NOTE_EVERY = 10.0

MARKS = {
    Outcome.FAILED: ("FAILED", "bold red"),
    Outcome.INCONCLUSIVE: ("INCONCLUSIVE", "yellow"),
    Outcome.PASSED: ("passed", "green"),
    Outcome.NOT_APPLICABLE: ("not applicable", "dim"),
}


@dataclass(slots=True)
class Progress:
    """Says nothing: for pytest's own terminal, and the base of the two that speak."""

    @staticmethod
    def of(kind: str, stream: TextIO) -> Progress:
        """Return the display asked for: `live`, `plain`, or none."""
        if kind:
            stream = _kept(stream)
        match kind:
            case "live":
                return LiveProgress(console=Console(file=stream))
            case "plain":
                return PlainProgress(stream=stream)
            case _:
                return Progress()

    def started(self, planned: int) -> None:
        """The run begins; 0 when its size is not known."""

    def finished(self, result: Result) -> None:
        """One more result is there."""

    def note(self, text: str) -> None:
        """A long measurement says how far it is."""

    def ended(self, run: Run) -> None:
        """The run is complete and written."""


def _kept(stream: TextIO) -> TextIO:
    """Return a stream to the same place that stays open to it while a check runs.

    pytest then puts a file in place of the standard output's descriptor, and a
    measurement of minutes would be silent. What cannot be shown is escaped.
    """
    try:
        descriptor = os.dup(stream.fileno())
    except OSError:  # it is in memory
        return stream
    return open(descriptor, "w", encoding=stream.encoding, errors="backslashreplace")


@dataclass(slots=True)
class PlainProgress(Progress):
    """One line a suite, and one for each result that needs attention."""

    stream: TextIO = sys.stdout
    _suite: str = ""
    _counts: Counter[Outcome] = field(default_factory=Counter)
    _since: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)
    _noted: float = -math.inf

    def note(self, text: str) -> None:
        # A log needs a sign of life, not a picture.
        if time.monotonic() - self._noted >= NOTE_EVERY:
            self._noted = time.monotonic()
            self._write(f"  {one_line(text)}")

    def started(self, planned: int) -> None:
        if planned:
            self._write(f"{planned} results planned")

    def finished(self, result: Result) -> None:
        suite = result.check.partition(".")[0]
        if suite != self._suite:
            self._flush()
            self._suite = suite
        self._last = time.monotonic()
        self._counts[result.verdict.outcome] += 1
        if result.verdict.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
            word, _ = MARKS[result.verdict.outcome]
            self._write(
                f"  {word}  {result.check}  {one_line(result.subject)}: "
                f"{one_line(result.verdict.summary)}"
            )

    def ended(self, run: Run) -> None:
        self._flush()

    def _flush(self) -> None:
        if self._suite:
            seconds = self._last - self._since
            tally = ", ".join(
                f"{self._counts[outcome]} {MARKS[outcome][0].lower()}"
                for outcome in (
                    Outcome.PASSED,
                    Outcome.FAILED,
                    Outcome.INCONCLUSIVE,
                    Outcome.NOT_APPLICABLE,
                )
                if self._counts[outcome]
            )
            self._write(f"{self._suite:<16} {tally}  ({seconds:.1f} s)")
            self._counts.clear()
            # What was waited for since its last result is the next suite's work.
            self._since = self._last

    def _write(self, line: str) -> None:
        # Whoever listened may have gone; that is no reason to stop judging.
        with contextlib.suppress(BrokenPipeError):
            self.stream.write(line + "\n")
            self.stream.flush()


@dataclass(slots=True)
class LiveProgress(Progress):
    """A bar that moves, above it the results that need attention."""

    console: Console = field(default_factory=Console)
    _bar: Bar | None = None
    _task: TaskID | None = None
    _counts: Counter[Outcome] = field(default_factory=Counter)

    def started(self, planned: int) -> None:
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task("probing", total=planned or None)
        self._bar.start()

    def finished(self, result: Result) -> None:
        outcome = result.verdict.outcome
        self._counts[outcome] += 1
        if outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
            word, style = MARKS[outcome]
            self.console.print(word, style=style, end="  ", highlight=False)
            self.console.print(
                f"{result.check}  {one_line(result.subject)}: "
                f"{one_line(result.verdict.summary)}",
                markup=False,
                highlight=False,
            )
        if self._bar is not None and self._task is not None:
            suite = result.check.partition(".")[0]
            self._bar.update(self._task, advance=1, description=suite)

    def note(self, text: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=escape(one_line(text)))

    def ended(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.stop()
