"""The sweeps against the definitions, by brute force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.ratelimit.admission import (
    bucket_excess,
    certain_peak,
    first_request_breach,
    fixed_window_breach,
    possible_peak,
    unjustified_refusals,
    windows_explain,
)

MOMENT = st.integers(0, 300).map(lambda tenths: tenths / 10)
INTERVALS = st.lists(
    st.tuples(MOMENT, st.integers(0, 9).map(lambda tenths: tenths / 10)), max_size=25
).map(lambda pairs: [(sent, sent + width) for sent, width in pairs])
Intervals = list[tuple[float, float]]
LENGTH = 10.0


def split(intervals: Intervals) -> tuple[list[float], list[float]]:
    return sorted(s for s, _ in intervals), sorted(r for _, r in intervals)


@given(INTERVALS)
def test_the_certain_peak_is_the_fullest_window(intervals: Intervals) -> None:
    expected = max(
        (
            sum(s >= begin and r <= begin + LENGTH for s, r in intervals)
            for begin, _ in intervals
        ),
        default=0,
    )
    assert certain_peak(*split(intervals), LENGTH).count == expected


@given(INTERVALS)
def test_the_possible_peak_is_the_fullest_window(intervals: Intervals) -> None:
    expected = max(
        (
            sum(s <= begin + LENGTH and r >= begin for s, r in intervals)
            for _, begin in intervals
        ),
        default=0,
    )
    assert possible_peak(*split(intervals), LENGTH).count == expected


@given(INTERVALS, st.data())
def test_certain_is_never_more_than_any_placement_gives(
    intervals: Intervals, data: st.DataObject
) -> None:
    placed = [
        data.draw(st.floats(sent, received), label="decided")
        for sent, received in intervals
    ]
    sent, received = split(intervals)
    counts = [
        sum(begin <= at <= begin + LENGTH for at in placed)
        for begin in (*placed, *sent)
    ]
    most = max(counts, default=0)
    assert certain_peak(sent, received, LENGTH).count <= most
    assert possible_peak(sent, received, LENGTH).count >= most


@given(
    INTERVALS,
    st.floats(0, LENGTH, exclude_max=True),
    st.integers(1, 8),
    st.data(),
)
def test_what_fixed_windows_admitted_is_never_a_breach(
    intervals: Intervals, phase: float, limit: int, data: st.DataObject
) -> None:
    """Soundness: a limiter by the clock is never accused, whatever the network did."""
    decided = sorted(
        (data.draw(st.floats(sent, received), label="decided"), sent, received)
        for sent, received in intervals
    )
    used: dict[int, int] = {}
    admitted, refused = [], []
    for at, sent, received in decided:
        window = int((at - phase) // LENGTH)
        if used.get(window, 0) < limit:
            used[window] = used.get(window, 0) + 1
            admitted.append((sent, received))
        else:
            refused.append((sent, received))
    sent_, received_ = split(admitted)
    around = certain_peak(sent_, received_, LENGTH).start
    breach = fixed_window_breach(
        sent_,
        received_,
        counted=(sent_, received_),
        refused=split(refused),
        limit=limit,
        least=limit,
        length=LENGTH,
        around=around,
    )
    # Two neighbouring moments may coincide, and the edge lie exactly on them.
    assert breach is None or breach.weight <= 1


@given(INTERVALS, st.integers(1, 8), st.data())
def test_what_windows_from_a_request_admitted_is_never_a_breach(
    intervals: Intervals, limit: int, data: st.DataObject
) -> None:
    decided = sorted(
        (data.draw(st.floats(sent, received), label="decided"), sent, received)
        for sent, received in intervals
    )
    ends, used = -1.0, 0
    admitted = []
    for at, sent, received in decided:
        if at >= ends:
            ends, used = at + LENGTH, 0
        if used < limit:
            used += 1
            admitted.append((sent, received))
    assert first_request_breach(*split(admitted), limit=limit, length=LENGTH) is None
    assert windows_explain(*split(admitted), limit=limit, length=LENGTH)


@given(INTERVALS, st.integers(1, 8), st.data())
def test_what_a_bucket_admitted_is_never_an_excess(
    intervals: Intervals, limit: int, data: st.DataObject
) -> None:
    decided = sorted(
        (data.draw(st.floats(sent, received), label="decided"), sent, received)
        for sent, received in intervals
    )
    tokens, last = float(limit), 0.0
    admitted = []
    for at, sent, received in decided:
        tokens = min(limit, tokens + (at - last) * limit / LENGTH)
        last = at
        if tokens >= 1:
            tokens -= 1
            admitted.append((sent, received))
    excess = bucket_excess(*split(admitted), capacity=limit, rate=limit / LENGTH)
    assert excess < 1e-6 or not admitted


@given(INTERVALS, st.integers(1, 8), st.data())
def test_what_a_log_refused_is_never_unjustified(
    intervals: Intervals, limit: int, data: st.DataObject
) -> None:
    decided = sorted(
        (data.draw(st.floats(sent, received), label="decided"), sent, received)
        for sent, received in intervals
    )
    held: list[float] = []
    admitted, refused = [], []
    for at, sent, received in decided:
        held = [one for one in held if one > at - LENGTH]
        if len(held) < limit:
            held.append(at)
            admitted.append((sent, received))
        else:
            refused.append((sent, received))
    found = unjustified_refusals(
        *split(admitted),
        [sent for sent, _ in refused],
        [received for _, received in refused],
        limit=limit,
        length=LENGTH,
    )
    assert found == ()


def test_twice_the_limit_in_one_fill_is_no_fixed_window() -> None:
    sent = [n / 100 for n in range(40)] + [20 + n / 100 for n in range(40)]
    received = [at + 0.005 for at in sent]
    breach = fixed_window_breach(
        sent,
        received,
        counted=(sent, received),
        refused=([], []),
        limit=15,
        least=15,
        length=LENGTH,
        around=0.0,
    )
    assert breach is not None
    assert breach.excess >= 4


@pytest.mark.parametrize(("limit", "explained"), [(9, False), (10, True), (19, True)])
def test_one_edge_in_a_window_is_all_that_explains(limit: int, explained: bool) -> None:
    sent = [n / 100 for n in range(20)]
    received = [at + 0.001 for at in sent]
    found = windows_explain(sent, received, limit=limit, length=LENGTH)
    assert found is explained


@pytest.mark.parametrize(("limit", "found"), [(10, 0), (11, 1)])
def test_one_refusal_too_early_is_found(limit: int, found: int) -> None:
    sent = [n / 10 for n in range(10)]
    received = [at + 0.05 for at in sent]
    early = unjustified_refusals(
        sent, received, [1.5], [1.6], limit=limit, length=LENGTH
    )
    assert len(early) == found
