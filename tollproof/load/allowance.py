"""What the sending process may do, held to by the process itself.

The runner checks a job against the profile's consent before it starts; this is the
second lock, in the process that owns the sockets, and it knows no exceptions.
Knows counts and clocks. Must not know sockets or schedules.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

SECOND = 1_000_000_000
_LONG_AGO = -(1 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The consent to put load on a target.

    Attributes:
        hosts: the (host, port) pairs that may be sent to, as the profile writes them.
        requests: how many requests may be sent in all.
        per_second: how many in any one second, wherever that second begins; 0 sets
            no bound.
        seconds: for how long, from the first instant of the schedule.
    """

    hosts: tuple[tuple[str, int], ...]
    requests: int
    per_second: int
    seconds: float

    def allows(self, host: str, port: int) -> bool:
        """Return whether the target is on the list."""
        return (host.lower(), port) in {(name.lower(), at) for name, at in self.hosts}


class Allowance:
    """Counts requests against a budget; one for each process.

    Attributes:
        used: requests let through so far.
        refused: requests that were not.
    """

    __slots__ = ("_end", "_last", "_paced", "_requests", "_slot", "refused", "used")

    def __init__(self, *, requests: int, per_second: int, end: int) -> None:
        """Allow `requests` until `end` (monotonic ns), `per_second` in any second."""
        self._requests = requests
        self._end = end
        self._last = array("q", [_LONG_AGO]) * max(1, min(per_second, requests))
        self._paced = per_second > 0
        self._slot = 0
        self.used = 0
        self.refused = 0

    def take(self, now: int) -> bool:
        """Return whether a request may be sent at `now` (monotonic ns), and count it.

        Exact: the time of the request `per_second` ago is remembered, so no second
        holds more than that many, however they are spread.
        """
        if self.used >= self._requests or now >= self._end:
            self.refused += 1
            return False
        if self._paced:
            slot = self._slot
            if now - self._last[slot] < SECOND:
                self.refused += 1
                return False
            self._last[slot] = now
            self._slot = (slot + 1) % len(self._last)
        self.used += 1
        return True

    def give_back(self) -> None:
        """Take back the last :meth:`take`: nothing was sent after all."""
        self.used -= 1
        if self._paced:
            self._slot = (self._slot - 1) % len(self._last)
            self._last[self._slot] = _LONG_AGO
