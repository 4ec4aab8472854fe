"""What processes that were forked from one another have in common.

Knows a file without a name and the system's record locks. Must not know what its
numbers count.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
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


@dataclass(slots=True)
class Figures:
    """What is written at a place.

    Attributes:
        moment: monotonic seconds, the same clock in all processes of a machine.
    """

    count: int
    moment: float


class Common:
    """Figures that one process at a time looks at and changes.

    Must be made before the fork. The locks belong to processes: the threads of one do
    not keep each other out, and one that dies lets go of what it held.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept open
        self._file.write(bytes(_FIGURES.size * len(Place)))

    @contextmanager
    def held(self, place: Place) -> Iterator[Figures]:
        """Keep other processes out of a place; what is changed in it is written."""
        file, offset = self._file.fileno(), place * _FIGURES.size
        fcntl.lockf(file, fcntl.LOCK_EX, _FIGURES.size, offset)
        try:
            figures = Figures(*_FIGURES.unpack(os.pread(file, _FIGURES.size, offset)))
            yield figures
            os.pwrite(file, _FIGURES.pack(figures.count, figures.moment), offset)
        finally:
            fcntl.lockf(file, fcntl.LOCK_UN, _FIGURES.size, offset)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
