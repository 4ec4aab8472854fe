from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollproof.ratelimit.planning import plan
from tollproof.ratelimit.promise import Policy, RateLimitPromise
from tollproof.ratelimit.schedule import Cue, Schedule, Shot

KEYS = ["a", "b", "c", "d", "e"]


def promise(limit: int, window: float) -> RateLimitPromise:
    return RateLimitPromise(policy=Policy(limit=limit, window=window))


def test_six_hundred_a_minute_fits_into_the_bounds() -> None:
    schedule = plan(promise(600, 60), KEYS[:4], variants=("forwarded", "slash"))
    assert schedule.requests <= 4500
    assert schedule.seconds <= 1.4 * 60


@pytest.mark.parametrize(("keys", "windows"), [(1, 4.2), (2, 2.7), (3, 1.4)])
def test_fewer_keys_take_longer_and_say_what_is_left_out(
    keys: int, windows: float
) -> None:
    schedule = plan(promise(600, 60), KEYS[:keys])
    assert schedule.seconds <= windows * 60
    assert any("just below the limit" in one for one in schedule.untested)


@settings(deadline=None)
@given(
    st.integers(1, 5000),
    st.floats(0.5, 7200),
    st.integers(1, 5),
    st.lists(st.sampled_from("xyz"), max_size=3, unique=True),
)
def test_every_plan_can_be_executed(
    limit: int, window: float, keys: int, variants: list[str]
) -> None:
    schedule = plan(promise(limit, window), KEYS[:keys], variants=variants)
    for number, shot in enumerate(schedule.shots):
        assert shot.number == number
        assert shot.count >= 1
        assert shot.connections >= 1
        assert shot.at >= 0
        assert shot.key in schedule.keys
        if shot.cue is not Cue.CLOCK:
            asked = schedule.shots[shot.follows]
            assert asked.key == shot.key
            assert asked.at + asked.seconds <= shot.at
    assert schedule.most_requests >= schedule.requests
    assert Schedule.from_json(schedule.to_json()) == schedule


def test_a_key_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        plan(promise(5, 1), ["a"], sibling="a")


def shot(cue: Cue, *, delay: float = 0.0, period: float = 0.0) -> Shot:
    return Shot(
        number=0,
        key="a",
        phase="x",
        at=10.0,
        count=1,
        cue=cue,
        earliest=5.0,
        latest=15.0,
        delay=delay,
        period=period,
    )


@pytest.mark.parametrize(
    ("cue", "told", "due"),
    [
        (Cue.CLOCK, None, 10.0),
        (Cue.RETRY_AFTER, None, None),
        (Cue.RETRY_AFTER, 12.0, 12.5),
        (Cue.RETRY_AFTER, 16.0, None),
        (Cue.RESET, None, 10.0),
        (Cue.RESET, 6.0, 6.5),
        (Cue.RESET, 99.0, 10.0),
    ],
)
def test_a_cue_decides_the_moment(
    cue: Cue, told: float | None, due: float | None
) -> None:
    assert shot(cue, delay=0.5).due(told) == due


def test_an_edge_too_near_is_moved_on_by_whole_windows() -> None:
    assert shot(Cue.RESET, period=4.0).due(2.0) == 6.0
