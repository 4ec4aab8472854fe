"""Several limiters at once, against each by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.ratelimit.models import JOINING, Model, together

groups_of = st.lists(
    st.tuples(st.floats(0.0, 0.4), st.integers(1, 9)), min_size=1, max_size=60
)


def placed(steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Groups at growing times, from the time between them."""
    groups, at = [], 0.0
    for step, size in steps:
        at += step
        groups.append((at, size))
    return groups


@pytest.mark.parametrize("family", sorted(JOINING))
@given(steps=groups_of, limit=st.integers(1, 20), phase=st.none() | st.floats(0, 1))
def test_one_in_step_is_the_one_that_runs_through(
    family: str, steps: list[tuple[float, int]], limit: int, phase: float | None
) -> None:
    one = Model(family=family, limit=limit, window=1.0, phase=phase)
    assert together((one,), placed(steps)) == one.replay(placed(steps))


@pytest.mark.parametrize("family", sorted(JOINING))
@given(steps=groups_of, limit=st.integers(1, 20))
def test_a_limit_out_of_reach_changes_nothing(
    family: str, steps: list[tuple[float, int]], limit: int
) -> None:
    one = Model(family=family, limit=limit, window=1.0)
    far = replace(one, limit=10_000, window=7.0)
    both = replace(one, further=(far,))
    assert both.replay(placed(steps)) == one.replay(placed(steps))


@pytest.mark.parametrize("family", sorted(JOINING))
@given(steps=groups_of, limit=st.integers(1, 20), more=st.integers(1, 30))
def test_two_admit_no_more_of_the_first_group_than_either(
    family: str, steps: list[tuple[float, int]], limit: int, more: int
) -> None:
    groups = placed(steps)
    short = Model(family=family, limit=limit, window=1.0)
    long = Model(family=family, limit=more, window=30.0)
    both = replace(short, further=(long,)).replay(groups)
    assert both[0] == min(short.replay(groups)[0], long.replay(groups)[0])
    assert all(
        0 <= taken <= size for taken, (_, size) in zip(both, groups, strict=True)
    )
