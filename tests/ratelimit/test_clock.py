from __future__ import annotations

import pytest

from tests.ratelimit.cells import CELLS, Setting, schedule_of
from tests.ratelimit.simulated import NETWORKS, Deployment, FixedFirst, run
from tollproof.ratelimit.clock import Offset, clock_offset
from tollproof.ratelimit.view import view

SETTING = Setting(60, 60.0, 4)


def measured(network: str, *, offset: float, cached: bool = False) -> Offset:
    promise, schedule = schedule_of(CELLS[0], SETTING)
    deployment = Deployment(
        make=lambda n, w, rng: FixedFirst(n, w),
        n=60,
        w=60.0,
        offset=offset,
        cached_date=cached,
    )
    trace = run(schedule, promise, deployment, NETWORKS[network], 3)
    return clock_offset(view(trace, promise))


@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize("offset", [0.0, -3.25, 86_400.5])
def test_the_offset_lies_in_the_interval(network: str, offset: float) -> None:
    found = measured(network, offset=offset)
    assert found.trusted
    assert found.low <= offset <= found.high
    assert found.width < 0.3


def test_a_cached_date_leaves_room_for_the_truth() -> None:
    found = measured("lan", offset=0.0, cached=True)
    # A Date may be a second old; whoever uses the bounds adds that.
    assert found.low - 0.01 <= 0.0 <= found.high + 1.0
