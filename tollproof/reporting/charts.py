"""Series that a check measured, as the geometry of a drawing and a table.

Knows a convention, and arithmetic. Must not know SVG: a template draws what
:func:`chart` lays out, and prints its table beside it.

A verdict's `measurements` may hold one drawing under the key `chart`, or several in a
list under `charts`. Each is plain JSON::

    {
      "title": "Admitted and refused requests over time",
      "kind": "step",                       # or "points", "line"; default "step"
      "x_label": "seconds since the window began",
      "y_label": "requests admitted",
      "promise": 600,                       # the level promised, or None
      "series": [{"name": "admitted", "points": [[0.0, 0], [0.4, 120], …]}],
      "bands": [{"from": 12.0, "to": 18.0, "label": "overlap"}],
      "marks": [{"x": 12.0, "label": "new key created"}]
    }

`kind` may also stand in a series, for that series alone. `x` and `y` are finite
numbers; points are drawn in order of `x`. Everything but `title` and `series` may be
left out. A drawing that does not keep to this is not drawn, and its figures are
listed like any other measurement: a report never fails for a chart.

Limits, so that a report stays readable and small: 6 series, 12 bands, 24 marks,
400 points drawn of a series (the extremes of each stretch are kept), 60 rows of table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tollproof.reporting.text import clip, one_line

__all__ = ["Chart", "charts_of", "read_chart"]

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 20, 48
MAX_SERIES, MAX_BANDS, MAX_MARKS = 6, 12, 24
MAX_POINTS, MAX_ROWS = 400, 60
_BIGGEST = 1e15

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled place on an axis, in pixels."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of the x axis, in pixels; a mark is a band without width."""

    at: float
    width: float
    label: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One curve: its path in pixels, and the dots where it has some."""

    name: str
    number: int
    path: str
    dots: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing, laid out.

    Attributes:
        description: what the drawing shows, for those who cannot see it.
        promise: the level promised in pixels, or None.
        header: the table's column names.
        rows: the table: x, then a cell for each series, empty where it has no point.
        omitted: how many rows the table leaves out.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    promise: float | None
    promise_label: str
    series: tuple[Series, ...]
    bands: tuple[Band, ...]
    marks: tuple[Band, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    omitted: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def charts_of(measurements: Mapping[str, Any]) -> tuple[Chart, ...]:
    """Return the drawings in a verdict's measurements that keep to the convention."""
    several = measurements.get("charts")
    found = [measurements.get("chart")]
    found += list(several)[:12] if isinstance(several, list | tuple) else []
    charts = (read_chart(item) for item in found if isinstance(item, Mapping))
    return tuple(chart for chart in charts if chart)


def read_chart(data: Mapping[str, Any]) -> Chart | None:
    """Lay a drawing out, or return None when it does not keep to the convention."""
    try:
        curves = [
            (
                _text(item["name"]),
                str(item.get("kind") or data.get("kind") or "step"),
                _points(item["points"]),
            )
            for item in _items(data["series"], MAX_SERIES)
        ]
        promise = None if data.get("promise") is None else _number(data["promise"])
        stretches = [
            (_number(item["from"]), _number(item["to"]), _text(item.get("label", "")))
            for item in _items(data.get("bands"), MAX_BANDS)
        ]
        moments = [
            (_number(item["x"]), _text(item.get("label", "")))
            for item in _items(data.get("marks"), MAX_MARKS)
        ]
        title = _text(data["title"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    xs = [x for _, _, points in curves for x, _ in points]
    ys = [y for _, _, points in curves for _, y in points]
    if not xs:
        return None
    xs += [x for low, high, _ in stretches for x in (low, high)]
    xs += [x for x, _ in moments]
    ys += [0.0] if promise is None else [0.0, promise]
    x_values, x_of = _scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_values, y_of = _scale(min(ys), max(ys) * 1.04, HEIGHT - BOTTOM, TOP)
    x_label = _text(data.get("x_label", "x"))
    header, rows, omitted = _table(x_label, curves)
    return Chart(
        title=title,
        description=_description(title, promise, curves),
        x_label=x_label,
        y_label=_text(data.get("y_label", "")),
        x_ticks=tuple(Tick(at=x_of(x), label=_figure(x)) for x in x_values),
        y_ticks=tuple(Tick(at=y_of(y), label=_figure(y)) for y in y_values),
        promise=None if promise is None else y_of(promise),
        promise_label="" if promise is None else f"promised: {_figure(promise)}",
        series=tuple(
            _curve(number, name, kind, [(x_of(x), y_of(y)) for x, y in points])
            for number, (name, kind, points) in enumerate(curves, 1)
        ),
        bands=tuple(
            Band(
                at=x_of(min(low, high)),
                width=abs(x_of(high) - x_of(low)),
                label=label,
                number=number,
            )
            for number, (low, high, label) in enumerate(stretches, 1)
        ),
        marks=tuple(
            Band(at=x_of(x), width=0, label=label, number=number)
            for number, (x, label) in enumerate(moments, 1)
        ),
        header=header,
        rows=rows,
        omitted=omitted,
    )


def _items(value: Any, limit: int) -> Sequence[Mapping[str, Any]]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise TypeError("not a list")
    return value[:limit]


def _points(value: Any) -> list[Point]:
    if not isinstance(value, list | tuple):
        raise TypeError("not a list")
    return sorted(((_number(x), _number(y)) for x, y in value), key=lambda it: it[0])


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    if not abs(value) <= _BIGGEST or not math.isfinite(value):
        raise ValueError("not a number that can be drawn")
    return float(value)


def _text(value: Any) -> str:
    return clip(one_line(str(value)), 120)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def _scale(low: float, high: float, start: float, end: float) -> Any:
    """Return round values that span low to high, and the map from value to pixel."""
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-6):
        high = low + (abs(low) or 1.0)
    raw = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    values = [index * step for index in range(first, last + 1)]

    def place(value: float) -> float:
        return round(start + (value - low) / (high - low) * (end - start), 1)

    return values, place


def _curve(number: int, name: str, kind: str, points: list[Point]) -> Series:
    points = _thinned(points)
    if kind == "points":
        return Series(name=name, number=number, path="", dots=tuple(points))
    moves = []
    for index, (x, y) in enumerate(points):
        if not index:
            moves.append(f"M{x:g} {y:g}")
        elif kind == "line":
            moves.append(f"L{x:g} {y:g}")
        else:
            moves.append(f"H{x:g}V{y:g}")
    dots = tuple(points) if len(points) == 1 else ()
    return Series(name=name, number=number, path="".join(moves), dots=dots)


def _thinned(points: list[Point]) -> list[Point]:
    """Keep first, last, lowest and highest of each stretch: no peak is lost."""
    if len(points) <= MAX_POINTS:
        return points
    stretch = math.ceil(len(points) / (MAX_POINTS // 4))
    kept = []
    for start in range(0, len(points), stretch):
        part = list(enumerate(points[start : start + stretch]))
        chosen = {part[0], part[-1]}
        chosen |= {min(part, key=lambda it: it[1][1])}
        chosen |= {max(part, key=lambda it: it[1][1])}
        kept += [point for _, point in sorted(chosen)]
    return kept


def _table(
    x_label: str, curves: list[tuple[str, str, list[Point]]]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int]:
    columns = [dict(points) for _, _, points in curves]
    xs = sorted({x for column in columns for x in column})
    step = math.ceil(len(xs) / MAX_ROWS)
    shown = xs[::step]
    rows = tuple(
        (_figure(x), *(_figure(col[x]) if x in col else "" for col in columns))
        for x in shown
    )
    return (x_label, *(name for name, _, _ in curves)), rows, len(xs) - len(shown)


def _description(
    title: str, promise: float | None, curves: list[tuple[str, str, list[Point]]]
) -> str:
    parts = [f"{title}."]
    if promise is not None:
        parts.append(f"The promise is {_figure(promise)}.")
    for name, _, points in curves:
        if points:
            low, high = min(y for _, y in points), max(y for _, y in points)
            parts.append(
                f"{name}: {len(points):,} points, lowest {_figure(low)}, "
                f"highest {_figure(high)}, last {_figure(points[-1][1])}."
            )
    return " ".join(parts)
