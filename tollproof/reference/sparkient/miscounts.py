"""Faults of counting: what a limiter does wrong with keys of the default limit.

Stands between the application and its limiter. Keys with a limit of their own are
counted as they should be, so that each fault shows in one place. Must not know how
answers are made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace

from tollproof.reference.limiters import Decision, Limiter, in_window
from tollproof.reference.sparkient.keys import Principal
from tollproof.reference.sparkient.messages import Call

#: Seconds between reading a counter and writing it back.
HESITATION = 0.003
#: Refusals in a window after which a limiter gives way.
PRESSURE = 60
#: Seconds that a request holds all others up for, where they are answered in turn.
SERIAL = 0.2
#: Requests in a second that make a deployment slow, and how slow: seconds.
MANY, SLOW = 20, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to be counted, with what decides where and against what.

    Attributes:
        owner: whose allowance it takes from, as the promise has it.
    """

    call: Call
    owner: str
    who: Principal
    limit: int
    window: float
    now: float


def owner_of(per: str, call: Call, who: Principal) -> str:
    """Name the allowance that a request takes from.

    Args:
        per: what has an allowance of its own, one of :data:`SCOPES`.
    """
    if who.requests or per == "key":
        return who.id
    if per == "organisation":
        return f"organisation {who.organisation}"
    if per == "address":
        return f"address {call.peer}"
    return f"{who.id} {call.route.path if call.route else ''}"


#: What may have an allowance of its own.
SCOPES = ("key", "organisation", "address", "operation")

Count = Callable[[Limiter, Request], Awaitable[Decision] | Decision]


def _hit(limiter: Limiter, one: Request, key: str = "", **other: float) -> Decision:
    return limiter.hit(
        key or one.owner,
        int(other.get("limit", one.limit)),
        other.get("window", one.window),
        one.now,
    )


def _one_more(limiter: Limiter, one: Request) -> Decision:
    decision = _hit(limiter, one, limit=one.limit + 1)
    left = max(0, decision.remaining - 1)
    return replace(decision, limit=one.limit, remaining=left)


def _one_fewer(limiter: Limiter, one: Request) -> Decision:
    decision = _hit(limiter, one, limit=one.limit - 1)
    left = decision.remaining + decision.allowed
    return replace(decision, limit=one.limit, remaining=left)


def _twice(limiter: Limiter, one: Request) -> Decision:
    first = _hit(limiter, one)
    return _hit(limiter, one) if first.allowed else first


def _shorter(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, window=one.window * 0.7)


def _longer(limiter: Limiter, one: Request) -> Decision:
    """Hold callers up for longer than any field admits."""
    decision = _hit(limiter, one, window=one.window * 1.4)
    beyond = decision.reset_at - one.now - one.window
    if beyond <= 0:
        return decision
    wait = max(0.0, decision.retry_after - beyond)
    return replace(decision, reset_at=one.now + one.window, retry_after=wait)


def _for_ever(limiter: Limiter, one: Request) -> Decision:
    decision = _hit(limiter, one, window=one.window * 1e6)
    wait = 0.0 if decision.allowed else one.window
    return replace(decision, reset_at=one.now + one.window, retry_after=wait)


def _by_everyone(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, "everyone")


def _by_organisation(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, f"organisation {one.who.organisation}")


def _by_key(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, one.who.id)


def _by_spelling(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, f"{one.owner}{'/' * one.call.path.endswith('/')}")


def _by_operation(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, owner_of("operation", one.call, one.who))


def _by_peer(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, f"{one.who.id} {one.call.peer}")


def _by_forwarded(limiter: Limiter, one: Request) -> Decision:
    source = one.call.value(b"x-forwarded-for").decode("latin-1")
    return _hit(limiter, one, f"{one.who.id} {source}")


def _by_method(limiter: Limiter, one: Request) -> Decision:
    return _hit(limiter, one, f"{one.who.id} {one.call.method}")


def _by_target(limiter: Limiter, one: Request) -> Decision:
    query = one.call.query.decode("latin-1")
    return _hit(limiter, one, f"{one.who.id} {one.call.path}?{query}")


@dataclass(slots=True)
class _Gives:
    """Lets everything in once it has refused often: a limiter that fails open."""

    refused: dict[str, tuple[float, int]] = field(default_factory=dict)

    def __call__(self, limiter: Limiter, one: Request) -> Decision:
        decision = _hit(limiter, one)
        until, times = self.refused.get(one.who.id, (0.0, 0))
        if decision.allowed:
            return decision
        if until != decision.reset_at:
            times = 0
        self.refused[one.who.id] = (decision.reset_at, times + 1)
        if times < PRESSURE:
            return decision
        return replace(decision, allowed=True, retry_after=0.0)


@dataclass(slots=True)
class _Prolongs:
    """Puts the end of a window off with every request, refused ones too."""

    windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def __call__(self, limiter: Limiter, one: Request) -> Decision:
        ends, used = self.windows.get(one.who.id, (0.0, 0))
        if one.now >= ends:
            used = 0
        allowed = used < one.limit
        used += allowed
        ends = one.now + one.window
        self.windows[one.who.id] = (ends, used)
        return _window(one, allowed, used, ends)


@dataclass(slots=True)
class _Hesitates:
    """Reads the counter, does something else, and writes what it read plus one."""

    windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    async def __call__(self, limiter: Limiter, one: Request) -> Decision:
        started, used = self.windows.get(one.who.id, (0.0, 0))
        if not in_window(started, one.window, one.now):
            started, used = one.now, 0
        allowed = used < one.limit
        if allowed:
            await asyncio.sleep(HESITATION)
            self.windows[one.who.id] = (started, used + 1)
        return _window(one, allowed, used + allowed, started + one.window)


@dataclass(slots=True)
class _Forgives:
    """Takes a request off the count again once it has ended in an error."""

    windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def __call__(self, limiter: Limiter, one: Request) -> Decision:
        ends, used = self.windows.get(one.owner, (0.0, 0))
        if one.now >= ends:
            ends, used = one.now + one.window, 0
        allowed = used < one.limit
        used += allowed
        self.windows[one.owner] = (ends, used)
        return _window(one, allowed, used, ends)

    def ended(self, owner: str, status: int) -> None:
        """Learn how a request that was admitted has ended."""
        ends, used = self.windows.get(owner, (0.0, 0))
        if 400 <= status < 500:
            self.windows[owner] = (ends, max(0, used - 1))


@dataclass(slots=True)
class _Forgets:
    """Loses a counter every hundred requests, as a store that evicts keys does."""

    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self, limiter: Limiter, one: Request) -> Decision:
        number = self.seen.get(one.who.id, 0)
        self.seen[one.who.id] = number + 1
        return _hit(limiter, one, f"{one.who.id} {number // 100}")


@dataclass(slots=True)
class _OneByOne:
    """Lets each request wait until the one before it is answered."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, limiter: Limiter, one: Request) -> Decision:
        decision = _hit(limiter, one)
        async with self.turn:
            await asyncio.sleep(SERIAL)
        return decision


@dataclass(slots=True)
class _SlowsDown:
    """Takes its time once more than a few requests came within a second."""

    lately: deque[float] = field(default_factory=deque)

    async def __call__(self, limiter: Limiter, one: Request) -> Decision:
        decision = _hit(limiter, one)
        self.lately.append(one.now)
        while self.lately and self.lately[0] < one.now - 1.0:
            self.lately.popleft()
        if len(self.lately) > MANY:
            await asyncio.sleep(SLOW)
        return decision


def _window(one: Request, allowed: bool, used: int, ends: float) -> Decision:
    return Decision(
        allowed=allowed,
        limit=one.limit,
        remaining=one.limit - used,
        reset_at=ends,
        retry_after=0.0 if allowed else ends - one.now,
    )


MISCOUNTS: dict[str, Callable[[], Count]] = {
    "limiter-one-more": lambda: _one_more,
    "limiter-one-fewer": lambda: _one_fewer,
    "limiter-counts-twice": lambda: _twice,
    "limiter-window-short": lambda: _shorter,
    "limiter-window-long": lambda: _longer,
    "limiter-never-recovers": lambda: _for_ever,
    "limiter-shared-by-all": lambda: _by_everyone,
    "limiter-shared-in-organisation": lambda: _by_organisation,
    "limiter-counts-spellings-apart": lambda: _by_spelling,
    "limiter-counts-operations-apart": lambda: _by_operation,
    "limiter-counts-addresses-apart": lambda: _by_peer,
    "limiter-splits-organisations": lambda: _by_key,
    "limiter-splits-addresses": lambda: _by_key,
    "limiter-joins-operations": lambda: _by_key,
    "limiter-trusts-forwarded-for": lambda: _by_forwarded,
    "limiter-counts-methods-apart": lambda: _by_method,
    "limiter-counts-targets-apart": lambda: _by_target,
    "limiter-gives-way": _Gives,
    "limiter-refusals-prolong": _Prolongs,
    "limiter-forgives-errors": _Forgives,
    "limiter-reads-then-writes": _Hesitates,
    "load-one-at-a-time": _OneByOne,
    "load-slows-down": _SlowsDown,
    "load-limit-halved": lambda: _twice,
    "load-counted-twice": lambda: _twice,
    "load-counter-forgotten": _Forgets,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Miscount:
    """Counts wrongly where the limit is the default one."""

    count: Count

    async def hit(self, limiter: Limiter, one: Request) -> Decision:
        """Count one request and decide on it."""
        if one.who.requests:
            return _hit(limiter, one)
        decision = self.count(limiter, one)
        one.call.owner = one.owner
        return decision if isinstance(decision, Decision) else await decision

    def ended(self, call: Call, status: int) -> None:
        """Learn how a request has ended."""
        counted = call.owner and call.decision and call.decision.allowed
        if counted and isinstance(self.count, _Forgives):
            self.count.ended(call.owner, status)


def miscount(faults: Collection[str]) -> Miscount | None:
    """Return the miscounting that some faults make; None without such a fault."""
    for name in sorted(MISCOUNTS.keys() & set(faults)):
        return Miscount(count=MISCOUNTS[name]())
    return None
