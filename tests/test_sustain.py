"""From a profile and a command line to a load, and what may be said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.errors import UsageError
from tollproof.load.arrivals import duration, expected, peak
from tollproof.load.collecting import LoadOutcome
from tollproof.load.outcome import ShareReport
from tollproof.load.sentinel import Stalls
from tollproof.load.summary import Breach, Summary, Threshold
from tollproof.ratelimit.observation import Trace
from tollproof.sustain import (
    CHANNEL,
    LoadRequest,
    Shape,
    Sustenance,
    requested,
    stages_of,
)

REQUESTS = st.builds(
    LoadRequest,
    shape=st.sampled_from(Shape),
    rate=st.floats(0.1, 5000),
    seconds=st.floats(1, 100_000),
    random=st.booleans(),
    bind=st.tuples(st.sampled_from(["127.0.0.1", "::1"]), st.integers(1, 65535)),
    join=st.none() | st.tuples(st.just("leader"), st.integers(1, 65535)),
    wait=st.floats(1, 1000),
)


@given(asked=REQUESTS)
def test_what_is_asked_survives_its_way_to_the_checks(asked: LoadRequest) -> None:
    assert requested({CHANNEL: asked.to_channel()}) == asked
    assert asked.cluster.join == asked.join
    assert asked.cluster.wait == asked.wait


def test_nothing_asked_is_the_usual() -> None:
    assert requested({}) == LoadRequest()
    with pytest.raises(UsageError, match=CHANNEL):
        requested({CHANNEL: '{"shape": "circle"}'})


@given(asked=REQUESTS)
def test_every_shape_lasts_as_long_as_asked_and_keeps_to_its_rate(
    asked: LoadRequest,
) -> None:
    stages = stages_of(asked, asked.rate)
    # A soak's rise is a minute at most; it gives up some of the whole for it.
    assert 0.97 * asked.seconds <= duration(stages) <= asked.seconds * 1.001
    highest = 4 * asked.rate if asked.shape is Shape.SPIKE else asked.rate
    assert peak(stages) == pytest.approx(highest)
    assert expected(stages) <= highest * asked.seconds * 1.001 + 1


def test_a_spike_is_as_high_as_asked_for_a_fifth_of_the_time() -> None:
    asked = LoadRequest(shape=Shape.SPIKE, peak=70.0, seconds=10.0)
    before, high, after = stages_of(asked, 10.0)
    assert (before.seconds, high.seconds, after.seconds) == (4.0, 2.0, 4.0)
    assert (before.end, high.start, after.start) == (10.0, 70.0, 10.0)


def found(*, stalled: float = 0.0, longest: int = 0) -> Sustenance:
    stalls = replace(Stalls(threshold=1), longest=longest)
    report = ShareReport(share=0, stalls=stalls)
    return Sustenance(
        request=LoadRequest(),
        summary=Summary(planned=100, sent=100, seconds=10.0),
        outcome=LoadOutcome(trace=Trace(), reports=(report,), files=(Path("a"),)),
        refusals=(429,),
        stalled=stalled,
    )


SLOW = Breach(threshold=Threshold(figure="p95", most=100.0), actual=150.0)
FEW = Breach(threshold=Threshold(figure="per_second", least=100.0), actual=90.0)


def test_a_breach_is_certain_while_the_harness_kept_up() -> None:
    assert found().is_certain(SLOW)
    assert found().is_certain(FEW)


@pytest.mark.parametrize(
    ("breach", "stalled", "longest", "certain"),
    [
        (SLOW, 0.1, 10_000_000, True),  # 150 × 0.98 - 10 = 137
        (SLOW, 0.0, 60_000_000, False),  # one stall explains it
        (SLOW, 2.0, 0, False),  # so does a fifth of the time
        (FEW, 0.1, 0, True),
        (FEW, 1.0, 0, False),
        (replace(SLOW, actual=None), 0.0, 0, False),
    ],
)
def test_what_our_own_stalls_may_have_done_is_not_certain(
    breach: Breach, stalled: float, longest: int, certain: bool
) -> None:
    assert found(stalled=stalled, longest=longest).is_certain(breach) is certain


def test_only_a_load_that_was_ended_everywhere_was_stopped() -> None:
    outcome = found().outcome
    ended, whole = ShareReport(share=0, stopped=True), ShareReport(share=1)
    assert replace(outcome, reports=(ended,)).stopped
    assert not replace(outcome, reports=(ended, whole)).stopped
    assert not replace(outcome, reports=()).stopped
