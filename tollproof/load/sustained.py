"""Driving a sustained load: requests leave when they are due, whoever is still waiting.

Open-loop: when every connection is busy a request waits for one, and its wait counts,
because it is measured from when it was due. Knows arrivals and connections. Must not
know what an answer says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count, cycle, product
from time import monotonic_ns

from tollproof.load.answer import Answer
from tollproof.load.arrivals import arrivals
from tollproof.load.connection import Address, Connection, State
from tollproof.load.engine import GONE, NEVER, REFUSED, Engine
from tollproof.load.job import LoadJob, Sustained, Template
from tollproof.load.pool import STALE, Pool
from tollproof.load.recorder import Recorder
from tollproof.ratelimit.observation import ROLES

SENDS_PER_TURN = 16
#: Requests that may wait for a connection in one process; more are not sent.
MOST_WAITING = 100_000
#: Connections opened ahead of the load.
AHEAD = 16

_NO_VALUES: tuple[bytes | None, ...] = (None,) * len(ROLES)


class Work:
    """One request: whose, what, when due and when sent (monotonic ns)."""

    __slots__ = ("due", "kind", "sent")

    def __init__(self, kind: Kind, due: int) -> None:
        self.kind = kind
        self.due = due
        self.sent = 0


class Kind:
    """One request of one key: its bytes and its labels' numbers."""

    __slots__ = ("key", "template", "variant")

    def __init__(self, template: Template, key: int, variant: int) -> None:
        self.template = template
        self.key = key
        self.variant = variant


class Steady:
    """The driver of one share of a sustained load.

    Attributes:
        unsent: (0, why) -> requests that were certainly not sent.
        left_out: always empty: there are no cues.
        statuses: answers by status; 0 counts unknown outcomes.
        failures: why answers were missing or cut short.
    """

    def __init__(
        self,
        job: LoadJob,
        plan: Sustained,
        engine: Engine,
        recorder: Recorder,
        *,
        address: Address,
        share: int,
        shares: int,
        epoch: int,
    ) -> None:
        """Prepare to send every `shares`-th request of `plan`, from `epoch` on."""
        self.finished = False
        self.sent = 0
        self.unsent: Counter[tuple[int, str]] = Counter()
        self.left_out: list[int] = []
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self._engine, self._recorder = engine, recorder
        self._share, self._epoch = share, epoch
        self._phase = recorder.label("sustained")
        self._numbers = count()
        specs = {spec.name: spec for spec in job.requests}
        self._kinds = cycle(
            [
                Kind(
                    Template(job, key, specs[name]),
                    recorder.label(key),
                    recorder.label(name),
                )
                for name, key in product(plan.variants, plan.keys)
            ]
        )
        # All processes go round the same circle: each begins where its share does.
        for _ in range(share):
            next(self._kinds)
        self._skip = shares - 1
        most = max(1, plan.connections // shares)
        self._pool: Pool[Work] = Pool(engine, address=address, most=most)
        self._pool.grow(min(AHEAD, most))
        self._under_way = 0
        self._arrivals = arrivals(
            plan.stages, share=share, shares=shares, seed=plan.seed
        )
        self.due = NEVER
        self._advance()

    def _advance(self) -> None:
        offset = next(self._arrivals, None)
        self.due = NEVER if offset is None else self._epoch + offset
        self._look()

    def _look(self) -> None:
        idle = not (self._under_way or self._pool.waiting)
        self.finished = idle and self.due == NEVER

    def act(self, now: int) -> None:
        """Send what is due."""
        for _ in range(SENDS_PER_TURN):
            if self.due > now:
                return
            work = Work(next(self._kinds), self.due)
            for _ in range(self._skip):
                next(self._kinds)
            self._dispatch(work)
            self._advance()

    def _dispatch(self, work: Work) -> None:
        pool = self._pool
        while connection := pool.take():
            if monotonic_ns() - connection.load > STALE:
                self._engine.close(connection)
                pool.size -= 1
                continue
            sent = self._send(connection, work)
            if sent == REFUSED:
                pool.give(connection, monotonic_ns())
            if sent != GONE:
                return
        if len(pool.waiting) >= MOST_WAITING:
            self.unsent[0, "too many waiting"] += 1
        else:
            pool.waiting.append(work)
            pool.grow(1)

    def _send(self, connection: Connection, work: Work) -> int:
        template = work.kind.template
        data = template.build(self._share, next(self._numbers))
        sent = self._engine.send(connection, data, head=template.head)
        if sent > 0:
            work.sent = sent
            connection.load = work
            self.sent += 1
            self._under_way += 1
        elif sent == REFUSED:
            self.unsent[0, "budget"] += 1
        else:
            self._pool.size -= 1
        return sent

    def opened(self, connection: Connection) -> None:
        """Use a connection that is ready for the request that waited longest."""
        pool = self._pool
        while pool.waiting and connection.state is State.IDLE:
            work = pool.waiting.popleft()
            if self._send(connection, work) == GONE:
                pool.waiting.appendleft(work)
                pool.grow(1)
        if connection.state is State.IDLE:
            # The connection used last is taken first: the others may grow stale,
            # and the number in use follows the load.
            connection.load = monotonic_ns()
            pool.idle.appendleft(connection)
        self._look()

    def unopened(self, group: Pool[Work], how: str) -> None:
        """Give up one request for each connection that could not be opened."""
        group.size -= 1
        if group.waiting:
            group.waiting.popleft()
            self.unsent[0, f"no connection: {how}"] += 1
        self._look()

    def lost(self, connection: Connection) -> None:
        """Do without a connection that the target ended."""
        self._pool.size -= 1

    def answered(
        self, connection: Connection, answer: Answer, head: int, at: int
    ) -> None:
        """Record an answer with the time of its last byte."""
        self._record(connection, at, answer.status, answer.values)
        self._after(connection)

    def failed(self, connection: Connection, how: str, at: int) -> None:
        """Record a request whose outcome is unknown, or known but for the body."""
        stream = connection.stream
        self.failures[how] += 1
        if stream is not None and stream.head:
            self._record(connection, at, stream.answer.status, stream.answer.values)
        else:
            self._record(connection, at, 0, _NO_VALUES)
        self._after(connection)

    def _after(self, connection: Connection) -> None:
        self._under_way -= 1
        if connection.state is State.IDLE:
            self.opened(connection)
            return
        self._pool.size -= 1
        self._pool.grow(1)
        self._look()

    def _record(
        self,
        connection: Connection,
        received: int,
        status: int,
        values: Sequence[bytes | None],
    ) -> None:
        work: Work = connection.load
        kind = work.kind
        self.statuses[status] += 1
        self._recorder.observe(
            key=kind.key,
            phase=self._phase,
            variant=kind.variant,
            shot=0,
            due=work.due,
            sent=work.sent,
            received=received,
            status=status,
            values=values,
            connection=connection.id,
        )

    def halt(self) -> None:
        """Send nothing more; what is under way may still be answered."""
        self.due = NEVER
        self.unsent[0, "stopped"] += len(self._pool.waiting)
        self._pool.waiting.clear()
        self._look()
