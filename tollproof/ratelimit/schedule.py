"""The plan of a measurement: which key sends how many requests, and exactly when.

Known before anything is sent, plain JSON, executed by someone else. Times are seconds
from the start of the run. Knows numbers. Must not know sockets, headers or verdicts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tollproof.model import from_json, to_json


class Cue(StrEnum):
    """What decides the moment of a shot."""

    CLOCK = "clock"
    """`at` seconds after the start."""
    RETRY_AFTER = "retry_after"
    """The last refusal of an earlier shot: when it was received, plus what its
    Retry-After says, plus `delay`. Left out when there was no readable one."""
    RESET = "reset"
    """The moment that the Reset of the last answer of an earlier shot names, plus
    `delay`; `at` when there is no readable one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """Some requests of one key, sent together or evenly spread.

    Requests go out at their times whether or not earlier ones have been answered.

    Attributes:
        number: its place in the schedule, from 0; recorded with each observation.
        at: when the first is sent, seconds from the start.
        count: how many.
        seconds: the time over which they are spread: request i goes out at
            `at + seconds * i / count`. 0 is a synchronised burst: everything but the
            last byte of each is on the wire before `at`, the last bytes follow at once.
        connections: over how many connections they are spread, in turn.
        fresh: whether those connections are opened for this shot (before `at`, and
            nothing else is sent on them); otherwise they come from the key's pool.
        variant: how the request differs from the plain one: `plain`, or a name
            the executor knows.
        cue: what decides the moment; `at` is the estimate for every other cue.
        follows: for a cue other than CLOCK, the number of the shot whose answers
            decide. That shot is over (answered) before this one is due.
        delay: added to the moment that the cue gives, in seconds; may be negative.
        earliest, latest: between which the moment a cue names (before `delay` is
            added) must lie, seconds from the start. Otherwise RETRY_AFTER is left
            out and RESET falls back to `at`.
        period: when above 0, a moment named before `earliest` is moved on by whole
            periods: of a window that repeats, any edge will do.
        until_refused: when above 0, go on past `count` at the same rate, each request
            on a fresh connection, until that many refusals in a row were seen, `most`
            requests were sent, or `patience` seconds have passed since its first.
        most, patience: the bounds of that.
    """

    number: int
    key: str
    phase: str
    at: float
    count: int
    seconds: float = 0.0
    connections: int = 1
    fresh: bool = False
    variant: str = "plain"
    cue: Cue = Cue.CLOCK
    follows: int = -1
    delay: float = 0.0
    earliest: float = 0.0
    latest: float = 0.0
    period: float = 0.0
    until_refused: int = 0
    most: int = 0
    patience: float = 0.0

    @property
    def ends(self) -> float:
        """When its last request is sent, at the latest that is planned."""
        last = self.at
        if self.cue is not Cue.CLOCK:
            last = max(last, self.latest + self.delay)
        return last + self.seconds

    def due(self, told: float | None) -> float | None:
        """Return when to send, or None to leave the shot out.

        Args:
            told: the moment the cue names, seconds from the start, without `delay`;
                None when nothing readable was said.
        """
        if self.cue is Cue.CLOCK:
            return self.at
        fallback = self.at if self.cue is Cue.RESET else None
        if told is None:
            return fallback
        if told < self.earliest and self.period > 0:
            told += self.period * math.ceil((self.earliest - told) / self.period)
        if not self.earliest <= told <= self.latest:
            return fallback
        return told + self.delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What some shots of one key are for."""

    name: str
    key: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All shots of a measurement, ordered by time.

    Attributes:
        limit, window: the promise it was made for.
        keys: labels of the keys it needs, in the order they were given.
        untested: what this schedule cannot show, as sentences.
        seconds: from the first request to the last answer that is waited for.
    """

    limit: int
    window: float
    keys: tuple[str, ...]
    phases: tuple[Phase, ...]
    shots: tuple[Shot, ...]
    seconds: float
    untested: tuple[str, ...] = ()

    @property
    def requests(self) -> int:
        """How many requests are planned."""
        return sum(shot.count for shot in self.shots)

    @property
    def most_requests(self) -> int:
        """How many there are at most, when every extension is used up."""
        return sum(max(shot.count, shot.most) for shot in self.shots)

    def to_json(self) -> str:
        """Return the schedule as a JSON text."""
        return json.dumps({"version": 1, **to_json(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: the text is not a schedule of this version.
        """
        data: Mapping[str, Any] = json.loads(text)
        if not isinstance(data, dict) or data.get("version") != 1:
            raise ValueError("not a schedule of version 1")
        return from_json(cls, data)
