"""Keeping what was observed: one process's part, in files of observations.

Files are begun afresh before the table of header values grows large, so that a load of
days needs no more memory than one of minutes. Knows clocks and the file format. Must
not know sockets or what a value means.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from time import monotonic_ns

from tollproof.load.job import LoadJob
from tollproof.ratelimit.observation import ROLES, TraceWriter

SECOND = 1_000_000_000

#: Observations in one file, header values of their own included.
ROWS_PER_FILE = 200_000
#: Connections break by the hundred at once; no more are kept than one in so many ns.
BREAKS_APART = 10_000_000
MOST_BREAKS = 1_000
FRESH_KEPT = 100_000


@lru_cache(1)
def clock_name() -> str:
    """Name this machine's monotonic clock: processes of one name share it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/time')}"
    except OSError:
        return f"{os.uname().nodename}/{time.time() - time.monotonic():.0f}"


def file_name(share: int, part: int) -> str:
    """The file that holds one part of one share's observations."""
    return f"observations-{share}-{part}.trace"


def wanted_headers(job: LoadJob) -> tuple[str, ...]:
    """The names of the recorded headers in the order of the roles; empty for none."""
    return tuple(job.headers.get(role, "") for role in ROLES)


class Recorder:
    """Writes one share's observations to `folder`.

    Attributes:
        observed: how many there are.
        parts: how many files.
        fresh: (status, ns from due to received) of those that nobody has taken yet;
            whoever watches takes them, and none are kept beyond some thousands.
    """

    def __init__(self, job: LoadJob, folder: Path, *, share: int) -> None:
        """Begin the first file.

        Raises:
            OSError: it exists or cannot be written.
        """
        phases = {shot.phase for shot in job.schedule.shots} if job.schedule else set()
        self._labels = [
            *("", job.operation, f"worker {share}", "sustained"),
            *job.keys,
            *sorted(phases),
            *(spec.name for spec in job.requests),
        ]
        self._folder = folder
        self._share = share
        self._rows_left = 0
        self._next_anchor = 0
        self._breaks, self._last_break = 0, 0
        self.observed = 0
        self.parts = 0
        self.fresh: list[tuple[int, int]] = []
        self._writer = self._begin()
        self.operation = self.label(job.operation)
        self.worker = self.label(f"worker {share}")

    def label(self, text: str) -> int:
        """Return a label's number: the same one in every file of the share."""
        return self._writer.label(text)

    def observe(
        self,
        *,
        key: int,
        phase: int,
        variant: int,
        shot: int,
        due: int,
        sent: int,
        received: int,
        status: int,
        values: Sequence[bytes | None],
        connection: int,
    ) -> None:
        """Keep one observation; times in monotonic ns."""
        writer = self._writer
        writer.append(
            key,
            phase,
            self.operation,
            variant,
            self.worker,
            shot,
            sent,
            received,
            status,
            writer.header_set(values),
            connection,
            sent - due,
        )
        self.fresh.append((status, received - due))
        if len(self.fresh) > FRESH_KEPT:
            self.fresh = []
        self.observed += 1
        self._rows_left -= 1
        if self._rows_left <= 0:
            self._finish()
            self._writer = self._begin()

    def tick(self, now: int) -> None:
        """Stamp both clocks once a second, and let what is held back reach the file."""
        if now >= self._next_anchor:
            self._next_anchor = now + SECOND
            self._stamp()
            self._writer.flush()

    def gap(self, start: int, end: int) -> None:
        """Keep a time in which the process attended to nothing."""
        self._writer.gap(start, end)

    def broke(self, at: int) -> None:
        """Keep the moment at which the target refused or ended a connection."""
        if self._breaks < MOST_BREAKS and at - self._last_break >= BREAKS_APART:
            self._breaks, self._last_break = self._breaks + 1, at
            self._writer.broke(at)

    def note(self, name: str, value: str) -> None:
        """Keep a pair of texts."""
        self._writer.note(name, value)

    def close(self) -> None:
        """Write the rest; may be called again."""
        self._finish()

    def _begin(self) -> TraceWriter:
        path = self._folder / file_name(self._share, self.parts)
        writer = TraceWriter(path, host=clock_name())
        self.parts += 1
        self._rows_left = ROWS_PER_FILE
        for text in self._labels:
            writer.label(text)
        self._writer = writer
        self._stamp()
        writer.flush()
        return writer

    def _finish(self) -> None:
        if self._rows_left >= 0:
            self._rows_left = -1
            self._stamp()
            self._writer.close()

    def _stamp(self) -> None:
        # The pair is as good as the time between two readings of one clock: of three
        # tries the tightest is kept.
        best, pair = 1 << 62, (0, 0.0)
        for _ in range(3):
            before, unix, after = monotonic_ns(), time.time(), monotonic_ns()
            if after - before < best:
                best, pair = after - before, ((before + after) // 2, unix)
        self._writer.anchor(*pair)
