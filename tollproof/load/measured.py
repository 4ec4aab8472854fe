"""Driving a schedule: which request goes out on which connection, exactly when.

Everything that can be done before a shot is done before: its connections are open, its
bytes are made, and of a burst all but the last byte of each head is on the wire.
No request is ever sent twice. Knows shots, pools and clocks. Must not know what an
answer says beyond "refused" and the moment it names.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import count as counter
from time import monotonic_ns

from tollproof.load.answer import Answer
from tollproof.load.connection import Address, Connection, State
from tollproof.load.engine import GONE, NEVER, REFUSED, Engine
from tollproof.load.job import LoadJob, Template
from tollproof.load.pool import Pool
from tollproof.load.recorder import Recorder
from tollproof.load.running import Heard, Request, Running, is_burst, step, told
from tollproof.ratelimit.observation import ROLES
from tollproof.ratelimit.schedule import Cue, Shot

SECOND = 1_000_000_000

#: When preparations begin before a shot: this and so much for each connection.
LEAD, LEAD_EACH, LEAD_EACH_TLS = SECOND // 4, 2_000_000, 8_000_000
#: When the heads of a burst go out before its last bytes, and so much for each.
HOLD, HOLD_EACH = 60_000_000, 500_000
#: Sends in one turn of the loop while behind time: answers must be stamped too.
SENDS_PER_TURN = 8
#: Seconds between the requests that go on after a burst, which has no rate.
STEP_AFTER_BURST = 0.001
#: Requests that may be under way when it goes on after the planned ones.
UNHEARD = 32
#: No server ends an idle connection so soon, unless it ends itself.
BRISK = SECOND
#: Connections opened ahead for requests that each need one.
AHEAD = 64

_NO_VALUES: tuple[bytes | None, ...] = (None,) * len(ROLES)
_CLOSED_EARLY = "the target closed the connection"


class Measured:
    """The driver of one share of a schedule.

    Attributes:
        unsent: (shot, why) -> requests that were certainly not sent.
        left_out: shots whose cue named no moment.
        statuses: answers by status; 0 counts unknown outcomes.
        failures: why answers were missing or cut short.
    """

    def __init__(
        self,
        job: LoadJob,
        engine: Engine,
        recorder: Recorder,
        *,
        shots: tuple[Shot, ...],
        addresses: Mapping[str, Address],
        share: int,
        epoch: int,
        wall: float,
    ) -> None:
        """Prepare to run `shots`, whose zero is at `epoch` (monotonic ns).

        Args:
            addresses: where requests go from each source address a request names.
            wall: Unix time at `epoch`.
        """
        self.due = NEVER
        self.finished = False
        self.sent = 0
        self.unsent: Counter[tuple[int, str]] = Counter()
        self.left_out: list[int] = []
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self._job, self._engine, self._recorder = job, engine, recorder
        self._addresses = addresses
        self._share, self._epoch, self._wall = share, epoch, wall
        self._refusals = frozenset(job.refusals)
        self._lead_each = LEAD_EACH_TLS if job.url.startswith("https") else LEAD_EACH
        self._specs = {spec.name: spec for spec in job.requests}
        self._templates: dict[tuple[str, str], Template] = {}
        self._pools: dict[tuple[str, str], Pool[Request]] = {}
        self._events: list[tuple[int, int, Callable[[Running], None], Running]] = []
        self._order, self._numbers = counter(), counter()
        self._followers: defaultdict[int, list[Shot]] = defaultdict(list)
        self._open: dict[int, Running] = {}
        self._done: dict[int, Running] = {}
        for shot in shots:
            if shot.cue is Cue.CLOCK:
                self._start(shot, shot.at)
            else:
                self._await(shot)
        self._look()

    # -- planning ----------------------------------------------------------------------

    def _at(self, seconds: float) -> int:
        return self._epoch + round(seconds * SECOND)

    def _plan(self, at: int, what: Callable[[Running], None], who: Running) -> None:
        heapq.heappush(self._events, (at, next(self._order), what, who))
        self.due = self._events[0][0]

    def _running(self, shot: Shot) -> Running:
        spec = self._specs[shot.variant]
        names = (shot.key, shot.variant)
        if names not in self._templates:
            self._templates[names] = Template(self._job, shot.key, spec)
        address = self._addresses[spec.source]
        if shot.fresh:
            pool: Pool[Request] = Pool(self._engine, address=address, most=4096)
        else:
            where = (shot.key, spec.source)
            if where not in self._pools:
                self._pools[where] = Pool(self._engine, address=address)
            pool = self._pools[where]
        label = self._recorder.label
        return Running(
            shot=shot,
            pool=pool,
            numbers=(label(shot.key), label(shot.phase), label(shot.variant)),
            template=self._templates[names],
        )

    def _start(self, shot: Shot, at: float) -> None:
        """Put a shot whose moment is known on the calendar."""
        running = self._open[shot.number] = self._running(shot)
        running.due = due = self._at(at)
        if is_burst(shot):
            needed = shot.count
            self._plan(due - HOLD - needed * HOLD_EACH, self._hold, running)
            self._plan(due, self._fire, running)
        else:
            needed = shot.connections
            self._plan(due, self._next, running)
        self._plan(due - LEAD - needed * self._lead_each, self._prepare, running)

    def _await(self, shot: Shot) -> None:
        """Let a shot wait for its cue, but not for ever."""
        self._followers[shot.follows].append(shot)
        waiting = self._open[shot.number] = self._running(shot)
        by = shot.at if shot.cue is Cue.RESET else shot.latest + shot.delay
        each = shot.count * self._lead_each if is_burst(shot) else 0
        self._plan(self._at(by) - LEAD - each, self._overdue, waiting)

    def _overdue(self, waiting: Running) -> None:
        """Decide with what is known: the shot that should tell is not over."""
        shot = waiting.shot
        if shot in self._followers[shot.follows]:
            self._followers[shot.follows].remove(shot)
            source = self._open.get(shot.follows) or self._done.get(shot.follows)
            self._cue(shot, source)

    def _cue(self, shot: Shot, source: Running | None) -> None:
        at = shot.due(told(shot.cue, source, self._job.reset_form))
        if at is None:
            self.left_out.append(shot.number)
            del self._open[shot.number]
        else:
            self._start(shot, at)

    # -- sending -----------------------------------------------------------------------

    def act(self, now: int) -> None:
        """Do what is due."""
        for _ in range(SENDS_PER_TURN):
            if not self._events or self._events[0][0] > now:
                break
            _, _, what, running = heapq.heappop(self._events)
            what(running)
        self._look()

    def _look(self) -> None:
        self.due = self._events[0][0] if self._events else NEVER
        self.finished = not self._open

    def _prepare(self, running: Running) -> None:
        shot, now = running.shot, monotonic_ns()
        if is_burst(shot):
            running.pool.want(shot.count, now)
            return
        running.pool.want(shot.connections, now)
        # Requests far apart would find their connections stale: look before each.
        between = round(step(shot) * SECOND)
        if between > LEAD and running.asked + 1 < shot.count:
            before = running.due + (running.asked + 1) * between - LEAD
            self._plan(max(before, now + LEAD // 4), self._prepare, running)

    def _hold(self, running: Running) -> None:
        """Put the heads of a burst on the wire, all but their last byte."""
        running.missing = running.shot.count
        running.pool.refresh(monotonic_ns())
        while running.missing and (connection := running.pool.take()):
            self._hold_one(running, connection)
        for _ in range(running.missing):
            running.pool.waiting.append(Request(running=running, due=running.due))
        running.pool.want(len(running.held) + running.missing, monotonic_ns())

    def _hold_one(self, running: Running, connection: Connection) -> None:
        running.missing -= 1
        template = running.template
        data = template.build(self._share, next(self._numbers))
        if self._engine.hold(connection, data, head=template.head):
            running.held.append(connection)
        else:
            running.pool.size -= 1
            running.asked += 1
            self._not_sent(running, _CLOSED_EARLY)

    def _fire(self, running: Running) -> None:
        there = [one for one in running.held if one.state is State.HELD]
        times = self._engine.release(there)
        for _ in range(len(running.held) - len(there)):  # lost since they were held
            running.asked += 1
            self._not_sent(running, _CLOSED_EARLY)
        for connection, sent in zip(there, times, strict=True):
            running.asked += 1
            if sent > 0:
                self.sent += 1
                connection.load = Request(running=running, due=running.due, sent=sent)
            else:
                running.pool.size -= 1
                why = "budget" if sent == REFUSED else _CLOSED_EARLY
                self._not_sent(running, why)
        running.held.clear()
        waiting = running.pool.waiting
        for request in [one for one in waiting if one.running is running]:
            waiting.remove(request)
            running.asked += 1
            self._not_sent(running, "no connection in time")
        running.missing = 0
        self._go_on(running)

    def _next(self, running: Running) -> None:
        """Send the next request of a paced shot."""
        shot, between = running.shot, step(running.shot) * SECOND
        due = running.due + round(running.asked * between)
        running.asked += 1
        if running.asked < shot.count:
            after = running.due + round(running.asked * between)
            self._plan(after, self._next, running)
        self._dispatch(Request(running=running, due=due), running.pool)
        if running.asked == shot.count:
            self._go_on(running)

    def _go_on(self, running: Running) -> None:
        """Having sent what was planned, go on until refused if the shot says so."""
        shot = running.shot
        if not shot.until_refused or shot.most <= shot.count:
            running.ending = True
            self._check(running)
            return
        address = self._addresses[self._specs[shot.variant].source]
        running.extra = Pool(self._engine, address=address, most=4096, single=True)
        running.extra.grow(min(AHEAD, shot.most - shot.count))
        self._plan(self._further_at(running), self._further, running)

    def _further_at(self, running: Running) -> int:
        shot = running.shot
        between = step(shot) or STEP_AFTER_BURST
        return running.due + round(
            (shot.seconds + (running.asked - shot.count) * between) * SECOND
        )

    def _further(self, running: Running) -> None:
        """Send one more, on a connection of its own, or see that it is enough."""
        shot, pool = running.shot, running.extra
        if pool is None or running.ending:
            return
        if running.row >= shot.until_refused or running.asked >= shot.most:
            running.ending = True
            self._check(running)
            return
        if running.asked - running.settled > UNHEARD:
            # The refusals that are looked for may be on their way: hear them first.
            running.due += round((step(shot) or STEP_AFTER_BURST) * SECOND)
            self._plan(self._further_at(running), self._further, running)
            return
        due = self._further_at(running)
        running.asked += 1
        self._plan(self._further_at(running), self._further, running)
        self._dispatch(Request(running=running, due=due), pool)
        if len(pool.idle) < AHEAD and running.asked < shot.most:
            pool.grow(1)

    def _dispatch(self, request: Request, pool: Pool[Request]) -> None:
        """Send a request on an idle connection, or let it wait for one."""
        while connection := pool.take():
            sent = self._send(connection, request)
            if sent == REFUSED:
                pool.give(connection, monotonic_ns())
            if sent != GONE:
                return
        pool.waiting.append(request)
        pool.grow(1)

    def _send(self, connection: Connection, request: Request) -> int:
        """Send; return when, or why not.

        One that is GONE is still to be sent: its connection ended before a byte of it
        was taken.
        """
        running = request.running
        data = running.template.build(self._share, next(self._numbers))
        sent = self._engine.send(connection, data, head=running.template.head)
        if sent > 0:
            request.sent = sent
            connection.load = request
            self.sent += 1
        elif sent == REFUSED:
            self._not_sent(running, "budget")
        else:
            connection.group.size -= 1
        return sent

    # -- what comes back ---------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Use a connection that is ready."""
        self._ready(connection)

    def _ready(self, connection: Connection) -> None:
        pool: Pool[Request] = connection.group
        if pool.closed:
            self._engine.close(connection)
            pool.size -= 1
            return
        while pool.waiting and connection.state is State.IDLE:
            request = pool.waiting.popleft()
            if is_burst(request.running.shot) and request.running.extra is not pool:
                self._hold_one(request.running, connection)
            elif self._send(connection, request) == GONE:
                pool.waiting.appendleft(request)
                pool.grow(1)
        if connection.state is State.IDLE:
            pool.give(connection, monotonic_ns())

    def unopened(self, group: Pool[Request], how: str) -> None:
        """Give up what only this connection could have carried."""
        self._recorder.broke(monotonic_ns())
        group.size -= 1
        if not group.size:
            self._give_up(group, f"no connection: {how}")

    def lost(self, connection: Connection) -> None:
        """Do without a connection that the target ended."""
        pool: Pool[Request] = connection.group
        now = monotonic_ns()
        since: int | None = connection.load  # none before it was ever ready
        if since is not None and now - since < BRISK:
            self._recorder.broke(now)
        pool.size -= 1
        if not pool.size:
            pool.grow(min(1, len(pool.waiting)))

    def _give_up(self, pool: Pool[Request], why: str) -> None:
        while pool.waiting:
            request = pool.waiting.popleft()
            running = request.running
            if is_burst(running.shot) and running.extra is not pool:
                running.missing -= 1
                running.asked += 1
            self._not_sent(running, why)

    def answered(
        self, connection: Connection, answer: Answer, head: int, at: int
    ) -> None:
        """Record an answer, and use the connection again if it may be."""
        request: Request = connection.load
        running, pool = request.running, connection.group
        self._record(connection, head, answer.status, answer.values)
        since = (head - self._epoch) / SECOND
        heard = Heard(at=since, wall=self._wall + since, values=tuple(answer.values))
        running.last = heard
        refused = answer.status in self._refusals
        if refused:
            running.refusal = heard
        if pool is running.extra:
            running.row = running.row + 1 if refused else 0
        self._after(connection)
        self._settle(running)

    def failed(self, connection: Connection, how: str, at: int) -> None:
        """Record a request whose outcome is unknown, or known but for the body."""
        request: Request = connection.load
        stream = connection.stream
        self.failures[how] += 1
        if stream is not None and stream.head:
            answer = stream.answer
            self._record(connection, stream.head_at, answer.status, answer.values)
        else:
            self._record(connection, at, 0, _NO_VALUES)
            self._recorder.broke(at)
        self._after(connection)
        self._settle(request.running)

    def _after(self, connection: Connection) -> None:
        """Give a connection back, or replace it: one for each request, no more."""
        pool: Pool[Request] = connection.group
        if connection.state is State.IDLE and not pool.single:
            self._ready(connection)
            return
        self._engine.close(connection)
        pool.size -= 1
        if not pool.single and not pool.closed:
            pool.grow(1)

    def _record(
        self,
        connection: Connection,
        received: int,
        status: int,
        values: Sequence[bytes | None],
    ) -> None:
        request: Request = connection.load
        running = request.running
        key, phase, variant = running.numbers
        self.statuses[status] += 1
        self._recorder.observe(
            key=key,
            phase=phase,
            variant=variant,
            shot=running.shot.number,
            due=request.due,
            sent=request.sent,
            received=received,
            status=status,
            values=values,
            connection=connection.id,
        )

    def _not_sent(self, running: Running, why: str) -> None:
        self.unsent[running.shot.number, why] += 1
        self._settle(running)

    def _settle(self, running: Running) -> None:
        running.settled += 1
        self._check(running)

    def _check(self, running: Running) -> None:
        """When a shot is over, let those that wait for it learn their moment."""
        number = running.shot.number
        if not running.over or self._open.get(number) is not running:
            return
        if running.extra is not None:
            running.extra.close()
        if running.shot.fresh:
            running.pool.close()
        del self._open[number]
        self._done[number] = running
        for shot in self._followers.pop(number, ()):
            self._cue(shot, running)
        self._look()

    def halt(self) -> None:
        """Send nothing more; what is under way may still be answered."""
        self._events.clear()
        self._followers.clear()
        for running in list(self._open.values()):
            for pool in (running.pool, running.extra):
                if pool is not None:
                    self._give_up(pool, "stopped")
            for connection in running.held:
                self._engine.close(connection)
            running.held.clear()
            left = running.shot.count - running.asked
            if left > 0:
                self.unsent[running.shot.number, "stopped"] += left
            running.ending = True
            self._check(running)
        self._look()
