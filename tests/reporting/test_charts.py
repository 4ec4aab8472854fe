"""A drawing shows the extremes it was given, inside its frame, or is not drawn."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reporting.sample import sample_run
from tollproof.reporting.charts import MAX_ROWS, Chart, charts_of, read_chart

_numbers = st.one_of(st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9))
_points = st.lists(st.tuples(_numbers, _numbers).map(list), min_size=1, max_size=50)


def _drawn(points: list[Any], **more: Any) -> Chart:
    series = [{"name": "a", "points": points}]
    chart = read_chart({"title": "t", "series": series, **more})
    assert chart is not None
    return chart


@given(
    points=_points, promise=st.none() | _numbers, kind=st.sampled_from(["step", "line"])
)
def test_everything_drawn_lies_inside_the_frame(
    points: list[Any], promise: float | None, kind: str
) -> None:
    chart = _drawn(points, promise=promise, kind=kind)
    (series,) = chart.series
    xs, ys = [x for x, _ in series.dots], [y for _, y in series.dots]
    for move, x, y in re.findall(r"([ML])(\S+?) ([^MLHV]+)", series.path):
        assert move
        xs.append(float(x))
        ys.append(float(y))
    xs += [float(x) for x in re.findall(r"H([^MLHV]+)", series.path)]
    ys += [float(y) for y in re.findall(r"V([^MLHV]+)", series.path)]
    ys += [chart.promise] if chart.promise is not None else []
    xs += [tick.at for tick in chart.x_ticks]
    ys += [tick.at for tick in chart.y_ticks]

    assert all(chart.left - 0.1 <= x <= chart.right + 0.1 for x in xs)
    assert all(chart.top - 0.1 <= y <= chart.bottom + 0.1 for y in ys)
    assert chart.x_ticks
    assert chart.y_ticks


def test_peak_survives_thinning() -> None:
    points = [[x, 5000 if x == 7_777 else 1] for x in range(20_000)]
    chart = _drawn(points, kind="line")
    (series,) = chart.series

    assert len(series.path) < 20_000
    # 4% of head room above the highest value: the peak is the only point up there.
    top = min(float(y) for y in re.findall(r"[ML]\S+? ([^MLHV]+)", series.path))
    assert top < chart.top + 15
    assert len(chart.rows) <= MAX_ROWS
    assert chart.omitted == 20_000 - len(chart.rows)


def test_description_tells_what_the_drawing_shows() -> None:
    chart = _drawn([[0, 1], [1, 712]], promise=600)

    assert chart.description == (
        "t. The promise is 600. a: 2 points, lowest 1, highest 712, last 712."
    )


def test_table_has_a_column_for_each_series() -> None:
    chart = read_chart(
        {
            "title": "t",
            "x_label": "s",
            "series": [
                {"name": "a", "points": [[0, 1], [2, 3]]},
                {"name": "b", "points": [[2, 0.5]]},
            ],
        }
    )
    assert chart is not None
    assert chart.header == ("s", "a", "b")
    assert chart.rows == (("0", "1", ""), ("2", "3", "0.5"))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"title": "t"},
        {"title": "t", "series": []},
        {"title": "t", "series": "x"},
        {"title": "t", "series": [{"name": "a", "points": []}]},
        {"title": "t", "series": [{"name": "a", "points": [[1]]}]},
        {"title": "t", "series": [{"name": "a", "points": [["1", 2]]}]},
        {"title": "t", "series": [{"name": "a", "points": [[True, 2]]}]},
        {"title": "t", "series": [{"name": "a", "points": [[float("nan"), 2]]}]},
        {"title": "t", "series": [{"name": "a", "points": [[10**400, 2]]}]},
        {"title": "t", "series": [7]},
        {"title": "t", "series": [{"name": "a", "points": [[1, 2]]}], "promise": "x"},
        {"title": "t", "series": [{"name": "a", "points": [[1, 2]]}], "bands": [{}]},
    ],
)
def test_what_breaks_the_convention_is_not_drawn(data: dict[str, Any]) -> None:
    assert read_chart(data) is None


def test_charts_are_found_under_both_keys() -> None:
    one = {"title": "one", "series": [{"name": "a", "points": [[0, 0]]}]}
    found = charts_of({"chart": one, "charts": [{**one, "title": "two"}, 3]})

    assert [chart.title for chart in found] == ["one", "two"]


def test_sample_draws_its_rate_limit_and_its_rotation() -> None:
    drawn = [
        chart.title
        for result in sample_run().results
        for chart in charts_of(result.verdict.measurements)
    ]
    assert drawn == [
        "Requests of key alpha, added up in each window",
        "Requests answered under each key while it was rotated",
    ]
