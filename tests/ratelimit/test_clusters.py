"""A key's requests in clusters: what lingered is placed where it explains most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollproof.ratelimit.clusters import clusters_of, total_cost
from tollproof.ratelimit.models import FIXED_FIRST, LOG, Model
from tollproof.ratelimit.view import ADMITTED, REFUSED, Lane

LIMIT, WINDOW = 60, 6.0


def lane_of(rows: list[tuple[float, float, int]]) -> Lane:
    lane = Lane(key="one")
    for sent, received, outcome in sorted(rows):
        lane.sent.append(sent)
        lane.received.append(received)
        lane.outcome.append(outcome)
        lane.variant.append("plain")
    return lane


def queued_start(opened: float) -> list[tuple[float, float, int]]:
    """Fourteen requests that waited before a window from the first request began.

    Args:
        opened: when the first of them was decided; all were answered at 0.9 s.
    """
    waiting = [(0.06 * one, 0.9 + 0.001 * one, ADMITTED) for one in range(14)]
    end = opened + WINDOW
    fill = []
    used, fresh = 14, 0
    for one in range(100):
        at = WINDOW - 0.3 + 0.02 * one
        if at < end:
            used += 1
            admitted = used <= LIMIT
        else:
            fresh += 1
            admitted = fresh <= LIMIT
        fill.append((at, at + 0.004, ADMITTED if admitted else REFUSED))
    return waiting + fill


@given(st.floats(0.01, 0.89))
def test_a_window_that_opens_with_a_request_that_waited_is_explained(
    opened: float,
) -> None:
    sequences = [clusters_of(lane_of(queued_start(opened)), WINDOW / 2000)]
    model = Model(family=FIXED_FIRST, limit=LIMIT, window=WINDOW)
    explained = total_cost(model, sequences, 1000)
    shorter = Model(family=FIXED_FIRST, limit=LIMIT, window=0.7 * WINDOW)
    assert explained <= 12  # an eighth of what straddles it, and one more
    assert explained < total_cost(shorter, sequences, 1000) or explained == 0


@given(st.integers(1, 40), st.floats(0.0, 0.5))
def test_where_nothing_lingers_there_is_one_reading(many: int, start: float) -> None:
    rows = [
        (start + 0.01 * one, start + 0.01 * one + 0.002, ADMITTED)
        for one in range(many)
    ]
    clusters = clusters_of(lane_of(rows), WINDOW / 2000)
    assert not clusters.otherwise
    assert clusters.loose == 0
    assert sum(clusters.admitted) == clusters.requests == many


@given(st.floats(0.05, 0.9), st.sampled_from([FIXED_FIRST, LOG]))
def test_every_reading_holds_all_requests(width: float, family: str) -> None:
    rows = [(0.01 * one, 0.01 * one + 0.002, ADMITTED) for one in range(30)]
    rows.append((0.1, 0.1 + width, REFUSED))
    one = clusters_of(lane_of(rows), WINDOW / 2000)
    for placed in (one, *one.otherwise):
        assert sum(size for _, size in placed.groups) == 31
        assert sum(placed.clusters) == len(placed.groups)
        assert placed.groups == sorted(placed.groups)
        assert placed.loose == 1
    model = Model(family=family, limit=LIMIT, window=WINDOW)
    assert total_cost(model, [one], 100) == 1  # a refusal that nothing explains
