"""What processes that were forked from one another have in common.

Knows files without a name and the system's record locks. Must not know what its numbers
count, nor what its lines say; those may be secrets, and are kept in memory only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

_FIGURES = struct.Struct("=qd")


class Place(IntEnum):
    """What is had in common; a new process begins with noughts in each."""

    ACCOUNT = 0
    DRAWER = 1
    TURN = 2
    STATE = 3


@dataclass(slots=True)
class Figures:
    """What is written at a place.

    Attributes:
        moment: monotonic seconds, the same clock in all processes of a machine.
    """

    count: int
    moment: float


def is_possible() -> bool:
    """Whether the system has files that lie in memory (Linux has)."""
    return hasattr(os, "memfd_create")


class Common:
    """Figures that one process at a time looks at and changes, and lines for all.

    Must be made before the fork. The locks belong to processes: the threads of one do
    not keep each other out, and one that dies lets go of what it held.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: Counter[Place] = Counter()
        self._held: set[Place] = set()
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept open
        self._file.write(bytes(_FIGURES.size * len(Place)))
        self._lines = os.memfd_create("tollproof")
        fcntl.fcntl(self._lines, fcntl.F_SETFL, os.O_APPEND)
        self._read = 0

    @contextmanager
    def held(self, place: Place) -> Iterator[Figures]:
        """Keep other processes out of a place; what is changed in it is written."""
        file, offset = self._file.fileno(), place * _FIGURES.size
        self._apply(fcntl.LOCK_EX, place)
        try:
            figures = Figures(*_FIGURES.unpack(os.pread(file, _FIGURES.size, offset)))
            self._held.add(place)
            yield figures
            os.pwrite(file, _FIGURES.pack(figures.count, figures.moment), offset)
        finally:
            self._held.discard(place)
            self._apply(fcntl.LOCK_UN, place)

    @contextmanager
    def entered(self, place: Place) -> Iterator[None]:
        """Be in a place with others, threads or processes, while nobody holds it.

        Who holds it may enter it as well.
        """
        with self._lock:
            self._inside[place] += 1
            if self._inside[place] == 1 and place not in self._held:
                self._apply(fcntl.LOCK_SH, place)
        try:
            yield
        finally:
            with self._lock:
                self._inside[place] -= 1
                if not self._inside[place] and place not in self._held:
                    self._apply(fcntl.LOCK_UN, place)

    def _apply(self, operation: int, place: Place) -> None:
        size = _FIGURES.size
        while True:
            try:
                fcntl.lockf(self._file.fileno(), operation, size, place * size)
            except OSError as error:
                # The system looks for deadlocks among processes: it takes one thread
                # that waits for a place and another that holds a second place for one
                # that does both. The other lets go in a moment.
                if error.errno != errno.EDEADLK:
                    raise
                time.sleep(0.001)
            else:
                return

    def tell(self, line: bytes) -> None:
        """Let all processes know."""
        os.write(self._lines, line + b"\n")

    def news(self) -> list[bytes]:
        """Return the lines told since this process asked last, its own among them."""
        with self._lock:
            size = os.fstat(self._lines).st_size
            data = os.pread(self._lines, size - self._read, self._read)
            self._read += len(data)
        return data.splitlines()

    def close(self) -> None:
        """Let go of the files."""
        self._file.close()
        os.close(self._lines)
