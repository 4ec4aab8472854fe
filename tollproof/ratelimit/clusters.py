"""A key's requests as a model sees them: clusters of overlapping intervals.

Within a cluster the order of the decisions is unknown, so only its admitted count is
compared with what a model predicts. Knows lanes and models. Must not know which model
is the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tollproof.ratelimit.models import Model
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane

#: Moments of decision are known to this share of the window.
NEAR = 0.003
#: Seconds after which a decision is not attributed to a request that had no answer.
LONGEST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """One key's requests as a model sees them.

    Attributes:
        groups: (time, how many) of requests decided at nearly the same time.
        clusters: how many groups make up each cluster.
        begins: when each cluster begins.
        horizons: until when what was sent in a cluster may have been decided, at most.
        admitted: observed, for each cluster.
        free: in each cluster, how many outcomes are unknown: they cost nothing.
        loose: how many requests were under way for so long that their place among
            the others is open.
    """

    groups: list[tuple[float, int]]
    clusters: list[int]
    begins: list[float]
    horizons: list[float]
    admitted: list[int]
    free: list[int]
    requests: int
    loose: int


def clusters_of(lane: Lane, span: float) -> Clusters:
    """Group the requests of a lane: a group spans at most `span` seconds.

    A request that was under way for much longer than the others does not tie together
    all that was sent meanwhile: its place is open, which costs one at most.
    """
    groups: list[tuple[float, int]] = []
    clusters: list[int] = []
    begins: list[float] = []
    horizons: list[float] = []
    admitted: list[int] = []
    free: list[int] = []
    until = first = -float("inf")
    requests = loose = 0
    usual = 3 * _median_width(lane) + 0.001
    for row, sent in enumerate(lane.sent):
        outcome = lane.outcome[row]
        # An admitted variant may be counted apart: it says nothing about this limiter.
        if lane.variant[row] != "plain" and outcome != REFUSED:
            continue
        width = lane.received[row] - sent
        late = sent
        requests += 1
        if width > usual:
            loose += 1
            late = min(lane.received[row], sent + LONGEST)
            width = usual
        if sent >= until:
            clusters.append(0)
            begins.append(sent)
            horizons.append(sent)
            admitted.append(0)
            free.append(0)
            first = -float("inf")
        admitted[-1] += outcome == ADMITTED
        free[-1] += outcome == UNKNOWN
        horizons[-1] = max(horizons[-1], late)
        until = max(until, sent + width)
        if sent - first <= span:
            at, size = groups[-1]
            groups[-1] = (at, size + 1)
        else:
            at = sent + 0.5 * width
            groups.append((max(at, groups[-1][0]) if groups else at, 1))
            clusters[-1] += 1
            first = sent
    return Clusters(
        groups=groups,
        clusters=clusters,
        begins=begins,
        horizons=horizons,
        admitted=admitted,
        free=free,
        requests=requests,
        loose=loose,
    )


def _median_width(lane: Lane) -> float:
    widths = sorted(
        received - sent
        for sent, received, outcome in zip(
            lane.sent, lane.received, lane.outcome, strict=True
        )
        if outcome != UNKNOWN
    )
    return widths[len(widths) // 2] if widths else 0.0


def _cost(model: Model, sequence: Clusters, near: float, bound: float) -> float:
    """Return the requests that a model does not explain; infinity past `bound`.

    One too many and one too few, within `near` seconds or while a request of theirs
    was under way, is one decision that fell earlier or later than thought: it costs
    nothing.
    """
    predicted = model.replay(sequence.groups)
    cost = row = left = 0
    last = -float("inf")
    for size, seen, free, begin, horizon in zip(
        sequence.clusters,
        sequence.admitted,
        sequence.free,
        sequence.begins,
        sequence.horizons,
        strict=True,
    ):
        if size == 1:
            off = predicted[row] - seen
        else:
            off = sum(predicted[row : row + size]) - seen
        row += size
        if off:
            # Unknown outcomes may have been admitted: that many more are explained.
            if off > 0 and free:
                off = max(0, off - free)
            if begin > last:
                left = 0
            cost += abs(off)
            if left * off < 0:
                cost -= 2 * min(abs(left), abs(off))
            left += off
            last = max(last, horizon, begin + near)
            if cost > bound + abs(left):
                return float("inf")
    return cost if cost <= bound else float("inf")


def total_cost(model: Model, sequences: Sequence[Clusters], bound: float) -> float:
    cost = 0.0
    for one in sequences:
        cost += _cost(model, one, NEAR * model.window, bound - cost)
        if cost > bound:
            return float("inf")
    return cost
