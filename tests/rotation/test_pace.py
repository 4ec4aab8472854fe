"""Watching a key never uses up what it may ask."""

from hypothesis import given
from hypothesis import strategies as st

from tollproof.rotation.pace import CALMEST, CLOSEST, plan_pace


@given(
    awaited=st.floats(0.1, 60),
    otherwise=st.floats(0.1, 120),
    allowance=st.floats(10, 100_000),
)
def test_a_plan_stays_inside_the_allowance(
    awaited: float, otherwise: float, allowance: float
) -> None:
    pace = plan_pace(awaited=awaited, otherwise=otherwise, allowance=allowance)
    sent = awaited / pace.near + otherwise / pace.calm
    assert sent <= 0.61 * allowance
    assert pace.near >= CLOSEST
    assert pace.calm >= CALMEST


def test_the_usual_limit_allows_the_closest_pace() -> None:
    assert plan_pace(awaited=2.5, otherwise=8.0, allowance=600).near == CLOSEST


def test_without_a_limit_the_target_is_spared_all_the_same() -> None:
    pace = plan_pace(awaited=1.0, otherwise=1.0, allowance=None)
    assert (pace.near, pace.calm) == (CLOSEST, CALMEST)
