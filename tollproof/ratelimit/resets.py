"""What the Resets of a run say together: windows by the clock, or from a request on.

Used only to choose between explanations that what was admitted leaves open. Knows
lanes. Must not judge whether a Reset is true.
"""

from __future__ import annotations

from collections.abc import Sequence

from tollproof.ratelimit.promise import ResetForm
from tollproof.ratelimit.view import UNKNOWN, Lane


def told_by_clock(lanes: Sequence[Lane], window: float) -> bool:
    """Whether every Reset names an edge of one and the same row of windows.

    Windows that begin with a request end as long after the first request that is told
    of them, whichever it was: where that time differs by seconds, and all edges agree
    by the clock, the windows are the clock's.
    """
    edges: list[float] = []
    lengths: list[float] = []
    step = 0.0
    for lane in lanes:
        last: float | None = None
        for row, told in enumerate(lane.told):
            reset = told.reset
            if lane.outcome[row] == UNKNOWN or reset is None or reset.seconds is None:
                continue
            edge = reset.seconds
            if reset.form is ResetForm.DELTA_SECONDS:
                edge += lane.received[row]
            step = max(step, reset.step)
            if last is None or abs(edge - last) > 2 * step:
                # Unix time has an unknown but constant distance from ours.
                lengths.append(edge - lane.sent[row])
            last = edge
            edges.append(edge)
    if len(lengths) < 2 or step == 0 or window <= 8 * step:
        return False
    first = edges[0]
    off = [abs((edge - first + window / 2) % window - window / 2) for edge in edges]
    if max(off) > 1.5 * step:
        return False
    apart = max(lengths) - min(lengths)
    return apart > 3 * step
