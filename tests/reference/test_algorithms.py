"""Two limits at once admit what both would, and a refusal costs neither anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.reference.algorithms import ALGORITHMS, LONGER, State, sustained
from tollproof.reference.algorithms import together as joined

WINDOW = 10.0


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
@given(
    steps=st.lists(st.floats(0.0, 4.0), min_size=1, max_size=120),
    limit=st.integers(4, 12),
)
def test_neither_limit_admits_more_than_it_would_alone(
    name: str, steps: list[float], limit: int
) -> None:
    decide = ALGORITHMS[name]
    both = joined(decide)
    short: State | None = None
    long: State | None = None
    state: State | None = None
    now = 1000.0
    for step in steps:
        now += step
        first, one = decide(short, limit, WINDOW, now)
        second, other = decide(long, sustained(limit), LONGER * WINDOW, now)
        state, said = both(state, limit, WINDOW, now)
        assert said.allowed == (one.allowed and other.allowed)
        if said.allowed:
            short, long = first, second
            assert said.remaining == min(one.remaining, other.remaining)
            assert said.retry_after == 0.0
        else:
            refusing = [item for item in (one, other) if not item.allowed]
            assert said.retry_after == max(item.retry_after for item in refusing)


def test_the_longer_limit_refuses_who_goes_on() -> None:
    both = joined(ALGORITHMS["fixed_window_first"])
    state: State | None = None
    admitted = 0
    for second in range(int(LONGER * WINDOW)):
        for _ in range(8):
            state, said = both(state, 8, WINDOW, 1000.0 + second)
            admitted += said.allowed
    assert admitted == sustained(8) == 12
    state, said = both(state, 8, WINDOW, 1000.0 + LONGER * WINDOW)
    assert said.allowed
