"""What a report and a terminal show of a load."""

from __future__ import annotations

import json
from pathlib import Path

from tests.load.traces import Row, written
from tollproof.load.figures import charts, figures, sentence, table
from tollproof.load.summary import Summary, summarise


def loaded(folder: Path) -> Summary:
    rows = [
        *(Row(sent=n / 10, took=0.02) for n in range(20)),
        *(Row(sent=2 + n / 10, status=429, took=0.001) for n in range(5)),
        Row(sent=2.6, status=0, took=1.0),
    ]
    return summarise([written(folder, rows)], planned=40, epoch=0)


def test_figures_are_plain_json_in_milliseconds(tmp_path: Path) -> None:
    found = figures(loaded(tmp_path))
    assert json.loads(json.dumps(found)) == found
    assert (found["planned"], found["sent"]) == (40, 26)
    assert found["statuses"] == {"200": 20, "429": 5, "0": 1}
    assert 19 < found["latency_ms"]["ok"]["p50"] < 21
    assert found["latency_ms"]["all"]["p100"] > 990


def test_a_chart_counts_what_was_due_and_what_came(tmp_path: Path) -> None:
    (chart,) = charts(loaded(tmp_path))
    series = chart["series"]
    assert isinstance(series, list)
    points = {one["name"]: dict(one["points"]) for one in series}
    assert points["due"] == {0: 10, 1: 10, 2: 6, 3: 0}
    assert points["no answer"] == {0: 0, 1: 0, 2: 0, 3: 1}
    assert sum(points["200"].values()) == 20


def test_words_say_how_far_it_came(tmp_path: Path) -> None:
    said = sentence(loaded(tmp_path))
    assert said.startswith("26 of 40 requests in 3.6 s (1 × no answer, 20 × 200, ")
    assert "p50 20" in said
    assert "none answered" in sentence(Summary(planned=3, sent=0, seconds=0.0))


def test_a_terminal_shows_each_status(tmp_path: Path) -> None:
    lines = table(figures(loaded(tmp_path))).splitlines()
    assert lines[0].startswith("Load: 26 of 40 requests in 3.6 s")
    assert lines[1].split()[-5:] == ["number", "p50", "p95", "p99", "p100"]
    names = [line.split("  ")[1] for line in lines[2:]]
    assert names == ["no answer", "status 200", "status 429"]
    assert all(len(line) == len(lines[1]) for line in lines[2:])
    nothing = figures(Summary(planned=3, sent=0, seconds=0.0))
    assert len(table(nothing).splitlines()) == 2
