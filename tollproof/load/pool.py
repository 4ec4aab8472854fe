"""Connections kept ready: opened before they are needed, replaced before they go stale.

Knows connections and the engine. Must not know schedules.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from tollproof.load.connection import Address, Connection, State
from tollproof.load.engine import Engine

#: A connection idle for longer is not used again: servers close theirs after two
#: seconds and more, and a request written into a closing connection tells nothing.
STALE = 1_500_000_000

W = TypeVar("W")


class Pool(Generic[W]):
    """Connections for the same use; `waiting` holds requests that found none.

    Attributes:
        size: connections open, being opened or in use.
        single: whether each carries one request only.
        closed: whether connections that still open are not wanted any more.
    """

    __slots__ = (
        "_address",
        "_engine",
        "_most",
        "closed",
        "idle",
        "single",
        "size",
        "waiting",
    )

    def __init__(
        self,
        engine: Engine,
        *,
        address: Address | None = None,
        most: int = 512,
        single: bool = False,
    ) -> None:
        self._engine = engine
        self._address = address
        self._most = most
        self.single = single
        self.closed = False
        self.idle: deque[Connection] = deque()
        self.waiting: deque[W] = deque()
        self.size = 0

    def grow(self, number: int) -> None:
        """Open so many more, within the bound."""
        for _ in range(min(number, self._most - self.size)):
            self.size += 1
            self._engine.open(self, self._address)

    def want(self, number: int, now: int) -> None:
        """See that so many connections are there, the stale ones not counted."""
        self.refresh(now)
        self.grow(number - self.size)

    def refresh(self, now: int) -> None:
        """Replace the idle connections that would be stale when needed."""
        while self.idle and (
            self.idle[0].state is not State.IDLE or now - self.idle[0].load > STALE
        ):
            connection = self.idle.popleft()
            if connection.state is State.IDLE:
                self._engine.close(connection)
                self.size -= 1
                self.grow(1)

    def take(self) -> Connection | None:
        """Return the connection that has been idle the longest, or None."""
        while self.idle:
            connection = self.idle.popleft()
            if connection.state is State.IDLE:
                return connection
        return None

    def give(self, connection: Connection, now: int) -> None:
        """Put an idle connection back."""
        connection.load = now
        self.idle.append(connection)

    def close(self) -> None:
        """Close what is idle now, and what opens or comes back later."""
        self.closed = True
        while connection := self.take():
            self._engine.close(connection)
            self.size -= 1
