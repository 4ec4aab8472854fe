"""What every figure is made of: a row to print, and runs of programs that are timed.

Knows how a program's wall time and peak memory are taken. Must not know any figure.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        ratio: what was measured; small is good.
        bar: the highest ratio that will do.
        note: how it came about, in a few words.
        noisy: whether others took so much of the machine that it cannot be judged;
            a figure that is within its bar nevertheless stays `ok`.
    """

    name: str
    ratio: float
    bar: float
    note: str = ""
    noisy: bool = False

    @property
    def is_within(self) -> bool:
        """Whether the figure is within its bar."""
        return self.ratio <= self.bar

    @property
    def is_short(self) -> bool:
        """Whether the figure falls short of its bar, and it is no one else's doing."""
        return not self.is_within and not self.noisy

    def line(self) -> str:
        """Return the row as it is printed."""
        word = "ok" if self.is_within else "noisy" if self.noisy else "short"
        figures = f"{self.ratio:>7.2f} {self.bar:>6.2f}"
        return f"{self.name:<22} {figures}  {word:<5}  {self.note}"


def wall(command: Sequence[str], environ: Mapping[str, str] | None = None) -> float:
    """Run a program to its end and return the seconds it took; see :func:`timed`."""
    return timed(command, environ)[0]


def timed(
    command: Sequence[str], environ: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """Run a program to its end and return the seconds it took, and what it printed.

    A program that fails is quick, and would make a fine figure: it must exit with 0.

    Raises:
        RuntimeError: it did not exit with 0.
    """
    started = time.perf_counter()
    done = subprocess.run(
        command,
        # As installed programs start: with the bytecode of what they import.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr}")
    return seconds, done.stdout


def interleaved(
    rounds: int, *measures: Callable[[], float]
) -> tuple[tuple[float, ...], ...]:
    """Take each measure in turn, `rounds` times: whatever else runs meets all alike."""
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for series, measure in zip(taken, measures, strict=True):
            series.append(measure())
    return tuple(tuple(series) for series in taken)


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the ratio of the medians of two interleaved series."""
    return statistics.median(ours) / statistics.median(theirs)


def program(name: str) -> str:
    """Return the path of a program beside the interpreter that runs this one."""
    return str(Path(sys.executable).with_name(name))
