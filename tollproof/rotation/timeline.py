"""The drawing of a rotation: which key was answered how, and when.

Knows observations and the report's convention for charts. Each key has a lane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tollproof.rotation.observation import Answer, Observation

_NAMES = {
    Answer.ADMITTED: "let in",
    Answer.REFUSED: "refused",
    Answer.THROTTLED: "throttled",
    Answer.LOST: "lost",
}
#: How far from its lane an answer is drawn, so that they do not cover each other.
_OFFSETS = {
    Answer.ADMITTED: 0.0,
    Answer.REFUSED: 0.25,
    Answer.THROTTLED: -0.15,
    Answer.LOST: -0.3,
}


def timeline(
    title: str,
    lanes: Mapping[str, Sequence[Observation]],
    marks: Sequence[tuple[float, str]] = (),
    bands: Sequence[tuple[float, float, str]] = (),
) -> dict[str, Any]:
    """Return the drawing as plain JSON, seconds counted from the first observation.

    Args:
        lanes: the observations of each key, drawn upwards in this order.
        marks, bands: moments and stretches of the same clock.
    """
    moments = [item.sent for seen in lanes.values() for item in seen]
    zero = min(moments, default=0.0)

    def points(answer: Answer) -> list[list[float]]:
        return sorted(
            [round(item.sent - zero, 4), lane + _OFFSETS[answer]]
            for lane, seen in enumerate(lanes.values(), 1)
            for item in seen
            if item.answer is answer
        )

    drawn = {answer: points(answer) for answer in Answer}
    return {
        "title": title,
        "kind": "points",
        "x_label": "seconds",
        "y_label": ", ".join(
            f"{number}: {name}" for number, name in enumerate(lanes, 1)
        ),
        "series": [
            {"name": _NAMES[answer], "points": found}
            for answer, found in drawn.items()
            if found
        ],
        "marks": [
            {"x": round(moment - zero, 4), "label": label} for moment, label in marks
        ],
        "bands": [
            {"from": round(low - zero, 4), "to": round(high - zero, 4), "label": label}
            for low, high, label in bands
        ],
    }
