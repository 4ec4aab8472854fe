"""The algorithms a limiter may decide by, as pure functions over a key's little state.

A state is a list of numbers, so that any store can keep it. Requests may be told a
little out of order, since workers that share a state each read the clock before they
come to decide. Must not know stores, keys or HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from tollproof.reference.limiters import Decision, in_window

State = list[float]
#: (state or None for a new key, limit, window, now) -> (state to keep, decision)
Decide = Callable[[State | None, int, float, float], tuple[State, Decision]]

#: A leaky bucket holds this share of the limit: what may be admitted at once.
LEAKY_SHARE = 4


def leaky_capacity(limit: int) -> int:
    """Return how many requests a leaky bucket takes at once."""
    return max(1, limit // LEAKY_SHARE)


def _decision(
    *, limit: int, remaining: float, reset_at: float, retry_after: float, allowed: bool
) -> Decision:
    return Decision(
        allowed=allowed,
        limit=limit,
        remaining=max(0, math.floor(remaining + 1e-9)) if allowed else 0,
        reset_at=reset_at,
        retry_after=0.0 if allowed else max(0.0, retry_after),
    )


def _number(state: State | None, window: float, now: float) -> int:
    """Return which window by the clock it is: never one before that of the state."""
    number = math.floor(now / window)
    return number + 1 if state and state[0] == number + 1 else number


def fixed_window_clock(
    state: State | None, limit: int, window: float, now: float
) -> tuple[State, Decision]:
    """Windows begin at multiples of their length in Unix time."""
    number = _number(state, window, now)
    used = state[1] if state and state[0] == number else 0.0
    allowed = used < limit
    used += allowed
    edge = (number + 1) * window
    return [number, used], _decision(
        allowed=allowed,
        limit=limit,
        remaining=limit - used,
        reset_at=edge,
        retry_after=edge - now,
    )


def fixed_window_first(
    state: State | None, limit: int, window: float, now: float
) -> tuple[State, Decision]:
    """A window begins with the first request after the one before has ended."""
    started, used = state if state else (-math.inf, 0.0)
    if not in_window(started, window, now):
        started, used = now, 0.0
    allowed = used < limit
    used += allowed
    return [started, used], _decision(
        allowed=allowed,
        limit=limit,
        remaining=limit - used,
        reset_at=started + window,
        retry_after=started + window - now,
    )


def sliding_log(
    state: State | None, limit: int, window: float, now: float
) -> tuple[State, Decision]:
    """What was admitted in the window before a request decides on it."""
    held = [at for at in state or () if in_window(at, window, now)]
    allowed = len(held) < limit
    opens = held[-limit] + window if len(held) >= limit else now
    if allowed:
        held.append(now)
    return held, _decision(
        allowed=allowed,
        limit=limit,
        remaining=limit - len(held),
        reset_at=held[-1] + window,
        retry_after=opens - now,
    )


def sliding_counter(
    state: State | None, limit: int, window: float, now: float
) -> tuple[State, Decision]:
    """Two windows by the clock: the former counts by the share that is still in sight.

    An approximation of the log that needs two numbers: it takes what was admitted in
    the former window to have come evenly.
    """
    number = _number(state, window, now)
    former, used = 0.0, 0.0
    if state and state[0] == number:
        former, used = state[1], state[2]
    elif state and state[0] == number - 1:
        former = state[2]
    position = max(0.0, now / window - number)
    weighed = former * (1.0 - position) + used
    allowed = weighed + 1 <= limit + 1e-9
    used += allowed
    if used <= limit - 1 and former:
        opens = (number + 1.0 - (limit - 1 - used) / former) * window
    else:  # not before the next window, in which this one counts as the former
        opens = (number + 2.0 - (limit - 1) / max(1.0, used)) * window
    return [number, former, used], _decision(
        allowed=allowed,
        limit=limit,
        remaining=limit - weighed - 1,
        reset_at=(number + 2) * window if used else (number + 1) * window,
        # A hair later, so that what is computed again then comes out as admitted.
        retry_after=max(opens, now) - now + 1e-6,
    )


def _bucket(
    state: State | None, capacity: int, limit: int, window: float, now: float
) -> tuple[State, Decision]:
    rate = limit / window
    tokens, last = state if state else (float(capacity), now)
    tokens = min(float(capacity), tokens + max(0.0, now - last) * rate)
    allowed = tokens >= 1.0 - 1e-9
    tokens -= allowed
    return [tokens, max(last, now)], _decision(
        allowed=allowed,
        limit=limit,
        remaining=tokens,
        reset_at=now + (capacity - tokens) / rate,
        retry_after=(1.0 - tokens) / rate,
    )


def token_bucket(
    state: State | None, limit: int, window: float, now: float
) -> tuple[State, Decision]:
    """A bucket of the limit's size that fills up evenly, once in a window."""
    return _bucket(state, limit, limit, window, now)


def leaky_bucket(
    state: State | None, limit: int, window: float, now: float
) -> tuple[State, Decision]:
    """A bucket used as a meter (ITU-T I.371): a smaller burst at the same rate."""
    return _bucket(state, leaky_capacity(limit), limit, window, now)


#: A second limit, where there is one: this many windows long …
LONGER = 5
#: … and this many times the first, so that it is the stricter one for who goes on.
MORE = 1.5


def sustained(limit: int) -> int:
    """Return what may be admitted in :data:`LONGER` windows where that is limited."""
    return math.ceil(MORE * limit)


def together(decide: Decide) -> Decide:
    """Return a limiter that admits what two of a kind would: one long, one short.

    A refusal of one costs the other nothing. What is told is of the one that refuses,
    or of the one with less left.
    """

    def both(
        state: State | None, limit: int, window: float, now: float
    ) -> tuple[State, Decision]:
        size = int(state[0]) if state else 0
        parts = (state[1 : size + 1], state[size + 1 :]) if state else ([], [])
        limits = ((limit, window), (sustained(limit), LONGER * window))
        asked = [
            decide(part or None, most, length, now)
            for part, (most, length) in zip(parts, limits, strict=True)
        ]
        allowed = all(said.allowed for _, said in asked)
        kept = [
            after if allowed else before
            for before, (after, _) in zip(parts, asked, strict=True)
        ]
        said = (
            min((one for _, one in asked), key=lambda one: one.remaining)
            if allowed
            else max(
                (one for _, one in asked if not one.allowed),
                key=lambda one: one.retry_after,
            )
        )
        return [float(len(kept[0])), *kept[0], *kept[1]], replace(said, allowed=allowed)

    return both


ALGORITHMS: Mapping[str, Decide] = {
    "fixed_window_first": fixed_window_first,
    "fixed_window_clock": fixed_window_clock,
    "sliding_log": sliding_log,
    "sliding_counter": sliding_counter,
    "token_bucket": token_bucket,
    "leaky_bucket": leaky_bucket,
}
#: What the reference deployments use unless told otherwise.
USUAL = "fixed_window_first"
