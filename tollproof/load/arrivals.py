"""When the requests of a sustained load are due: stages of a rate over time.

Arrivals are open-loop: they follow the clock and wait for nobody, so a slow target
meets the same load as a fast one and the wait it causes is part of what is measured
(no coordinated omission). Knows arithmetic. Must not know what a request is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of time in which the rate goes in a straight line.

    Attributes:
        seconds: how long.
        start: requests per second at its beginning.
        end: requests per second at its end.
    """

    seconds: float
    start: float
    end: float

    def __post_init__(self) -> None:
        """Refuse what is no stage.

        Raises:
            ValueError: a negative rate, or no length.
        """
        if not (self.seconds > 0 and self.start >= 0 and self.end >= 0):
            raise ValueError("a stage has a length above 0 and rates of 0 or more")

    @property
    def requests(self) -> float:
        """How many requests fall into it."""
        return self.seconds * (self.start + self.end) / 2


def ramp(rate: float, seconds: float, *, start: float = 0.0) -> tuple[Stage, ...]:
    """From `start` to `rate` requests per second."""
    return (Stage(seconds=seconds, start=start, end=rate),)


def plateau(
    rate: float, seconds: float, *, rise: float = 0.0, fall: float = 0.0
) -> tuple[Stage, ...]:
    """A constant rate, reached in `rise` seconds and left in `fall`."""
    return (
        *(ramp(rate, rise) if rise else ()),
        Stage(seconds=seconds, start=rate, end=rate),
        *(ramp(0.0, fall, start=rate) if fall else ()),
    )


def spike(
    base: float, peak: float, *, before: float, during: float, after: float
) -> tuple[Stage, ...]:
    """A calm rate with a sudden peak in it; what comes after shows the recovery."""
    return (
        Stage(seconds=before, start=base, end=base),
        Stage(seconds=during, start=peak, end=peak),
        Stage(seconds=after, start=base, end=base),
    )


def soak(rate: float, seconds: float) -> tuple[Stage, ...]:
    """A constant rate for long, reached in a fiftieth of the time, a minute at most."""
    return plateau(rate, seconds, rise=min(60.0, seconds / 50))


def duration(stages: tuple[Stage, ...]) -> float:
    """Seconds from the first stage's beginning to the last one's end."""
    return sum(stage.seconds for stage in stages)


def expected(stages: tuple[Stage, ...]) -> int:
    """How many requests the stages hold; with random arrivals, on average."""
    return math.floor(sum(stage.requests for stage in stages) + 0.5)


def peak(stages: tuple[Stage, ...]) -> float:
    """The highest rate, in requests per second."""
    return max((max(stage.start, stage.end) for stage in stages), default=0.0)


def arrivals(
    stages: tuple[Stage, ...],
    *,
    share: int = 0,
    shares: int = 1,
    seed: int | None = None,
) -> Iterator[int]:
    """Yield when the requests of one share are due, in ns from the beginning.

    The n-th arrival is where the integral of the rate reaches n + 1/2; with a `seed`
    it is a Poisson process of that rate instead. Every process draws the same sequence
    and takes each `shares`-th, so that all of them together are the whole of it.
    """
    chance = random.Random(seed) if seed is not None else None
    mass = chance.expovariate(1.0) if chance else 0.5
    began, before, number = 0.0, 0.0, 0
    for stage in stages:
        slope = (stage.end - stage.start) / stage.seconds
        while mass - before < stage.requests:
            inside = mass - before
            # The root of start·t + slope·t²/2 = inside, in the form that does not
            # subtract two nearly equal numbers.
            root = math.sqrt(max(0.0, stage.start**2 + 2 * slope * inside))
            offset = 2 * inside / (stage.start + root) if inside else 0.0
            if number % shares == share:
                yield int((began + min(offset, stage.seconds)) * SECOND)
            number += 1
            mass += chance.expovariate(1.0) if chance else 1.0
        before += stage.requests
        began += stage.seconds
