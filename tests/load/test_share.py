"""How a schedule is divided among processes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.load.support import schedule, shot
from tollproof.load.share import divide
from tollproof.ratelimit.schedule import Cue, Schedule


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Shots of a few keys, some of which wait for an earlier one, of any key."""
    shots = []
    for number in range(draw(st.integers(1, 20))):
        key = draw(st.sampled_from(["a", "b", "c", "d", "e"]))
        one = shot(number, draw(st.integers(1, 50)), key=key)
        if number and draw(st.booleans()):
            earlier = draw(st.integers(0, number - 1))
            one = replace(one, cue=Cue.RESET, follows=earlier)
        shots.append(one)
    return schedule(*shots)


@given(planned=schedules(), shares=st.integers(1, 6))
def test_each_shot_is_sent_once_and_keys_stay_together(
    planned: Schedule, shares: int
) -> None:
    parts = divide(planned, shares)
    assert len(parts) == shares
    numbers = sorted(one.number for part in parts for one in part)
    assert numbers == [one.number for one in planned.shots]
    where = {one.number: n for n, part in enumerate(parts) for one in part}
    keys = [{one.key for one in part} for part in parts]
    assert sum(map(len, keys)) == len(set().union(*keys))
    # Who waits for another hears of it only in the same process.
    for one in planned.shots:
        if one.cue is not Cue.CLOCK:
            assert where[one.number] == where[one.follows]
    assert divide(planned, shares) == parts


def test_the_largest_goes_to_whoever_has_least() -> None:
    planned = schedule(
        *(shot(n, count, key=f"k{n}") for n, count in enumerate((50, 30, 20, 1)))
    )
    parts = divide(planned, 2)
    assert [sum(one.count for one in part) for part in parts] == [51, 50]
