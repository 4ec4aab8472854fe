"""Processes that share the work of this one, and tell it what they find.

Knows fork, pipes and signals. Must not know the work. A fork costs milliseconds where
another start of Python costs a second, but it takes along locks that threads hold: it
is for processes that have none.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

#: Lines on their way, in bytes; past it a process waits until it is listened to.
_PIPE = 1 << 20

#: Tells a line to the process that one was forked from.
Say = Callable[[str], None]


def can_fork() -> bool:
    """Whether a fork of this process would find every lock open."""
    return threading.active_count() == 1


class Fork:
    """A forked process, as seen from the one that it was forked from.

    Args:
        work: what it does; it may end at any line.

    Attributes:
        source: a descriptor from which it can be read when there is something.
        speaks: whether there may be more to be heard.
    """

    def __init__(self, work: Callable[[Say], None]) -> None:
        self.source, mouth = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(mouth, fcntl.F_SETPIPE_SZ, _PIPE)
        self.speaks = True
        self._read = bytearray()
        self._process = os.fork()
        if self._process == 0:
            os.close(self.source)
            _work(work, mouth)
        os.close(mouth)
        os.set_blocking(self.source, False)

    def heard(self) -> Iterator[str]:
        """Yield the lines that have arrived, without waiting for more."""
        while self.speaks:
            try:
                data = os.read(self.source, _PIPE)
            except BlockingIOError:
                break
            self.speaks = bool(data)
            self._read += data
        *whole, rest = self._read.split(b"\n")
        self._read = bytearray(rest)
        yield from (line.decode() for line in whole)

    def interrupt(self) -> None:
        """Have it end in good order."""
        os.kill(self._process, signal.SIGTERM)

    def end(self) -> None:
        """See it end; one that still speaks is not waited for."""
        os.close(self.source)
        if self.speaks:
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def some_speak(forks: Sequence[Fork], *, until: float | None = None) -> bool:
    """Wait until one of them has something to say or ends; False when all have.

    Args:
        until: monotonic seconds past which it is not waited, and the answer is False.
    """
    speaking = [fork.source for fork in forks if fork.speaks]
    left = None if until is None else until - time.monotonic()
    if not speaking or (left is not None and left <= 0):
        return False
    select.select(speaking, [], [], left)
    return True


def beside(task: Callable[[], str]) -> Callable[[], str]:
    """Begin a task in a forked process; return what waits for its result.

    Where nothing can be forked, or it came to nothing there, it is done here after all.
    """
    if not can_fork():
        return task
    fork = Fork(lambda say: say(json.dumps(task())))

    def result() -> str:
        told: list[str] = []
        while some_speak([fork]):
            told += fork.heard()
        fork.end()
        return str(json.loads(told[0])) if told else task()

    return result


def _work(work: Callable[[Say], None], mouth: int) -> None:
    """Work, and end as a process whatever happens: nothing here may return."""
    try:
        # Ctrl-C is for the process that we work for, which ends us when it does.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _end_in_order)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                os.dup2(nothing, stream.fileno())
        work(lambda line: _say(mouth, line))
    finally:
        os._exit(0)


def _say(mouth: int, line: str) -> None:
    unsent = memoryview(line.encode() + b"\n")
    while unsent:
        unsent = unsent[os.write(mouth, unsent) :]


def _end_in_order(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
