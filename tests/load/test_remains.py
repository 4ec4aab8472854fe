"""What a killed load left, read without its own account."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.support import SECRET, job
from tests.load.traces import Row, written
from tollproof.load.arrivals import plateau
from tollproof.load.job import Sustained
from tollproof.load.outcome import Ledger, ShareReport
from tollproof.load.remains import read_remains, remember
from tollproof.model import to_json
from tollproof.ratelimit.promise import Policy, RateLimitPromise

PROMISE = RateLimitPromise(policy=Policy(limit=5, window=1.0), any_window=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "load"
    remember(place, PROMISE)
    plan = Sustained(stages=plateau(10, 60.0), keys=("alpha",))
    text = job(9, keys=plan.keys, sustained=plan).document()
    assert SECRET not in text
    (place / "job.json").write_text(text)
    return place


def test_figures_without_a_ledger(folder: Path) -> None:
    written(folder, [Row(sent=100 + n / 10, late=0.01) for n in range(20)])
    found = read_remains(folder)
    assert found is not None
    assert (found.summary.planned, found.summary.sent) == (600, 20)
    assert found.seconds == 60.0
    assert found.promised == PROMISE
    assert found.throughout is not None
    assert found.throughout.over >= 1
    # Its own beginning, when nobody said when zero was.
    assert found.summary.timeline[0].second == 0
    assert found.throughout.excesses[0].at == pytest.approx(0.01, abs=0.11)


def test_the_ledger_says_how_clocks_stand(folder: Path) -> None:
    written(folder, [Row(sent=101.0)], host="here")
    written(folder, [Row(sent=9102.0)], share=1, host="there")
    second = 1_000_000_000
    bounds = (-9000 * second, -9000 * second)
    ledger = Ledger(
        epoch=100 * second,
        clock="here",
        shares=2,
        reports=tuple(ShareReport(share=n, offset=((0, 0), bounds)[n]) for n in (0, 1)),
    )
    (folder / "ledger.json").write_text(json.dumps(to_json(ledger)))
    found = read_remains(folder)
    assert found is not None
    assert [one.second for one in found.summary.timeline] == [1, 2]
    (folder / "ledger.json").write_text(json.dumps(to_json(replace(ledger, epoch=0))))
    assert read_remains(folder) is not None


def test_a_file_cut_in_the_middle_gives_what_is_whole(folder: Path) -> None:
    path = written(folder, [Row(sent=100 + n) for n in range(2000)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    found = read_remains(folder)
    assert found is not None
    assert 0 < found.summary.sent < 2000


def test_nothing_observed_is_nothing(folder: Path) -> None:
    assert read_remains(folder) is None
    written(folder, [])
    assert read_remains(folder) is None


def test_a_folder_is_used_once(folder: Path) -> None:
    assert folder.stat().st_mode & 0o77 == 0
    with pytest.raises(FileExistsError):
        remember(folder, None)
