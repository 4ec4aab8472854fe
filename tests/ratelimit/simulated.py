"""Simulated deployments: limiters of every algorithm, sound and broken, on a network.

Written without the package's models, request by request with exact times, so that an
error in those does not hide itself. A run executes a schedule as the load user would
and returns the trace it would have recorded.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from tollproof.ratelimit.headers import seconds_to_wait, seconds_until_reset
from tollproof.ratelimit.observation import Trace
from tollproof.ratelimit.promise import (
    ERRONEOUS,
    ERRONEOUS_AT_ALL,
    RateLimitPromise,
    ResetForm,
)
from tollproof.ratelimit.schedule import Cue, Schedule, Shot

EPOCH = 1_790_000_000.0
#: How the labels of callers with a wrong credential begin.
STRANGER = "stranger"


@dataclass(slots=True)
class Decision:
    """What a limiter says: times are absolute, in seconds of the run."""

    admitted: bool
    remaining: int
    reset: float
    retry: float  # seconds until one more would be admitted


class Limiter:
    """One counter. Subclasses decide; `n` and `w` are what is really enforced."""

    def __init__(self, n: int, w: float) -> None:
        self.n, self.w = n, w

    def ask(self, t: float) -> Decision:
        raise NotImplementedError


class FixedClock(Limiter):
    def __init__(self, n: int, w: float, phase: float = 0.0) -> None:
        super().__init__(n, w)
        self.phase = phase
        self.window, self.used = -1, 0

    def ask(self, t: float) -> Decision:
        window = math.floor((t - self.phase) / self.w)
        if window != self.window:
            self.window, self.used = window, 0
        admitted = self.used < self.n
        self.used += admitted
        ends = self.phase + (window + 1) * self.w
        return Decision(admitted, self.n - self.used, ends, ends - t)


class FixedFirst(Limiter):
    def __init__(self, n: int, w: float) -> None:
        super().__init__(n, w)
        self.ends, self.used = -math.inf, 0

    def ask(self, t: float) -> Decision:
        if t >= self.ends:
            self.ends, self.used = t + self.w, 0
        admitted = self.used < self.n
        self.used += admitted
        return Decision(admitted, self.n - self.used, self.ends, self.ends - t)


class SlidingLog(Limiter):
    def __init__(self, n: int, w: float, *, rejected: bool = False) -> None:
        super().__init__(n, w)
        self.rejected = rejected
        self.held: deque[float] = deque()

    def ask(self, t: float) -> Decision:
        held = self.held
        while held and held[0] <= t - self.w:
            held.popleft()
        admitted = len(held) < self.n
        if admitted or self.rejected:
            held.append(t)
        blocking = held[max(0, len(held) - self.n)]
        left = max(0, self.n - len(held))
        return Decision(admitted, left, held[0] + self.w, blocking + self.w - t)


class Counter(Limiter):
    """Two windows, the earlier weighted by how much of it is still in sight."""

    def __init__(
        self, n: int, w: float, phase: float | None = 0.0, *, rejected: bool = False
    ) -> None:
        super().__init__(n, w)
        self.phase, self.rejected = phase, rejected
        self.window: int | None = None
        self.now = self.before = 0

    def ask(self, t: float) -> Decision:
        if self.phase is None:
            self.phase = t
        window = math.floor((t - self.phase) / self.w)
        if window != self.window:
            fresh = self.window is None or window > self.window + 1
            self.before = 0 if fresh else self.now
            self.now, self.window = 0, window
        ends = self.phase + (window + 1) * self.w
        weight = (ends - t) / self.w
        estimate = self.before * weight + self.now
        admitted = estimate + 1 <= self.n
        self.now += admitted or self.rejected
        left = max(0, int(self.n - self.before * weight - self.now))
        if self.now + 1 <= self.n and self.before:
            # Wait until before * weight <= n - 1 - now.
            needed = (self.n - 1 - self.now) / self.before
            retry = max(0.0, ends - needed * self.w - t)
        else:
            needed = (self.n - 1) / self.now if self.now else 1.0
            retry = ends + max(0.0, 1 - needed) * self.w - t
        return Decision(admitted, left, ends, retry)


class Bucket(Limiter):
    def __init__(self, n: int, w: float, capacity: float | None = None) -> None:
        super().__init__(n, w)
        self.capacity = float(n if capacity is None else capacity)
        self.tokens, self.last = self.capacity, 0.0

    def ask(self, t: float) -> Decision:
        rate = self.n / self.w
        self.tokens = min(self.capacity, self.tokens + (t - self.last) * rate)
        self.last = t
        admitted = self.tokens >= 1
        self.tokens -= admitted
        full = t + (self.capacity - self.tokens) / rate
        return Decision(
            admitted, int(self.tokens), full, max(0.0, 1 - self.tokens) / rate
        )


class Ttl(Limiter):
    """The expiry is set anew by every request, or by every admitted one."""

    def __init__(self, n: int, w: float, *, every: bool = True) -> None:
        super().__init__(n, w)
        self.every = every
        self.ends, self.used = -math.inf, 0

    def ask(self, t: float) -> Decision:
        if t >= self.ends:
            self.used = 0
        admitted = self.used < self.n
        self.used += admitted
        if admitted or self.every:
            self.ends = t + self.w
        return Decision(admitted, self.n - self.used, self.ends, self.ends - t)


class NoExpiry(Limiter):
    """INCR without EXPIRE: blocked for ever, while telling of a window."""

    def __init__(self, n: int, w: float) -> None:
        super().__init__(n, w)
        self.used, self.first = 0, -1.0

    def ask(self, t: float) -> Decision:
        if self.first < 0:
            self.first = t
        admitted = self.used < self.n
        self.used += admitted
        window = math.floor((t - self.first) / self.w)
        ends = self.first + (window + 1) * self.w
        return Decision(admitted, self.n - self.used, ends, ends - t)


class Unlimited(Limiter):
    def ask(self, t: float) -> Decision:
        return Decision(True, self.n, t, 0.0)


class Racy(Limiter):
    """Reads the count, decides, and writes it back a moment later."""

    def __init__(self, n: int, w: float, gap: float) -> None:
        super().__init__(n, w)
        self.gap = gap
        self.ends, self.used = -math.inf, 0
        self.writes: deque[tuple[float, int]] = deque()

    def ask(self, t: float) -> Decision:
        while self.writes and self.writes[0][0] <= t:
            self.used = self.writes.popleft()[1]
        if t >= self.ends:
            self.ends, self.used = t + self.w, 0
        read = self.used
        admitted = read < self.n
        if admitted:
            self.writes.append((t + self.gap, read + 1))
        return Decision(
            admitted, max(0, self.n - read - admitted), self.ends, self.ends - t
        )


class Twice(Limiter):
    """Every request is counted several times."""

    def __init__(self, inner: Limiter, times: int = 2) -> None:
        super().__init__(inner.n, inner.w)
        self.inner, self.times = inner, times

    def ask(self, t: float) -> Decision:
        for _ in range(self.times - 1):
            self.inner.ask(t)
        return self.inner.ask(t)


class FailsOpen(Limiter):
    """After so many refusals it lets everything in."""

    def __init__(self, inner: Limiter, after: int) -> None:
        super().__init__(inner.n, inner.w)
        self.inner, self.left = inner, after

    def ask(self, t: float) -> Decision:
        decision = self.inner.ask(t)
        if not decision.admitted:
            self.left -= 1
            if self.left < 0:
                decision.admitted = True
        return decision


Make = Callable[[int, float, random.Random], Limiter]


@dataclass(slots=True, kw_only=True)
class Deployment:
    """Limiters behind headers.

    Attributes:
        make: makes the limiter of one key.
        workers: processes that count apart, chosen by connection.
        bucket_of: which allowance a key uses, for keys that share one.
        apart: variants that have an allowance of their own.
        errors_free: requests that end in an error are not counted.
        failures: requests with a wrong credential that are borne in a window, from
            all callers together; 0 for any number.
        spoofable: who claims another origin may fail anew.
        retry_after: how the wait is written: `ceil`, `floor`, `round`, `exact`,
            `full` (always the window), `negative`, `none`.
        reset: `ceil`, `floor`, `round`, or seconds that it is off, as a float.
        remaining: added to what is told.
        lagging: Remaining is read some requests later, as by a second query.
        offset: the server's clock minus ours.
        cached_date: Date is renewed only once a second, from the start of the run.
        headers: whether rate headers are sent at all.
        errors: share of requests answered with 500 before the limiter.
        refusal: status of a refusal.
        mishap: what happens `since` so many seconds into the run: it `dies`, is
            `unavailable` (503), `forbids` (403), `refuses` (as beyond the limit),
            answers 3 s late (`slow`), `restarts` with empty counters, or its clock
            `jumps` ahead by 17 s.
    """

    make: Make
    n: int
    w: float
    workers: int = 1
    bucket_of: Callable[[str], str] = field(default=lambda key: key)
    apart: frozenset[str] = frozenset()
    errors_free: bool = False
    failures: int = 0
    spoofable: bool = False
    retry_after: str = "ceil"
    reset: str | float = "ceil"
    remaining: int = 0
    told_limit: int = 0
    offset: float = 0.0
    cached_date: bool = False
    headers: bool = True
    dialect: str = "x"
    errors: float = 0.0
    refusal: int = 429
    foreign: float = 0.0  # requests per second on each key by somebody else
    mishap: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How long requests travel, one way, and what goes wrong.

    Attributes:
        base: shortest one-way time in seconds.
        spread: median of the log-normal part.
        stalls: share of requests that wait 0.1 to 0.6 s more.
        late: share of requests sent up to 50 ms late.
        loss: share of answers that never come.
    """

    base: float = 0.0003
    spread: float = 0.0004
    stalls: float = 0.0
    late: float = 0.0
    loss: float = 0.0

    def way(self, rng: random.Random) -> float:
        """One way there or back."""
        time = self.base + self.spread * math.exp(rng.gauss(0.0, 0.6))
        if self.stalls and rng.random() < self.stalls / 2:
            time += rng.uniform(0.1, 0.6)
        return time


LAN = Network()
WAN = Network(base=0.018, spread=0.004)
NOISY = Network(base=0.018, spread=0.004, stalls=0.02, late=0.05, loss=0.001)
NETWORKS = {"lan": LAN, "wan": WAN, "noisy": NOISY}


def _round(how: str, value: float) -> int:
    if how == "floor":
        return math.floor(value)
    if how == "round":
        return math.floor(value + 0.5)
    return math.ceil(value)


_STATUSES = {"unavailable": 503, "forbids": 403, "refuses": 429}
#: Seconds by which a clock jumps.
_JUMP = 17.0


class _Run:
    def __init__(
        self,
        schedule: Schedule,
        promise: RateLimitPromise,
        deployment: Deployment,
        network: Network,
        seed: int,
    ) -> None:
        self.rng = random.Random(seed)
        self.schedule, self.promise = schedule, promise
        self.deployment, self.network = deployment, network
        self.trace = Trace(host="simulated")
        self.origin = EPOCH + self.rng.random() * deployment.w * 50
        self.start = 1_000_000_000
        self.events: list[tuple[float, int, Shot, float, float, int]] = []
        self.sequence = 0
        self.limiters: dict[tuple[str, int], Limiter] = {}
        self.foreign: dict[str, float] = {}
        self.outstanding: dict[int, int] = {}
        self.answers: dict[int, list[tuple[float, int, tuple[bytes | None, ...]]]] = {}
        self.followers: dict[int, list[Shot]] = {}
        self.begun: dict[int, float] = {}
        self.connections = 0
        self.pool: dict[tuple[str, int], int] = {}
        self.dates: dict[int, bytes] = {}
        self.restarted = False

    def go(self) -> Trace:
        end = self.schedule.seconds + 2.0
        for at in range(int(end) + 2):
            moment = self.start + at * 1_000_000_000
            self.trace.anchors.append((moment, self.origin + at))
        for shot in self.schedule.shots:
            if shot.cue is Cue.CLOCK:
                self.launch(shot, shot.at)
            else:
                self.followers.setdefault(shot.follows, []).append(shot)
        while self.events:
            decided, _, shot, sent, back, connection = heapq.heappop(self.events)
            self.decide(decided, shot, sent, back, connection)
        return self.trace

    def launch(self, shot: Shot, at: float) -> None:
        self.outstanding[shot.number] = shot.count
        self.begun[shot.number] = at
        for turn in range(shot.count):
            lane = turn % shot.connections
            if shot.fresh:
                if turn < shot.connections:
                    self.connections += 1
                connection = self.connections - (
                    min(turn, shot.connections - 1) - lane if turn else 0
                )
            else:
                connection = self.pool.setdefault((shot.key, lane), -1)
                if connection < 0:
                    self.connections += 1
                    connection = self.pool[(shot.key, lane)] = self.connections
            when = at + shot.seconds * turn / shot.count
            if not shot.seconds:
                when += self.rng.random() * 0.0005 * (1 + shot.count / 50)
            self.send(shot, when, connection)

    def send(self, shot: Shot, when: float, connection: int) -> None:
        rng = self.rng
        sent = when + rng.random() * 0.0005
        if self.network.late and rng.random() < self.network.late:
            sent += rng.uniform(0.0, 0.05)
        self.sequence += 1
        decided = sent + self.network.way(rng)
        back = self.network.way(rng)
        heapq.heappush(
            self.events, (decided, self.sequence, shot, sent, back, connection)
        )

    def limiter(self, key: str, worker: int) -> Limiter:
        bucket = self.deployment.bucket_of(key)
        found = self.limiters.get((bucket, worker))
        if found is None:
            # One seed for all: a phase by the clock is the same for every key.
            rng = random.Random(int(self.origin * 1000))
            most = self.deployment.n
            if key.startswith(STRANGER):
                most = self.deployment.failures
            found = self.deployment.make(most, self.deployment.w, rng)
            self.limiters[(bucket, worker)] = found
        return found

    def decide(
        self, at: float, shot: Shot, sent: float, back: float, connection: int
    ) -> None:
        deployment, rng = self.deployment, self.rng
        values: tuple[bytes | None, ...] = (None,) * 8
        mishap = deployment.mishap if at >= deployment.since else ""
        if mishap == "restarts" and not self.restarted:
            self.restarted = True
            self.limiters.clear()
            self.pool.clear()
            self.trace.breaks.append(self.start + round(at * 1e9))
        if mishap in _STATUSES:
            status = _STATUSES[mishap]
        elif deployment.errors_free and shot.variant in (ERRONEOUS, ERRONEOUS_AT_ALL):
            status = 404
        elif not deployment.failures and shot.key.startswith(STRANGER):
            status = 401
        elif deployment.errors and rng.random() < deployment.errors:
            status = 500
        else:
            worker = connection % deployment.workers
            bucket = shot.key
            if shot.key.startswith(STRANGER):
                bucket = STRANGER
                if deployment.spoofable and shot.variant != "plain":
                    bucket += shot.variant
            if shot.variant in deployment.apart:
                bucket += "/" + shot.variant
            limiter = self.limiter(bucket, worker)
            if deployment.foreign:
                last = self.foreign.get(bucket, 0.0)
                while last + 1 / deployment.foreign < at:
                    last += 1 / deployment.foreign
                    limiter.ask(last)
                self.foreign[bucket] = last
            ahead = _JUMP if mishap == "jumps" else 0.0
            decision = limiter.ask(at + ahead)
            decision.reset -= ahead
            status = 200 if decision.admitted else deployment.refusal
            if shot.key.startswith(STRANGER):
                status = 401 if decision.admitted else deployment.refusal
            elif shot.variant in (ERRONEOUS, ERRONEOUS_AT_ALL):
                status = 404 if decision.admitted else deployment.refusal
            values = self.headers(decision, at, ahead)
        received = at + back + (3.0 if mishap == "slow" else 0.0)
        if mishap == "dies":
            status, received, values = 0, sent + 5.0, (None,) * 8
        if self.network.loss and rng.random() < self.network.loss:
            status, received, values = 0, sent + 5.0, (None,) * 8
        trace = self.trace
        trace.append(
            key=trace.label(shot.key),
            phase=trace.label(shot.phase),
            operation=trace.label("GET /"),
            variant=trace.label(shot.variant),
            worker=trace.label("w"),
            shot=shot.number,
            sent=self.start + round(sent * 1e9),
            received=self.start + round(received * 1e9),
            status=status,
            headers=trace.header_set(values),
            connection=connection,
        )
        answers = self.answers.setdefault(shot.number, [])
        answers.append((received, status, values))
        self.outstanding[shot.number] -= 1
        if not self.outstanding[shot.number]:
            self.over(shot, answers, at)

    def over(
        self,
        shot: Shot,
        answers: list[tuple[float, int, tuple[bytes | None, ...]]],
        at: float,
    ) -> None:
        answered = sorted(answer for answer in answers if answer[1])
        last = answered[-shot.until_refused :] if shot.until_refused else []
        step = shot.seconds / shot.count
        if last and len(answers) < shot.most:
            refused = all(status == self.deployment.refusal for _, status, _ in last)
            begun = self.begun[shot.number]
            upto = begun + len(answers) * step
            if not refused and upto < begun + shot.patience:
                # The answers of a few are awaited before the next few are sent.
                self.outstanding[shot.number] = shot.until_refused
                for turn in range(shot.until_refused):
                    self.connections += 1
                    self.send(shot, max(upto, at) + turn * step, self.connections)
                return
        for follower in self.followers.get(shot.number, ()):
            due = follower.due(self.told(follower, answers))
            if due is not None:
                self.launch(follower, max(due, at))

    def told(
        self,
        follower: Shot,
        answers: list[tuple[float, int, tuple[bytes | None, ...]]],
    ) -> float | None:
        refusal = self.deployment.refusal
        if follower.cue is Cue.RETRY_AFTER:
            answers = [answer for answer in answers if answer[1] == refusal]
        answers = [answer for answer in answers if answer[1]]
        if not answers:
            return None
        received, _, values = max(answers)
        text = [None if value is None else value.decode() for value in values]
        wall = self.origin + received
        if follower.cue is Cue.RETRY_AFTER:
            wait = seconds_to_wait(text[3], date=text[4], wall=wall)
        else:
            form = self.promise.headers.reset_form
            wait = seconds_until_reset(text[2], form, date=text[4], wall=wall)
        return None if wait is None else received + wait

    def headers(
        self, decision: Decision, at: float, ahead: float
    ) -> tuple[bytes | None, ...]:
        deployment = self.deployment
        clock = self.origin + at + deployment.offset + ahead
        second = math.floor(clock)
        if deployment.cached_date:
            started = self.origin + deployment.offset
            second = math.floor(started + math.floor(clock - started))
        date = self.dates.get(second)
        if date is None:
            moment = datetime.fromtimestamp(second, UTC)
            date = self.dates[second] = format_datetime(moment, usegmt=True).encode()
        retry: bytes | None = None
        if not decision.admitted and deployment.retry_after != "none":
            wait = decision.retry
            if deployment.retry_after == "full":
                retry = b"%d" % math.ceil(deployment.w)
            elif deployment.retry_after == "negative":
                retry = b"-%d" % math.ceil(wait)
            elif deployment.retry_after == "exact":
                retry = f"{wait + 0.001:.3f}".encode()
            else:
                retry = b"%d" % max(0, _round(deployment.retry_after, wait))
        if not deployment.headers:
            return (None, None, None, retry, date, None, None, None)
        off = deployment.reset if isinstance(deployment.reset, float) else 0.0
        how = deployment.reset if isinstance(deployment.reset, str) else "ceil"
        form = self.promise.headers.reset_form
        until = decision.reset + off
        if form is ResetForm.DELTA_SECONDS:
            reset = _round(how, until - at)
        elif form is ResetForm.UNIX_MILLISECONDS:
            reset = _round(how, (until + clock - at) * 1000)
        else:
            reset = _round(how, until + clock - at)
        limit = deployment.told_limit or deployment.n
        left = max(0, decision.remaining + deployment.remaining)
        if deployment.dialect == "draft-10":
            wait = max(0, math.ceil(until - at))
            field = f'"default";r={left};t={wait}'.encode()
            policy = f'"default";q={limit};w={math.ceil(deployment.w)}'.encode()
            return (None, None, None, retry, date, field, policy, None)
        return (
            b"%d" % limit,
            b"%d" % left,
            b"%d" % reset,
            retry,
            date,
            None,
            None,
            None,
        )


def run(
    schedule: Schedule,
    promise: RateLimitPromise,
    deployment: Deployment,
    network: Network,
    seed: int,
) -> Trace:
    """Execute a schedule against a simulated deployment."""
    return _Run(schedule, promise, deployment, network, seed).go()
