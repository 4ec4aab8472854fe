"""A key's requests as a model sees them: clusters of overlapping intervals.

Within a cluster the order of the decisions is unknown, so only its admitted count is
compared with what a model predicts. Knows lanes and models. Must not know which model
is the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tollproof.ratelimit.models import Model
from tollproof.ratelimit.view import ADMITTED, REFUSED, UNKNOWN, Lane

#: Moments of decision are known to this share of the window.
NEAR = 0.003
#: Seconds after which a decision is not attributed to a request that had no answer.
LONGEST = 1.0
#: Where in its time under way a request that lingered was decided, as parts of it: on
#: arrival, as when the answer was late; at the end, as when it waited for its turn; or
#: between them.
DECIDED = (0.0, 0.25, 0.5, 0.75, 1.0)


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
        otherwise: the same requests, with the loose ones decided later.
    """

    groups: list[tuple[float, int]]
    clusters: list[int]
    begins: list[float]
    horizons: list[float]
    admitted: list[int]
    free: list[int]
    requests: int
    loose: int
    otherwise: tuple[Clusters, ...] = ()


def clusters_of(lane: Lane, span: float) -> Clusters:
    """Group the requests of a lane: a group spans at most `span` seconds.

    A request that was under way for much longer than the others does not tie together
    all that was sent meanwhile: its place is open, which costs one at most. Where it
    opens a window, though, all that follows hangs on its place: so each is tried.
    """
    one, *others = (_placed(lane, span, part) for part in _places(lane))
    return replace(one, otherwise=tuple(others))


def _places(lane: Lane) -> Sequence[float]:
    usual = usual_time(lane)
    loose = any(
        received - sent > usual
        for sent, received in zip(lane.sent, lane.received, strict=True)
    )
    return DECIDED if loose else DECIDED[:1]


def _placed(lane: Lane, span: float, part: float) -> Clusters:
    """Group them, with what lingered decided when `part` of the excess had passed."""
    groups: list[tuple[float, int]] = []
    clusters: list[int] = []
    begins: list[float] = []
    horizons: list[float] = []
    admitted: list[int] = []
    free: list[int] = []
    until = first = -float("inf")
    requests = loose = 0
    usual = usual_time(lane)
    for sent, row in _starts(lane, usual, part):
        outcome = lane.outcome[row]
        width = lane.received[row] - lane.sent[row]
        late = sent
        requests += 1
        if width > usual:
            loose += 1
            late = max(sent, min(lane.received[row], lane.sent[row] + LONGEST))
            width = usual
        if sent >= until:
            clusters.append(0)
            begins.append(sent)
            horizons.append(sent)
            admitted.append(0)
            free.append(0)
            first = -float("inf")
        begins[-1] = min(begins[-1], lane.sent[row])
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


def _starts(lane: Lane, usual: float, part: float) -> list[tuple[float, int]]:
    """Return when each row is taken to have reached the limiter, in that order.

    An admitted variant may be counted apart: it says nothing about this limiter.
    """
    return sorted(
        (sent + part * max(0.0, received - sent - usual), row)
        for row, (sent, received) in enumerate(
            zip(lane.sent, lane.received, strict=True)
        )
        if lane.variant[row] == "plain" or lane.outcome[row] == REFUSED
    )


def usual_time(lane: Lane) -> float:
    """Return for how many seconds a request may be under way whose place is known."""
    return 3 * _median_width(lane) + 0.001


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
    """Return the requests of all keys that a model does not explain.

    Each key is taken as the model explains it best; infinity past `bound`.
    """
    near = NEAR * model.window
    cost = 0.0
    for one in sequences:
        best = float("inf")
        for placed in (one, *one.otherwise):
            left = min(bound - cost, best - 1)
            best = min(best, _cost(model, placed, near, left))
            if not best:
                break
        cost += best
        if cost > bound:
            return float("inf")
    return cost
