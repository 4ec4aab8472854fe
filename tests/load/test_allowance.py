"""No second holds more than the budget, wherever it begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollproof.load.allowance import SECOND, Allowance, Budget


@given(
    st.lists(st.integers(0, 400_000_000), max_size=200),
    st.integers(1, 20),
    st.integers(0, 150),
)
def test_no_second_has_more_than_the_rate(
    gaps: list[int], per_second: int, requests: int
) -> None:
    end = 20 * SECOND
    allowance = Allowance(requests=requests, per_second=per_second, end=end)
    now, taken = 0, []
    for gap in gaps:
        now += gap
        if allowance.take(now):
            taken.append(now)
    assert len(taken) == allowance.used <= requests
    assert len(gaps) == allowance.used + allowance.refused
    assert all(at < end for at in taken)
    for index, at in enumerate(taken):
        assert sum(at <= other < at + SECOND for other in taken[index:]) <= per_second


def test_what_was_not_sent_is_given_back() -> None:
    allowance = Allowance(requests=2, per_second=1, end=SECOND)
    assert allowance.take(0)
    allowance.give_back()
    assert allowance.take(1)
    assert not allowance.take(2)


def test_no_rate_is_no_bound() -> None:
    allowance = Allowance(requests=1000, per_second=0, end=SECOND)
    assert all(allowance.take(5) for _ in range(1000))
    assert not allowance.take(5)


def test_consent_names_host_and_port() -> None:
    budget = Budget(hosts=(("Api.test", 443),), requests=1, per_second=1, seconds=1)
    assert budget.allows("api.TEST", 443)
    assert not budget.allows("api.test", 80)
    assert not budget.allows("api.test.evil", 443)
