"""What the reader sees while a run goes on: a live bar on a terminal, else lines.

Knows how to draw. Must not know how results come about. Whatever a target sent is made
inert before it is written.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
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

    def started(self, planned: Mapping[str, int]) -> None:
        """The run begins: how many results each suite will have; empty if unknown."""

    def finished(self, result: Result) -> None:
        """One more result is there."""

    def note(self, text: str) -> None:
        """A long measurement says how far it is."""

    def ended(self, run: Run) -> None:
        """The run is complete and written."""

    def leave(self) -> None:
        """In a forked process: leave the display to the one it was forked from."""


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
    _planned: Mapping[str, int] = field(default_factory=dict)
    _counts: dict[str, Counter[Outcome]] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _noted: float = -math.inf

    def note(self, text: str) -> None:
        # A log needs a sign of life, not a picture.
        if time.monotonic() - self._noted >= NOTE_EVERY:
            self._noted = time.monotonic()
            self._write(f"  {one_line(text)}")

    def started(self, planned: Mapping[str, int]) -> None:
        self._planned = planned
        if planned:
            self._write(f"{sum(planned.values())} results planned")

    def finished(self, result: Result) -> None:
        suite = result.check.partition(".")[0]
        self._seconds[suite] += result.seconds
        counts = self._counts.setdefault(suite, Counter())
        counts[result.verdict.outcome] += 1
        if result.verdict.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
            word, _ = MARKS[result.verdict.outcome]
            self._write(
                f"  {word}  {result.check}  {one_line(result.subject)}: "
                f"{one_line(result.verdict.summary)}"
            )
        if counts.total() == self._planned.get(suite):
            self._tell(suite)

    def ended(self, run: Run) -> None:
        for suite in tuple(self._counts):
            self._tell(suite)

    def leave(self) -> None:
        self.stream = io.StringIO()

    def _tell(self, suite: str) -> None:
        """Say what came of a suite, once."""
        counts = self._counts.pop(suite)
        tally = ", ".join(
            f"{counts[outcome]} {MARKS[outcome][0].lower()}"
            for outcome in (
                Outcome.PASSED,
                Outcome.FAILED,
                Outcome.INCONCLUSIVE,
                Outcome.NOT_APPLICABLE,
            )
            if counts[outcome]
        )
        self._write(f"{suite:<16} {tally}  ({self._seconds[suite]:.1f} s)")

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

    def started(self, planned: Mapping[str, int]) -> None:
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task("probing", total=sum(planned.values()) or None)
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
