"""Percentiles are never too low and at most 0.1 % too high."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.load.histogram import Histogram

VALUES = st.lists(st.integers(0, 10**9), min_size=1, max_size=300)


@given(VALUES, st.floats(0, 100))
def test_percentiles_are_close_from_above(values: list[int], percent: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    rank = max(1, math.ceil(len(values) * percent / 100))
    exact = sorted(values)[rank - 1]
    assert exact <= histogram.percentile(percent) <= exact * 1.001
    assert histogram.mean == pytest.approx(sum(values) / len(values))
    assert (histogram.shortest, histogram.longest) == (min(values), max(values))


@given(VALUES, VALUES)
def test_merging_is_counting_together(first: list[int], second: list[int]) -> None:
    one, two, both = Histogram(), Histogram(), Histogram()
    for value in first:
        one.add(value)
        both.add(value)
    for value in second:
        two.add(value)
        both.add(value)
    one.merge(two)
    assert one.percentiles() == both.percentiles()
    assert (one.shortest, one.number) == (both.shortest, both.number)


def test_nothing_has_no_percentile() -> None:
    assert Histogram().percentiles() == {}
    with pytest.raises(ValueError, match="nothing"):
        Histogram().percentile(50)
