"""The bounds on another clock hold whatever the delays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.load.offset import Offset

DELAYS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1)


@given(DELAYS, st.integers(-(10**15), 10**15))
def test_the_truth_is_inside(delays: list[tuple[int, int]], truth: int) -> None:
    offset, now = Offset(), 0
    for there, back in delays:
        read = now + there - truth
        offset.learn(asked=now, read=read, heard=now + there + back)
        now += there + back + 1000
    low, high = offset.bounds
    assert low <= truth <= high
    assert high - low <= min(there + back for there, back in delays)


def test_a_clock_that_moved_widens_the_bounds() -> None:
    offset = Offset()
    offset.learn(asked=0, read=0, heard=10)
    offset.close_spell()
    offset.learn(asked=1000, read=900, heard=1010)
    assert offset.bounds == (0, 110)
    offset.learn(asked=2000, read=1000, heard=2010)  # a step, within a spell
    assert offset.bounds == (0, 1010)


def test_nothing_known() -> None:
    with pytest.raises(ValueError, match="exchange"):
        _ = Offset().bounds
