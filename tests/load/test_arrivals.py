"""Arrivals follow the stages, all shares together and each alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.load.arrivals import (
    SECOND,
    Stage,
    arrivals,
    duration,
    expected,
    peak,
    plateau,
    ramp,
    soak,
    spike,
)

STAGES = st.lists(
    st.builds(
        Stage,
        seconds=st.floats(0.01, 20),
        start=st.floats(0, 200),
        end=st.floats(0, 200),
    ),
    min_size=1,
    max_size=4,
).map(tuple)


@given(STAGES)
def test_as_many_as_expected_in_order_and_in_time(stages: tuple[Stage, ...]) -> None:
    times = list(arrivals(stages))
    assert abs(len(times) - expected(stages)) <= 1
    assert times == sorted(times)
    assert all(0 <= at <= duration(stages) * SECOND + 1 for at in times)


@given(STAGES, st.integers(1, 5), st.none() | st.integers(0, 9))
def test_the_shares_are_the_whole(
    stages: tuple[Stage, ...], shares: int, seed: int | None
) -> None:
    whole = list(arrivals(stages, seed=seed))
    parts = [
        list(arrivals(stages, share=share, shares=shares, seed=seed))
        for share in range(shares)
    ]
    assert sorted(itertools.chain(*parts)) == whole
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_plateau_is_evenly_spaced() -> None:
    times = list(arrivals(plateau(100, 1)))
    assert len(times) == 100
    gaps = {round((b - a) / 1e6, 3) for a, b in itertools.pairwise(times)}
    assert gaps == {10.0}


def test_a_ramp_has_a_quarter_in_its_first_half() -> None:
    times = list(arrivals(ramp(1000, 2)))
    assert len(times) == 1000
    assert sum(at < SECOND for at in times) == 250


def test_random_arrivals_are_as_many_and_not_even() -> None:
    times = list(arrivals(plateau(1000, 10), seed=1))
    assert 9_500 < len(times) < 10_500
    gaps = [b - a for a, b in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert 0.8 < variance / mean**2 < 1.2  # an exponential's is 1


def test_shapes() -> None:
    assert [one.end for one in spike(5, 50, before=1, during=2, after=3)] == [5, 50, 5]
    assert peak(spike(5, 50, before=1, during=2, after=3)) == 50
    assert duration(soak(10, 500)) == 510
    assert duration(plateau(10, 5, rise=1, fall=2)) == 8


def test_a_stage_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        Stage(seconds=0, start=1, end=1)
