"""Checks spread over processes, which are forked when all is imported and collected.

Knows who takes what, and how results come back. Must not know what a check does. Only
checks that ask nothing of pytest are spread; a result that does not come back is no
result, and whoever called runs that check itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby

import pytest

from tollproof.common import Common, Place
from tollproof.model import Result, from_json, to_json
from tollproof.pytest_plugin.judging import direct_arguments, judged
from tollproof.session import Session

#: Seconds that a process has to remove what it has created, when the run is ended.
PATIENCE = 30.0
#: Results on their way, in bytes; past it a process waits until it is listened to.
_PIPE = 1 << 20

Items = Sequence[pytest.Function]
#: Told of each result: the item, its result, and whether it is written down already.
Told = Callable[[pytest.Function, Result, bool], None]


#: Where pytest keeps the processes of a run that has several.
SPREAD = pytest.StashKey["Spread"]()


class Spread:
    """Processes that run items between them; this one takes part.

    Made before anything is sent and before any thread is started: what is forked later
    would take locks along that nobody opens any more.

    Attributes:
        ran: whether :meth:`run` was called.
        told: the items whose results have been told.
    """

    def __init__(self, session: Session, items: Items) -> None:
        self.ran = False
        self.told = set[pytest.Item]()
        self._session = session
        self._groups = _groups(items)
        self._common = Common()
        session.deployment.share(self._common)
        # Nobody takes any before this process has let go.
        self._begun = ExitStack()
        self._begun.enter_context(self._common.held(Place.TURN))
        self._helpers = [
            _Helper(self._work, f"fork{number}")
            for number in range(1, session.processes)
        ]

    def run(self, first: Items, told: Told) -> None:
        """Run all items, here and there, and tell of every result.

        When this is interrupted the others end as well, and what they had found by
        then is told.

        Args:
            first: further items, which are run here before any other.
        """
        self.ran, ended = True, False
        try:
            with self._begun:
                self._run(first, told)
            self._run(self._taken(), told)
            ended = True
        finally:
            deadline = None if ended else time.monotonic() + PATIENCE
            for helper in self._helpers:
                if not ended:
                    helper.interrupt()
            while any(helper.speaks for helper in self._helpers):
                left = deadline and deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                _wait(self._helpers, left)
                self._listen(told)
            for helper in self._helpers:
                helper.end()

    def close(self) -> None:
        """Let go of what the processes had in common."""
        self._common.close()

    def _run(self, items: Iterable[pytest.Function], told: Told) -> None:
        for item in items:
            told(item, _result(item, self._session), False)
            self.told.add(item)
            self._listen(told)

    def _listen(self, told: Told) -> None:
        for helper in self._helpers:
            for group, place, result in helper.heard():
                item = self._groups[group][place]
                told(item, result, True)
                self.told.add(item)

    def _work(self, name: str, say: Callable[[str], None]) -> None:
        """Run items in a forked process."""
        session = self._session
        session.begin_anew(name)
        places = {
            item: (number, place)
            for number, group in enumerate(self._groups)
            for place, item in enumerate(group)
        }
        try:
            for item in self._taken():
                result = _result(item, session)
                session.keep(result)
                say(json.dumps([*places[item], to_json(result)]))
        finally:
            session.tidy_worker()

    def _taken(self) -> Iterator[pytest.Function]:
        """Yield the items of one group after another that nobody else has taken."""
        while True:
            with self._common.held(Place.TURN) as figures:
                number = figures.count
                figures.count += 1
            if number >= len(self._groups):
                return
            yield from self._groups[number]


def _groups(items: Items) -> list[Items]:
    """Return the items of each check, in order: what they find out is asked once."""
    return [list(group) for _, group in groupby(items, key=_function)]


def _function(item: pytest.Function) -> object:
    return item.function


def _result(item: pytest.Function, session: Session) -> Result:
    return judged(item, session, direct_arguments(item, session))


def _wait(helpers: Sequence[_Helper], seconds: float | None) -> None:
    speaking = [helper.source for helper in helpers if helper.speaks]
    select.select(speaking, [], [], seconds)


class _Helper:
    """A forked process, as seen from the one that it was forked from.

    Args:
        work: what it does: given its name, and whom to tell of what it finds.
    """

    def __init__(
        self, work: Callable[[str, Callable[[str], None]], None], name: str
    ) -> None:
        self.source, mouth = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(mouth, fcntl.F_SETPIPE_SZ, _PIPE)
        self._read = bytearray()
        self.speaks = True
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.source)
            _forked(work, name, mouth)
        os.close(mouth)
        os.set_blocking(self.source, False)

    def heard(self) -> Iterator[tuple[int, int, Result]]:
        """Yield what has arrived, whole; nothing after the end is in sight."""
        while self.speaks:
            try:
                data = os.read(self.source, _PIPE)
            except BlockingIOError:
                break
            self.speaks = bool(data)
            self._read += data
        *whole, rest = self._read.split(b"\n")
        self._read = bytearray(rest)
        for line in whole:
            group, place, result = json.loads(line)
            yield group, place, from_json(Result, result)

    def interrupt(self) -> None:
        """Have it end in good order."""
        os.kill(self._pid, signal.SIGTERM)

    def end(self) -> None:
        """See it end; one that still speaks is not waited for."""
        os.close(self.source)
        if self.speaks:
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _forked(
    work: Callable[[str, Callable[[str], None]], None], name: str, mouth: int
) -> None:
    """Work, and end as a process whatever happens: nothing here may return."""
    try:
        # Ctrl-C is for the run, which ends us when it does.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _end_in_order)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                os.dup2(nothing, stream.fileno())
        with open(mouth, "wb", buffering=0) as voice:
            work(name, lambda line: _say(voice.fileno(), line))
    finally:
        os._exit(0)


def _say(mouth: int, line: str) -> None:
    unsent = memoryview(line.encode() + b"\n")
    while unsent:
        unsent = unsent[os.write(mouth, unsent) :]


def _end_in_order(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
