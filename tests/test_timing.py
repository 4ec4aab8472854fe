"""The comparison tells a real difference from noise, at its stated error rate."""

import random

from tollproof.timing import MARGIN, compare


def samples(
    seed: int, shift: float, rounds: int = 120, noise: float = 0.002
) -> dict[str, list[float]]:
    """Return two kinds whose medians differ by `shift` seconds, with long tails."""
    chance = random.Random(seed)

    def one() -> float:
        stall = 0.3 if chance.random() < 0.02 else 0.0
        return 0.005 + chance.expovariate(1 / noise) + stall

    return {
        "one": [one() for _ in range(rounds)],
        "other": [one() + shift for _ in range(rounds)],
    }


def test_a_difference_is_found_and_named() -> None:
    for seed in range(5):
        comparison = compare(samples(seed, 0.004), seed=seed)

        assert comparison.different
        assert (comparison.slower, comparison.faster) == ("other", "one")
        assert 0.002 < comparison.difference < 0.006


def test_no_difference_is_not_found() -> None:
    """60 comparisons of equal kinds, at an error rate of one in ten thousand."""
    assert not any(
        compare(samples(seed, 0.0), seed=seed).different for seed in range(60)
    )


def test_drift_is_no_difference() -> None:
    """Both kinds get slower over the rounds: interleaving cancels it."""
    plain = samples(1, 0.0)
    drifting = {
        name: [value + 0.001 * index for index, value in enumerate(values)]
        for name, values in plain.items()
    }

    assert not compare(drifting, seed=1).different


def test_a_difference_below_the_margin_is_not_reported() -> None:
    quiet = samples(3, MARGIN / 2, noise=0.00001)

    assert not compare(quiet, seed=3).different


def test_noise_widens_the_resolution() -> None:
    quiet = compare(samples(4, 0.0, noise=0.0005), seed=4)
    noisy = compare(samples(4, 0.0, noise=0.05), seed=4)

    assert noisy.resolution > 10 * quiet.resolution
