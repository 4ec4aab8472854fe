"""Reference limiters, replayed over what was sent to tell which one explains it.

Each takes groups of requests `(time, how many)` in order and says how many of each
group it would admit. They are the textbook's machines, without clocks, threads or
storage. Knows numbers. Must not know what was observed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor

from tollproof.ratelimit import joined

Groups = Sequence[tuple[float, int]]
Replay = Callable[[Groups], list[int]]

#: Slack for sums of floating-point refills.
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One limiter with its parameters.

    Attributes:
        family: what it is called when it fits: `fixed window by the clock`.
        limit, window: of this limiter, which need not be the promised ones.
        phase: seconds at which a window begins; None where that has no meaning.
        capacity: of a bucket.
        further: limiters of the same family that have to admit a request as well; a
            refusal of one costs the others nothing.
    """

    family: str
    limit: float
    window: float
    phase: float | None = None
    capacity: float | None = None
    further: tuple[Model, ...] = ()

    def replay(self, groups: Groups) -> list[int]:
        """Return how many of each group this limiter admits."""
        if self.further:
            return together((self, *self.further), groups)
        return _REPLAYS[self.family](self, groups)


FIXED_CLOCK = "fixed window by the clock"
FIXED_FIRST = "fixed window from the first request"
LOG = "sliding log"
LOG_REJECTED = "sliding log that counts refused requests"
COUNTER = "sliding counter"
COUNTER_REJECTED = "sliding counter that counts refused requests"
BUCKET = "token bucket"
TTL = "counter whose expiry every request puts off"
TTL_ADMITTED = "counter whose expiry every admitted request puts off"
NO_EXPIRY = "counter that never expires"
UNLIMITED = "no limit"

#: Limiters that let single requests in while they are shut.
TRICKLING = frozenset((BUCKET, COUNTER, COUNTER_REJECTED))

FAMILIES = (
    FIXED_CLOCK,
    FIXED_FIRST,
    LOG,
    LOG_REJECTED,
    COUNTER,
    COUNTER_REJECTED,
    BUCKET,
    TTL,
    TTL_ADMITTED,
    NO_EXPIRY,
    UNLIMITED,
)


def _fixed_clock(model: Model, groups: Groups) -> list[int]:
    limit, window, phase = int(model.limit), model.window, model.phase or 0.0
    current, used = -(1 << 60), 0
    out = []
    for at, size in groups:
        number = int((at - phase) // window)
        if number != current:
            current, used = number, 0
        free = limit - used
        take = size if size < free else free
        used += take
        out.append(take)
    return out


def _fixed_first(model: Model, groups: Groups) -> list[int]:
    limit, window = int(model.limit), model.window
    ends, used = -float("inf"), 0
    out = []
    for at, size in groups:
        if at >= ends:
            ends, used = at + window, 0
        free = limit - used
        take = size if size < free else free
        used += take
        out.append(take)
    return out


def _log(model: Model, groups: Groups) -> list[int]:
    limit, window = int(model.limit), model.window
    rejected = model.family == LOG_REJECTED
    held: deque[tuple[float, int]] = deque()
    used = 0
    out = []
    for at, size in groups:
        while held and held[0][0] <= at - window:
            used -= held.popleft()[1]
        free = limit - used
        take = size if size < free else max(0, free)
        counted = size if rejected else take
        if counted:
            held.append((at, counted))
            used += counted
        out.append(take)
    return out


def _counter(model: Model, groups: Groups) -> list[int]:
    limit, window = int(model.limit), model.window
    rejected = model.family == COUNTER_REJECTED
    phase = model.phase
    current, now, before = None, 0, 0
    out = []
    for at, size in groups:
        if phase is None:  # from the first request on
            phase = at
        position = (at - phase) / window
        number = floor(position)
        if number != current:
            before = now if current is not None and number == current + 1 else 0
            current, now = number, 0
        free = floor(limit - before * (1.0 - position + number) - now + _EPSILON)
        take = size if size < free else max(0, free)
        now += size if rejected else take
        out.append(take)
    return out


def _bucket(model: Model, groups: Groups) -> list[int]:
    capacity = model.capacity if model.capacity is not None else model.limit
    rate = model.limit / model.window
    tokens, last = capacity, 0.0
    out = []
    for at, size in groups:
        tokens = min(capacity, tokens + (at - last) * rate)
        last = at
        free = int(tokens + _EPSILON)
        take = size if size < free else free
        tokens -= take
        out.append(take)
    return out


def _ttl(model: Model, groups: Groups) -> list[int]:
    limit, window = int(model.limit), model.window
    every = model.family == TTL
    expires, used = -float("inf"), 0
    out = []
    for at, size in groups:
        if at >= expires:
            used = 0
        free = limit - used
        take = size if size < free else free
        used += take
        if take or every:
            expires = at + window
        out.append(take)
    return out


def _no_expiry(model: Model, groups: Groups) -> list[int]:
    free = int(model.limit)
    out = []
    for _, size in groups:
        take = size if size < free else free
        free -= take
        out.append(take)
    return out


def _unlimited(model: Model, groups: Groups) -> list[int]:
    return [size for _, size in groups]


_REPLAYS: dict[str, Callable[[Model, Groups], list[int]]] = {
    FIXED_CLOCK: _fixed_clock,
    FIXED_FIRST: _fixed_first,
    LOG: _log,
    LOG_REJECTED: _log,
    COUNTER: _counter,
    COUNTER_REJECTED: _counter,
    BUCKET: _bucket,
    TTL: _ttl,
    TTL_ADMITTED: _ttl,
    NO_EXPIRY: _no_expiry,
    UNLIMITED: _unlimited,
}


_MACHINES: dict[str, Callable[[Model], joined.Machine]] = {
    FIXED_CLOCK: lambda one: joined.Clock(int(one.limit), one.window, one.phase or 0.0),
    FIXED_FIRST: lambda one: joined.First(int(one.limit), one.window),
    LOG: lambda one: joined.Log(int(one.limit), one.window, rejected=False),
    LOG_REJECTED: lambda one: joined.Log(int(one.limit), one.window, rejected=True),
    COUNTER: lambda one: joined.Counter(
        one.limit, one.window, rejected=False, phase=one.phase
    ),
    COUNTER_REJECTED: lambda one: joined.Counter(
        one.limit, one.window, rejected=True, phase=one.phase
    ),
    BUCKET: joined.bucket_of,
}
#: Families of which several limits can hold at once.
JOINING = frozenset(_MACHINES)


def together(models: Sequence[Model], groups: Groups) -> list[int]:
    """Return how many of each group all of these limiters admit, in step."""
    return joined.replay([_MACHINES[one.family](one) for one in models], groups)
