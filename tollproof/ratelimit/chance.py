"""Exact binomial bounds, for what is random: races and drift.

Knows counts. Source: Clopper and Pearson, Biometrika 26 (1934).
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log, log1p


def at_most(hits: int, trials: int, p: float) -> float:
    """Return the probability of `hits` or fewer in `trials` of probability `p`."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return 1.0 if hits >= trials else 0.0
    total = lgamma(trials + 1)
    odds, base = log(p), log1p(-p)
    return min(
        1.0,
        sum(
            exp(
                total
                - lgamma(k + 1)
                - lgamma(trials - k + 1)
                + k * odds
                + (trials - k) * base
            )
            for k in range(hits + 1)
        ),
    )


def interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a probability.

    With no hit (or nothing but hits) all of the error is on the one side that is open,
    so that 0 of 59 gives 5 %: the rule of three.

    Raises:
        ValueError: there is no trial, or there are more hits than trials.
    """
    if trials < 1 or not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits in {trials} trials")
    error = 1 - confidence
    if hits in (0, trials):
        bound = error ** (1 / trials)
        return (0.0, 1 - bound) if hits == 0 else (bound, 1.0)
    low = _solve(lambda p: 1 - at_most(hits - 1, trials, p), error / 2)
    high = 1 - _solve(lambda q: at_most(hits, trials, 1 - q), error / 2)
    return low, high


def _solve(rising: Callable[[float], float], target: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < target:
            low = middle
        else:
            high = middle
    return low


def holm(p_values: dict[str, float], error: float = 0.05) -> frozenset[str]:
    """Return which of several hypotheses may be rejected together (Holm 1979)."""
    rejected = set()
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda one: one[1])):
        if p > error / (len(p_values) - rank):
            break
        rejected.add(name)
    return frozenset(rejected)
