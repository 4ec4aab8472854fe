"""How long a change took to show, and whether a promise about that was kept.

A change is a key created or revoked. The clock runs from the moment the call was
answered: that is when its caller may rely on it. What was decided is known to lie
between a lower and an upper bound; a promise is broken only when even the lower one is
beyond it, and kept only when even the upper one is within.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tollproof.rotation.observation import Answer, Observation, Span

#: Answers in a row that make a change settled. One alone may come from the one worker
#: of several that has heard of it.
STEADY = 5


class Kept(StrEnum):
    """Whether a promised time was kept."""

    KEPT = "kept"
    BROKEN = "broken"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How long a change took to show.

    Attributes:
        lower, upper: seconds after the call was answered between which the change took
            effect; an `upper` of infinity says that it was never seen to.
        before: the last answer as before the change, if there was one.
        after: the first answer of those that make the change settled.
        relapses: answers as before the change, after it had settled.
    """

    lower: float
    upper: float
    before: Observation | None = None
    after: Observation | None = None
    relapses: tuple[Observation, ...] = ()

    @property
    def resolution(self) -> float:
        """How far apart the bounds are, in seconds."""
        return self.upper - self.lower

    def judged(self, promised: float) -> Kept:
        """Hold the delay against a promise in seconds."""
        if self.lower > promised:
            return Kept.BROKEN
        return Kept.KEPT if self.upper <= promised else Kept.OPEN


def delay(
    change: Span,
    seen: Sequence[Observation],
    *,
    wanted: Answer,
    former: Answer,
    promised: float = 0.0,
) -> Delay:
    """Measure when answers changed for good from `former` to `wanted`.

    The change is settled with the first :data:`STEADY` wanted answers in a row, or
    fewer where the observations end. Answers that are neither (lost, throttled) say
    nothing. What falls back after that is a relapse, unless it does so within the
    promised time: until then a deployment of several workers may answer both ways.
    Where the change had not settled in time it is not a relapse either, but later.

    Args:
        change: the call that made the change.
        seen: observations of one key, in order of sending.
        promised: seconds after the call in which no answer is a relapse.
    """
    telling = [
        item
        for item in seen
        if item.answer in (wanted, former) and item.received > change.received
    ]
    start = _settled(telling, wanted, change.received + promised)
    if start is None:
        last = max((item.sent for item in telling), default=change.received)
        return Delay(
            lower=max(0.0, last - change.received),
            upper=math.inf,
            before=telling[-1] if telling else None,
        )
    earlier = [item for item in telling[:start] if item.answer is former]
    after = telling[start]
    before = max(earlier, key=lambda item: item.sent, default=None)
    return Delay(
        lower=max(0.0, before.sent - change.received) if before else 0.0,
        upper=max(0.0, after.received - change.received),
        before=before,
        after=after,
        relapses=tuple(item for item in telling[start:] if item.answer is former),
    )


def _settled(telling: list[Observation], wanted: Answer, grace: float) -> int | None:
    """Return where the first settled run of wanted answers begins."""
    start = None
    for index, item in enumerate(telling):
        if item.answer is not wanted:
            kept = start is not None and telling[start].received <= grace
            if kept and index - (start or 0) >= STEADY and item.sent > grace:
                return start
            start = None
        elif start is None:
            start = index
    return start


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Several delays of one kind, in seconds.

    Attributes:
        middle: the median of the upper bounds.
        most: the largest upper bound.
        resolution: the widest distance between the bounds of one delay.
    """

    count: int
    middle: float
    most: float
    resolution: float


def spread(delays: Sequence[Delay]) -> Spread | None:
    """Sum up delays that have an end; None when there is none."""
    ended = [item for item in delays if item.upper < math.inf]
    if not ended:
        return None
    uppers = [item.upper for item in ended]
    return Spread(
        count=len(ended),
        middle=statistics.median(uppers),
        most=max(uppers),
        resolution=max(item.resolution for item in ended),
    )
