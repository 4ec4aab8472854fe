"""Several reference limiters at once: a request is admitted where all admit it.

The burst that may come in a second and the sum that may come in an hour are kept side
by side. A replay of one limiter runs through by itself; here each is asked for what it
has free and told what was taken. Knows numbers. Must not know what was observed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tollproof.ratelimit.models import Groups, Model

#: Slack for sums of floating-point refills.
_EPSILON = 1e-9


class Machine(Protocol):
    """One limiter in the middle of its work; times never go back."""

    def free(self, at: float) -> int:
        """Return how many it would admit now."""

    def take(self, asked: int, admitted: int) -> None:
        """Enter what was asked at that moment and what all have admitted of it."""


@dataclass(slots=True)
class First:
    """Windows that begin with an admitted request."""

    limit: int
    window: float
    ends: float = -float("inf")
    used: int = 0
    at: float = 0.0

    def free(self, at: float) -> int:
        self.at = at
        return self.limit if at >= self.ends else self.limit - self.used

    def take(self, asked: int, admitted: int) -> None:
        if admitted and self.at >= self.ends:
            self.ends, self.used = self.at + self.window, 0
        self.used += admitted


@dataclass(slots=True)
class Clock:
    """Windows by the clock."""

    limit: int
    window: float
    phase: float
    number: int = -(1 << 60)
    used: int = 0

    def free(self, at: float) -> int:
        number = int((at - self.phase) // self.window)
        if number != self.number:
            self.number, self.used = number, 0
        return self.limit - self.used

    def take(self, asked: int, admitted: int) -> None:
        self.used += admitted


@dataclass(slots=True)
class Log:
    """What came in the window before; refused requests too, where they count."""

    limit: int
    window: float
    rejected: bool
    held: deque[tuple[float, int]] = field(default_factory=deque)
    used: int = 0
    at: float = 0.0

    def free(self, at: float) -> int:
        self.at = at
        while self.held and self.held[0][0] <= at - self.window:
            self.used -= self.held.popleft()[1]
        return self.limit - self.used

    def take(self, asked: int, admitted: int) -> None:
        counted = asked if self.rejected else admitted
        if counted:
            self.held.append((self.at, counted))
            self.used += counted


@dataclass(slots=True)
class Counter:
    """This window and a share of the one before, from the first request or a phase."""

    limit: float
    window: float
    rejected: bool
    phase: float | None
    number: int | None = None
    now: int = 0
    before: int = 0

    def free(self, at: float) -> int:
        if self.phase is None:
            self.phase = at
        position = (at - self.phase) / self.window
        number = floor(position)
        if number != self.number:
            follows = self.number is not None and number == self.number + 1
            self.before = self.now if follows else 0
            self.number, self.now = number, 0
        weighed = self.before * (1.0 - position + number)
        return floor(self.limit - weighed - self.now + _EPSILON)

    def take(self, asked: int, admitted: int) -> None:
        self.now += asked if self.rejected else admitted


@dataclass(slots=True)
class Bucket:
    """Tokens that come back evenly."""

    capacity: float
    rate: float
    tokens: float
    last: float = 0.0

    def free(self, at: float) -> int:
        since = (at - self.last) * self.rate
        self.tokens, self.last = min(self.capacity, self.tokens + since), at
        return int(self.tokens + _EPSILON)

    def take(self, asked: int, admitted: int) -> None:
        self.tokens -= admitted


def replay(machines: Sequence[Machine], groups: Groups) -> list[int]:
    """Return how many of each group all machines admit."""
    out = []
    for at, size in groups:
        take = size
        for one in machines:
            free = one.free(at)
            take = max(0, min(take, free))
        for one in machines:
            one.take(size, take)
        out.append(take)
    return out


def bucket_of(model: Model) -> Bucket:
    """Return a full bucket with a model's figures."""
    capacity = model.limit if model.capacity is None else model.capacity
    return Bucket(capacity, model.limit / model.window, capacity)
