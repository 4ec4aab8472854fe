"""Charts of a measurement as plain data: what was admitted, what was told.

`{"title", "x_label", "y_label", "promise", "series": [{"name", "points": [[x, y]]}]}`,
thinned to what a chart can show. Knows lanes and the promise.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from tollproof.ratelimit.promise import RateLimitPromise
from tollproof.ratelimit.view import ADMITTED, REFUSED, View

#: Most points of one series.
POINTS = 240

Chart = dict[str, Any]


def charts(view: View, promise: RateLimitPromise) -> tuple[Chart, ...]:
    """Return the charts of a measurement."""
    made = [_admitted(view, promise), _window(view, promise)]
    told = _remaining(view, promise)
    if told:
        made.append(told)
    return tuple(made)


def _admitted(view: View, promise: RateLimitPromise) -> Chart:
    """Admitted and refused requests in slices of time."""
    end = max(view.end, 1e-3)
    slices = 120
    width = end / slices
    counts = {ADMITTED: [0] * slices, REFUSED: [0] * slices}
    for lane in view:
        for sent, outcome in zip(lane.sent, lane.outcome, strict=True):
            if outcome in counts:
                counts[outcome][min(slices - 1, int(sent / width))] += 1
    return {
        "title": "Admitted and refused requests",
        "x_label": "seconds into the run",
        "y_label": f"requests per {width:.2g} s, all keys",
        "promise": None,
        "series": [
            {
                "name": name,
                "points": [
                    [round((at + 0.5) * width, 3), count]
                    for at, count in enumerate(counts[outcome])
                ],
            }
            for name, outcome in (("admitted", ADMITTED), ("refused", REFUSED))
        ],
    }


def _window(view: View, promise: RateLimitPromise) -> Chart:
    """How many a key was admitted in the window up to each moment."""
    window = promise.tightest.window
    series = []
    for lane in view:
        sent, received = lane.admitted
        if not sent:
            continue
        points = [
            [
                round(at, 3),
                bisect_right(received, at) - bisect_left(sent, at - window),
            ]
            for at in received
        ]
        series.append({"name": lane.key, "points": _thin(points)})
    return {
        "title": f"Admitted within the last {window:g} s",
        "x_label": "seconds into the run",
        "y_label": "requests",
        "promise": promise.tightest.limit,
        "series": series,
    }


def _remaining(view: View, promise: RateLimitPromise) -> Chart | None:
    """What Remaining told, beside the most that can have been left."""
    lane = next(
        (lane for lane in view if any(told.remaining for told in lane.told)), None
    )
    if lane is None:
        return None
    told, left = [], []
    window = promise.tightest.window
    upto = bisect_right(lane.sent, lane.sent[0] + window)
    received = sorted(
        lane.received[row] for row in range(upto) if lane.outcome[row] == ADMITTED
    )
    for row in range(upto):
        remaining = lane.told[row].remaining
        if remaining is None or remaining.value is None:
            continue
        at = round(lane.received[row], 3)
        told.append([at, remaining.value])
        spent = bisect_left(received, lane.sent[row])
        left.append([at, max(0, promise.tightest.limit - spent)])
    return {
        "title": f"Remaining as {lane.key} was told",
        "x_label": "seconds into the run",
        "y_label": "requests",
        "promise": promise.tightest.limit,
        "series": [
            {"name": "told", "points": _thin(told)},
            {"name": "at most left in one window", "points": _thin(left)},
        ],
    }


def _thin(points: list[list[float]]) -> list[list[float]]:
    """Keep the ends and, of each slice, the lowest and the highest point."""
    if len(points) <= POINTS:
        return points
    size = len(points) / (POINTS // 2)
    kept: list[list[float]] = []
    for part in range(POINTS // 2):
        piece = points[int(part * size) : int((part + 1) * size)]
        if piece:
            low = min(piece, key=lambda point: point[1])
            high = max(piece, key=lambda point: point[1])
            kept.extend(sorted({tuple(low), tuple(high)}))  # type: ignore[arg-type]
    return [list(point) for point in kept]
