from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.ratelimit.chance import at_most, holm, interval


@pytest.mark.parametrize(
    ("trials", "bound"), [(14, 0.20), (29, 0.10), (59, 0.05), (149, 0.02), (299, 0.01)]
)
def test_no_hit_bounds_the_probability(trials: int, bound: float) -> None:
    low, high = interval(0, trials)
    assert low == 0.0
    assert high == pytest.approx(bound, abs=0.0075)


def test_a_published_interval() -> None:
    # Clopper and Pearson's classic: 10 of 100 gives 4.90 % to 17.62 %.
    assert interval(10, 100) == pytest.approx((0.04900, 0.17622), abs=1e-4)


@given(st.integers(1, 200), st.data())
def test_an_interval_contains_what_was_seen(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = interval(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1
    if 0 < hits < trials:
        assert at_most(hits, trials, high) == pytest.approx(0.025, abs=1e-6)
        assert 1 - at_most(hits - 1, trials, low) == pytest.approx(0.025, abs=1e-6)


def test_no_trial_is_refused() -> None:
    with pytest.raises(ValueError, match="trials"):
        interval(0, 0)


def test_holm_stops_at_the_first_that_may_not_be_rejected() -> None:
    assert holm({"a": 0.01, "b": 0.02, "c": 0.04}) == {"a", "b", "c"}
    assert holm({"a": 0.01, "b": 0.03, "c": 0.04}) == {"a"}
