"""Steady probes with one key, from a thread of its own.

Knows when to ask: close together while a change is awaited, calmly otherwise, and never
with more probes in flight than were consented to. Must not know what the answers mean
for any promise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from tollproof.errors import Undetermined
from tollproof.rotation.delay import STEADY
from tollproof.rotation.observation import Answer, Observation
from tollproof.rotation.pace import Pace


class Ask(Protocol):
    """Sends one probe and says what came of it."""

    def __call__(self, number: int) -> Observation:
        """Send the probe of this number, counted from 0.

        Raises:
            Undetermined: nothing more can be asked.
        """
        ...


class Track:
    """The answers to one key over time.

    Args:
        ask: sends one probe.
        pace: how often.
        gate: is passed for the length of each probe; holds as many as may be in flight.

    Attributes:
        seen: what was observed so far, in order of sending.
        problem: why it ended by itself, if it did.
    """

    def __init__(self, ask: Ask, pace: Pace, gate: threading.Semaphore) -> None:
        self.seen: list[Observation] = []
        self.problem: Undetermined | None = None
        self._ask, self._pace, self._gate = ask, pace, gate
        self._ended = False
        self._awaited: Answer | None = None
        self._until = 0.0
        self._settled = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self, awaited: Answer | None = None, seconds: float = 0.0) -> Track:
        """Begin to ask; see :meth:`wait_for` for the arguments."""
        if awaited is not None:
            self._expect(awaited, seconds)
        self._thread.start()
        return self

    def expect(self, awaited: Answer, seconds: float) -> None:
        """Ask closely, from now on, until an answer has settled or time is over."""
        self._expect(awaited, seconds)
        self._wake.set()

    def slow(self, factor: float) -> None:
        """Ask more seldom from now on."""
        self._pace = replace(self._pace, calm=factor * self._pace.calm)

    def wait(self, seconds: float) -> bool:
        """Wait until what is expected has settled; say whether it has."""
        return self._settled.wait(max(0.0, seconds))

    def end(self) -> None:
        """Ask no more, and wait for the answer that is still to come."""
        self._ended = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _expect(self, awaited: Answer, seconds: float) -> None:
        self._settled.clear()
        self._until = time.perf_counter() + seconds
        self._awaited = awaited

    def _watch(self) -> None:
        number, due = 0, time.perf_counter()
        while not self._ended:
            try:
                with self._gate:
                    self.seen.append(self._ask(number))
            except Undetermined as problem:
                self.problem = problem
                self._settled.set()
                return
            number += 1
            near = self._is_awaiting()
            due = max(due + (self._pace.near if near else self._pace.calm), _now())
            if self._wake.wait(due - _now()):
                self._wake.clear()
                due = _now()

    def _is_awaiting(self) -> bool:
        awaited = self._awaited
        if awaited is None:
            return False
        last = self.seen[-STEADY:]
        if len(last) == STEADY and all(item.answer is awaited for item in last):
            self._awaited = None
            self._settled.set()
        return self._awaited is not None and _now() < self._until


def _now() -> float:
    return time.perf_counter()


def at_once(*steps: Callable[[], None]) -> None:
    """Take steps at the same time, as far as threads can, and wait for all of them.

    Raises:
        Undetermined: the first of those that a step raised.
    """
    together = threading.Barrier(len(steps))
    problems: list[Undetermined] = []

    def take(step: Callable[[], None]) -> None:
        together.wait()
        try:
            step()
        except Undetermined as problem:
            problems.append(problem)

    threads = [threading.Thread(target=take, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
