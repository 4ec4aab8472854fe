"""Figures of a load from its records, and which of them hold before its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.traces import SECOND, Row, written
from tollproof.load.summary import (
    Summary,
    Threshold,
    beyond_repair,
    breaches,
    summarise,
)


def test_latency_counts_the_wait_and_service_does_not(tmp_path: Path) -> None:
    rows = [Row(sent=1.5, late=0.5, took=0.25), Row(sent=2.0, status=429, took=0.002)]
    found = summarise([written(tmp_path, rows)], planned=4, epoch=SECOND)
    assert found.latency["200"]["p50"] == pytest.approx(750_000, rel=0.001)
    assert found.service["200"]["p50"] == pytest.approx(250_000, rel=0.001)
    assert found.lateness["p100"] == pytest.approx(500_000, rel=0.001)
    # Refusals are quick: they are in `all` and not in `ok`.
    assert found.latency["ok"]["p50"] > found.latency["all"]["p50"]
    assert dict(found.statuses) == {"200": 1, "429": 1}
    assert (found.planned, found.sent) == (4, 2)
    # From the first due time (0 s) to the last answer (1.002 s).
    assert found.seconds == pytest.approx(1.002)
    assert [(one.second, one.due) for one in found.timeline] == [(0, 1), (1, 1)]


def test_nothing_on_record_has_no_figures() -> None:
    found = summarise([], planned=10, epoch=0)
    assert (found.sent, found.seconds, found.per_second) == (0, 0.0, 0.0)
    assert not found.latency
    (one,) = breaches(found, [Threshold(figure="p50", most=1.0)])
    assert one.actual is None


def test_another_machines_clock_is_moved(tmp_path: Path) -> None:
    ours = written(tmp_path, [Row(sent=10.0), Row(sent=12.0)])
    theirs = written(tmp_path, [Row(sent=5011.0)], share=1, host="there")
    bounds = (-5000 * SECOND - 1000, -5000 * SECOND + 1000)
    found = summarise(
        [ours, theirs], planned=3, epoch=10 * SECOND, shifts={theirs: bounds}
    )
    assert [one.second for one in found.timeline] == [0, 1, 2]
    assert found.seconds == pytest.approx(2.001)
    assert found.latency["all"]["p100"] == pytest.approx(1000, rel=0.01)


def summary(planned: int, fast: int, slow: int, **statuses: int) -> Summary:
    """`fast` answers of 1 ms and `slow` ones of 100 ms, among other statuses."""
    good = fast + slow
    ranks = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)
    latency = {
        f"p{rank:g}": 1_000 if good * rank / 100 <= fast else 100_000 for rank in ranks
    }
    named = {name.removeprefix("s"): number for name, number in statuses.items()}
    return Summary(
        planned=planned,
        sent=good + sum(named.values()),
        seconds=10.0,
        statuses={"200": good, **named},
        latency={"ok": latency} if good else {},
    )


P95 = Threshold(figure="p95", most=50.0)


@pytest.mark.parametrize(
    ("found", "threshold", "missed"),
    [
        # 100 slow ones of 800 planned are more than the 5 % that may be slow …
        (summary(800, 100, 100), P95, True),
        # … and 50 of 10,000 are not, though half of what is there is slow.
        (summary(10_000, 50, 50), P95, False),
        (summary(100, 0, 50, s503=10), Threshold(figure="errors", most=0.05), True),
        (summary(1000, 0, 50, s503=10), Threshold(figure="errors", most=0.05), False),
        # Whoever ended the load ended the wait for these answers.
        (summary(100, 50, 0, s0=40), Threshold(figure="errors", most=0.05), False),
        (summary(100, 50, 0, s429=40), Threshold(figure="refused", most=0.1), True),
        # What had followed might have been quicker.
        (summary(1000, 1, 0), Threshold(figure="per_second", least=99.0), False),
        (summary(1000, 0, 0), P95, False),
    ],
)
def test_what_no_continuation_mends(
    found: Summary, threshold: Threshold, missed: bool
) -> None:
    assert bool(beyond_repair(found, [threshold])) is missed


@given(
    fast=st.integers(0, 500),
    slow=st.integers(0, 500),
    refused=st.integers(0, 200),
    failing=st.integers(0, 200),
    more=st.integers(0, 2000),
    most=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
)
def test_what_is_beyond_repair_is_a_breach_however_well_it_goes_on(
    fast: int, slow: int, refused: int, failing: int, more: int, most: float
) -> None:
    statuses = {"s429": refused, "s500": failing}
    planned = fast + slow + refused + failing + more
    cut = summary(planned, fast, slow, **statuses)
    whole = summary(planned, fast + more, slow, **statuses)
    thresholds = [
        *(Threshold(figure=name, most=50.0) for name in ("p50", "p95", "p99")),
        *(Threshold(figure=name, most=most) for name in ("errors", "refused")),
    ]
    broken = {one.threshold for one in breaches(whole, thresholds)}
    for one in beyond_repair(cut, thresholds):
        assert one.threshold in broken
