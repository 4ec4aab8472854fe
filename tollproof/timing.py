"""Whether several kinds of request take equally long.

Knows paired rounds and a permutation test. Must not know what was asked. Pure: samples
in, comparison out.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

#: How likely a difference may be declared where there is none, over all pairs.
ERROR_RATE = 1e-4
#: The smallest difference that is worth reporting, in seconds.
MARGIN = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the samples say.

    Attributes:
        difference: median over rounds of slower minus faster, in seconds.
        resolution: the half-width of that median's confidence interval, in seconds:
            a smaller difference would not have been seen.
        different: whether some difference is real and larger than the margin.
    """

    slower: str
    faster: str
    difference: float
    resolution: float
    probability: float
    different: bool
    rounds: int
    medians: Mapping[str, float]
    margin: float = MARGIN

    def figures(self) -> dict[str, Any]:
        """Return everything as plain JSON, times in milliseconds."""
        return {
            "rounds": self.rounds,
            "medians_ms": {
                name: round(value * 1000, 3) for name, value in self.medians.items()
            },
            "difference_ms": round(self.difference * 1000, 3),
            "resolution_ms": round(self.resolution * 1000, 3),
            "probability": self.probability,
            "margin_ms": self.margin * 1000,
        }


def compare(samples: Mapping[str, Sequence[float]], *, seed: int) -> Comparison:
    """Compare kinds of request pair by pair; the pair that differs most is reported.

    The sign test over rounds needs no assumption about the noise: under no difference
    each round is slower for either kind with equal chance. Bonferroni over pairs.

    Args:
        samples: seconds by kind, one a round, all of one length.
        seed: of the bootstrap that gives the resolution.
    """
    pairs = list(combinations(samples, 2))
    compared = [
        _pair(one, other, samples, len(pairs), random.Random(seed))
        for one, other in pairs
    ]
    return max(compared, key=lambda item: (item.different, item.difference))


def _pair(
    one: str,
    other: str,
    samples: Mapping[str, Sequence[float]],
    pairs: int,
    chance: random.Random,
) -> Comparison:
    rounds = [a - b for a, b in zip(samples[one], samples[other], strict=True)]
    middle = statistics.median(rounds)
    slower, faster = (one, other) if middle >= 0 else (other, one)
    above = sum(value > 0 for value in rounds)
    below = sum(value < 0 for value in rounds)
    probability = _sign_test(max(above, below), above + below)
    return Comparison(
        slower=slower,
        faster=faster,
        difference=abs(middle),
        resolution=_half_width(rounds, chance),
        probability=probability,
        different=probability * pairs < ERROR_RATE and abs(middle) > MARGIN,
        rounds=len(rounds),
        medians={name: statistics.median(values) for name, values in samples.items()},
    )


def _sign_test(larger: int, total: int) -> float:
    """Two-sided probability of `larger` or more of `total` under a fair coin."""
    from math import comb

    if not total:
        return 1.0
    tail = sum(comb(total, count) for count in range(larger, total + 1))
    return float(min(1.0, 2 * tail / 2**total))


def _half_width(values: Sequence[float], chance: random.Random) -> float:
    """Half the 99 % interval of the median, by bootstrap."""
    medians = sorted(
        statistics.median(chance.choices(values, k=len(values))) for _ in range(400)
    )
    return (medians[-3] - medians[2]) / 2
