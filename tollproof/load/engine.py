"""The loop that owns the connections: sends at exact times, stamps what comes back.

A plain epoll loop. Inside Locust it runs in a User's greenlet and hands the process
back to gevent for a moment every few milliseconds (`pause`); everywhere else it needs
no gevent at all. Knows connections, clocks and the allowance. Must not know which
requests are sent or when: a :class:`Driver` does.
"""

from __future__ import annotations

import select
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, Protocol

from tollproof.load.allowance import Allowance
from tollproof.load.answer import Answer, Malformed, Reader, Stream
from tollproof.load.connection import READ, WRITE, Address, Closed, Connection, State
from tollproof.load.sentinel import Sentinel

MILLISECOND = 1_000_000
NEVER = 1 << 62
#: Not sent: the allowance does not cover it, or the connection had ended.
REFUSED, GONE = 0, -1

#: From here to the next due time the loop spins: the system's timers are coarser.
SPIN = 1_500_000
#: No other greenlet gets the process when a request is due within this time …
QUIET = 400_000
#: … unless it had to wait this long already: heartbeats must go out.
PAUSE_EVERY, PAUSE_AT_LAST = 4 * MILLISECOND, 100 * MILLISECOND
#: How often requests under way are looked over for their deadline.
SWEEP = 25 * MILLISECOND
#: Connections begun in one turn, so that opening many delays nothing else for long.
OPENED_PER_TURN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one exchange.

    Attributes:
        timeout: seconds from sending to the last byte of the response.
        connect: seconds to open a connection, TLS included.
        response: most bytes of a response that are read.
    """

    timeout: float = 10.0
    connect: float = 5.0
    response: int = 1_048_576


class Driver(Protocol):
    """Decides what is sent; the engine calls it and it calls the engine."""

    due: int  #: monotonic ns at which :meth:`act` wants to be called next, or NEVER
    finished: bool

    def act(self, now: int) -> None:
        """Send what is due, and set `due` anew."""

    def opened(self, connection: Connection) -> None:
        """A connection is ready."""

    def unopened(self, group: Any, how: str) -> None:
        """A connection that was asked for could not be opened."""

    def answered(
        self, connection: Connection, answer: Answer, head: int, at: int
    ) -> None:
        """A request was answered; the connection is idle or closed by now.

        `head` is an upper bound of when the answer's head came, `at` of its last byte.
        """

    def failed(self, connection: Connection, how: str, at: int) -> None:
        """A request under way will have no answer; the connection is closed.

        `connection.state` is CLOSED, `connection.written` says whether the target
        has all of the request, `connection.stream` holds what of an answer there was.
        """

    def lost(self, connection: Connection) -> None:
        """An idle or held connection was ended by the target; it is closed."""

    def halt(self) -> None:
        """Send nothing more, and be finished when what is under way is settled."""


class Poller(Protocol):
    """What `select.epoll` offers, as far as it is used."""

    def register(self, fd: int, mask: int, /) -> object: ...
    def modify(self, fd: int, mask: int, /) -> object: ...
    def unregister(self, fd: int, /) -> object: ...
    def poll(self, timeout: float, /) -> list[tuple[int, int]]: ...
    def close(self) -> object: ...


class PollPoller:
    """`select.poll` with epoll's manners, for systems that have no epoll."""

    def __init__(self, poll: Any) -> None:
        self._poll = poll
        self.register, self.modify = poll.register, poll.modify
        self.unregister = poll.unregister

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = self._poll.poll(timeout * 1000)
        return found

    def close(self) -> None:
        """Nothing to close: the system keeps no state."""


def system_poller() -> Poller:
    """Return the system's best poller (in a process that gevent has not patched)."""
    if hasattr(select, "epoll"):
        return select.epoll()
    return PollPoller(select.poll())


class Engine:
    """Connections of one process to one target.

    Attributes:
        begun: how many connections were begun.
        stopping: set by others to have the driver halted.
    """

    def __init__(
        self,
        *,
        address: Address,
        context: ssl.SSLContext | None,
        reader: Reader,
        limits: Limits,
        allowance: Allowance,
        sentinel: Sentinel,
        poller: Poller,
        pause: Callable[[], object] | None = None,
    ) -> None:
        self.address = address
        self.allowance = allowance
        self.sentinel = sentinel
        self.stopping = False
        self.begun = 0
        self._context = context
        self._reader = reader
        self._limits = limits
        self._poller = poller
        self._pause = pause
        self._timeout = int(limits.timeout * 1e9)
        self._connect = int(limits.connect * 1e9)
        self._by_fd: dict[int, Connection] = {}
        self._opening: deque[tuple[Any, Address]] = deque()
        self._deadlines: dict[Connection, int] = {}

    # -- what drivers call -------------------------------------------------------------

    def open(self, group: Any, address: Address | None = None) -> None:
        """Ask for a connection; `opened` or `unopened` follows."""
        self._opening.append((group, address or self.address))

    def send(self, connection: Connection, request: bytes, *, head: bool) -> int:
        """Send a request on an idle connection; return when, in monotonic ns.

        `head` says that it is a HEAD request. Having sent nothing, it returns
        :data:`REFUSED` when the allowance does not cover the request, and
        :data:`GONE` when the connection had ended, which is closed then.
        """
        now = monotonic_ns()
        if not self.allowance.take(now):
            return REFUSED
        self._prepare(connection, head)
        try:
            connection.send(request)
        except Closed:
            self.allowance.give_back()
            self.close(connection)
            return GONE
        if not connection.written:
            self._poller.modify(connection.fd, READ | WRITE)
        self._deadlines[connection] = now + self._timeout
        return now

    def hold(self, connection: Connection, request: bytes, *, head: bool) -> bool:
        """Send all but the end of a request's head; return whether that went well."""
        self._prepare(connection, head)
        try:
            connection.hold(request)
        except Closed:
            self.close(connection)
            return False
        if not connection.written:
            self._poller.modify(connection.fd, READ | WRITE)
        return True

    def release(self, connections: list[Connection]) -> list[int]:
        """Complete held requests, one close after the other.

        Returns when each was, in monotonic ns, or :data:`REFUSED` or :data:`GONE`
        for one that was not sent; its connection is closed then.
        """
        clock, began = monotonic_ns, monotonic_ns()
        # Everything but the writes is done before or after them.
        times = [
            GONE
            if connection.state is not State.HELD
            else began
            if self.allowance.take(began)
            else REFUSED
            for connection in connections
        ]
        for index, connection in enumerate(connections):
            if times[index] > 0:
                times[index] = clock()
                try:
                    connection.release()
                except Closed:
                    self.allowance.give_back()
                    times[index] = GONE
        for connection, sent in zip(connections, times, strict=True):
            if sent <= 0:
                self.close(connection)
            else:
                self._deadlines[connection] = sent + self._timeout
                if not connection.written:
                    self._poller.modify(connection.fd, READ | WRITE)
        return times

    def close(self, connection: Connection) -> None:
        """Close a connection and forget it; may be called again."""
        if connection.state is State.CLOSED:
            return
        self._deadlines.pop(connection, None)
        del self._by_fd[connection.fd]
        self._poller.unregister(connection.fd)
        connection.close()

    def _prepare(self, connection: Connection, head: bool) -> None:
        connection.written = True
        connection.stream = (
            Stream(self._reader, limit=self._limits.response, bodiless=True)
            if head
            else None
        )

    # -- the loop ----------------------------------------------------------------------

    def run(self, driver: Driver) -> None:
        """Serve the driver until it is finished; :attr:`stopping` halts it early."""
        poll, clock, by_fd = self._poller.poll, monotonic_ns, self._by_fd
        whole, deadlines = self._reader.whole, self._deadlines
        busy, idle = State.BUSY, State.IDLE
        threshold = self.sentinel.threshold
        paused = swept = turn = clock()
        while not driver.finished:
            if self.stopping:
                self.stopping = False
                driver.halt()
            ahead = driver.due - turn
            if ahead <= 0:
                driver.act(turn)
                ahead = driver.due - clock()
            if self._opening:
                self._open_some(driver)
                asked = 0
            elif ahead < SPIN:
                asked = 0
            else:
                asked = MILLISECOND
            events = poll(asked / 1e9)
            now = clock()
            if now - turn - asked > threshold:
                self.sentinel.gap(turn, now)
            turn = now
            for fd, mask in events:
                connection = by_fd.get(fd)
                if connection is None:
                    continue
                if connection.state is busy and mask == READ and connection.written:
                    # The common case, in line: one read brings one whole answer. That
                    # it was readable before `now` makes `now` an upper bound.
                    try:
                        data = connection.receive()
                    except Closed as reason:
                        self._ended(connection, driver, str(reason))
                        continue
                    if connection.stream is None:
                        answer = whole(data)
                        if answer is not None:
                            del deadlines[connection]
                            if answer.reusable:
                                connection.state = idle
                            else:
                                self.close(connection)
                            driver.answered(connection, answer, now, now)
                            continue
                    self._fed(connection, driver, data)
                else:
                    self._event(connection, driver, mask)
            if now - swept > SWEEP:
                swept = now
                self._sweep(driver, now)
            since = now - paused
            if since > PAUSE_EVERY and self._pause is not None:
                ahead = driver.due - clock()
                if ahead > QUIET or since > PAUSE_AT_LAST:
                    self._pause()
                    paused = clock()

    def abandon(self, driver: Driver) -> None:
        """Close what is under way; each request on it has an unknown outcome."""
        now = monotonic_ns()
        for connection in list(self._by_fd.values()):
            if connection.state is State.BUSY:
                self.close(connection)
                driver.failed(connection, "abandoned", now)

    def shut(self) -> None:
        """Close every connection and the poller."""
        for connection in list(self._by_fd.values()):
            self.close(connection)
        self._opening.clear()
        self._poller.close()

    # -- events off the common path ----------------------------------------------------

    def _open_some(self, driver: Driver) -> None:
        for _ in range(min(OPENED_PER_TURN, len(self._opening))):
            group, address = self._opening.popleft()
            self.begun += 1
            try:
                connection = Connection(self.begun, address, context=self._context)
            except OSError as error:
                driver.unopened(group, error.strerror or "socket")
                continue
            connection.group = group
            self._by_fd[connection.fd] = connection
            self._poller.register(connection.fd, WRITE)
            self._deadlines[connection] = monotonic_ns() + self._connect

    def _event(self, connection: Connection, driver: Driver, mask: int) -> None:
        if connection.state is State.OPENING:
            try:
                wanted = connection.advance()
            except Closed as reason:
                self.close(connection)
                driver.unopened(connection.group, str(reason))
                return
            self._poller.modify(connection.fd, wanted or READ)
            if not wanted:
                del self._deadlines[connection]
                driver.opened(connection)
            return
        try:
            if mask & WRITE and not connection.written and connection.flush():
                self._poller.modify(connection.fd, READ)
            data = connection.receive() if mask & ~WRITE else b""
        except Closed as reason:
            self._ended(connection, driver, str(reason))
            return
        if connection.state is State.BUSY:
            if data:
                self._fed(connection, driver, data)
        elif data:  # bytes nobody asked for, or an answer to half a request
            self.close(connection)
            driver.lost(connection)

    def _fed(self, connection: Connection, driver: Driver, data: bytes) -> None:
        """Take bytes of an answer that is not whole or not plain."""
        if not data:
            return
        if connection.stream is None:
            connection.stream = Stream(self._reader, limit=self._limits.response)
        stream: Stream = connection.stream
        fault = ""
        try:
            stream.feed(data)
        except Malformed as error:
            fault = f"malformed: {error}"
        now = monotonic_ns()
        if stream.head and not stream.head_at:
            stream.head_at = now
        if fault:
            self.close(connection)
            driver.failed(connection, fault, now)
        elif stream.done:
            self._deadlines.pop(connection, None)
            # An answer given before the whole request was out leaves the
            # connection in no state to carry another.
            if stream.answer.reusable and connection.written:
                connection.state = State.IDLE
            else:
                self.close(connection)
            driver.answered(connection, stream.answer, stream.head_at, now)

    def _ended(self, connection: Connection, driver: Driver, how: str) -> None:
        """Take the end of a connection, whichever side of a request it falls on."""
        stream: Stream | None = connection.stream
        busy = connection.state is State.BUSY
        now = monotonic_ns()
        self.close(connection)
        if not busy:
            driver.lost(connection)
        elif stream is not None and stream.end():
            driver.answered(connection, stream.answer, stream.head_at, now)
        else:
            driver.failed(connection, how, now)

    def _sweep(self, driver: Driver, now: int) -> None:
        late = [one for one, at in self._deadlines.items() if at < now]
        for connection in late:
            opening = connection.state is State.OPENING
            self.close(connection)
            if opening:
                driver.unopened(connection.group, "timeout")
            else:
                driver.failed(connection, "timeout", now)
