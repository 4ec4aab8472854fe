"""What is asked beside the limit itself: do errors count, and who fails to come in.

These requests have keys or a time of their own, and are judged apart from the others.
Knows the plan in the making. Must not know how requests are sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tollproof.ratelimit.promise import Policy
from tollproof.ratelimit.schedule import Phase

if TYPE_CHECKING:
    from tollproof.ratelimit.planning import Draft

#: The phases of each question, by the beginning of their names.
ERRORS, STRANGERS = "errors", "strangers"
ASIDE = (ERRORS, STRANGERS)
SPENT, REFILL = f"{ERRORS}.spent", f"{ERRORS}.plain"
FAILED, SPOOFED = f"{STRANGERS}.failed", f"{STRANGERS}.forwarded"
#: Connections that ordinary requests are spread over.
POOL = 16
#: How many callers with a wrong credential take turns, where the address counts.
CALLERS = 4


def spare(draft: Draft) -> int:
    """Return how many more than the limit must pass to be too many for any limiter."""
    policy = draft.promise.tightest
    dripped = policy.limit / policy.window * (2 * draft.quick + 2 * draft.pause + 0.5)
    return math.ceil(draft.full * draft.promise.tolerance + dripped) + 5


def ask_with_errors(draft: Draft, key: str, at: float, variant: str) -> float:
    """Spend half of the allowance on errors, then half and more on plain requests.

    Together they are more than the limit, each by itself is far less: either plain
    requests are refused, and errors count, or none is, and they do not.

    Returns:
        When the last one is sent.
    """
    draft.phases.append(
        Phase(name=ERRORS, key=key, purpose="whether requests that fail count")
    )
    count = draft.full // 2 + spare(draft)
    seconds = draft.quick * count / draft.full
    draft.add(key, SPENT, at, count, seconds=seconds, connections=POOL, variant=variant)
    at += seconds + draft.pause
    draft.add(key, REFILL, at, count, seconds=seconds, connections=POOL)
    return at + seconds


def fail_to_come_in(
    draft: Draft, callers: Sequence[str], at: float, policy: Policy, spoofed: str
) -> float:
    """Fail as often as is promised to be borne, and beyond; then as somebody else.

    Args:
        callers: labels of keys that are refused, which take turns.
        spoofed: the form of a request that claims another origin; empty for none.

    Returns:
        When the last one is sent.
    """
    draft.phases.append(
        Phase(name=STRANGERS, key=callers[0], purpose="a limit on wrong credentials")
    )
    quick = min(0.6, 0.05 * policy.window)
    quick = max(quick, 4 * policy.limit / draft.per_second)
    shares = [
        policy.limit // len(callers) + (turn < policy.limit % len(callers))
        for turn in range(len(callers))
    ]
    for caller, share in zip(callers, shares, strict=True):
        draft.add(caller, FAILED, at, share, seconds=quick, connections=4)
    at += quick + draft.pause
    last = callers[0]
    beyond = max(10, policy.limit // 10)
    draft.add(
        last,
        FAILED,
        at,
        beyond,
        seconds=quick * beyond / policy.limit,
        connections=4,
        until_refused=10,
        # More than twice the limit passes no edge of any window.
        most=policy.limit + 2 * beyond,
        patience=0.5 * policy.window,
    )
    at += quick * (2 + 2 * beyond / policy.limit) + draft.pause
    for name in (FAILED, SPOOFED, FAILED):
        if name == FAILED or spoofed:
            form = spoofed if name == SPOOFED else "plain"
            draft.add(last, name, at, 5, connections=5, fresh=True, variant=form)
            at += draft.pause
    return at
