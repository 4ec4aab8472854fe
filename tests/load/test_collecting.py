"""From the files of a run to an outcome that says what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.load.support import job
from tests.load.traces import SECOND, Row, written
from tollproof.load.arrivals import plateau
from tollproof.load.collecting import collect, read_ledger, share_files, shifts_of
from tollproof.load.job import LoadJob, Sustained
from tollproof.load.outcome import Ledger, ShareReport
from tollproof.model import to_json

EPOCH = 100 * SECOND


def load() -> LoadJob:
    plan = Sustained(stages=plateau(10, 10.0), keys=("alpha",))
    return job(9, keys=plan.keys, sustained=plan)


def account(folder: Path, **more: object) -> Ledger:
    values: dict[str, object] = {"clock": "here", "epoch": EPOCH, "complete": True}
    ledger = Ledger(**{**values, **more})  # type: ignore[arg-type]
    (folder / "ledger.json").write_text(json.dumps(to_json(ledger)))
    return ledger


def test_without_an_account_nothing_is_complete(tmp_path: Path) -> None:
    path = written(tmp_path, [Row(sent=101.0)])
    assert read_ledger(tmp_path) is None
    found = collect(load(), tmp_path)
    assert not found.complete
    assert not found.stopped
    assert found.fault == "the load process left no account"
    assert found.files == (path,)
    (tmp_path / "ledger.json").write_text('{"epoch": 1')  # cut off by a kill
    assert read_ledger(tmp_path) is None


def test_what_a_lost_process_may_have_sent_is_counted(tmp_path: Path) -> None:
    # Two processes, ten a second: each has five due in a second.
    written(tmp_path, [Row(sent=100 + n / 5) for n in range(50)])
    written(tmp_path, [Row(sent=100.1 + n / 5) for n in range(7)], share=1)
    account(
        tmp_path,
        shares=2,
        reports=(ShareReport(share=0, clock="here"),),
        lost={"1": EPOCH + 3 * SECOND},
    )
    found = collect(load(), tmp_path)
    assert found.lost == (1,)
    # 15 of its requests were due by then, and 7 are on record.
    assert found.missing == pytest.approx(8, abs=1)
    assert not found.complete


@pytest.mark.parametrize("fault", ["", "it was late"])
def test_a_fault_of_whoever_started_it_counts(tmp_path: Path, fault: str) -> None:
    written(tmp_path, [Row(sent=101.0)])
    account(tmp_path, reports=(ShareReport(share=0, clock="here"),))
    found = collect(load(), tmp_path, fault=fault)
    assert found.complete is not bool(fault)
    assert found.fault == fault
    assert found.missing == 0


def test_files_of_another_clock_are_shifted_and_others_are_not(tmp_path: Path) -> None:
    ours = written(tmp_path, [Row(sent=101.0)])
    theirs = written(tmp_path, [Row(sent=901.0)], share=1, host="there")
    bounds = (-800 * SECOND - 500, -800 * SECOND + 700)
    reports = (
        ShareReport(share=0, clock="here"),
        ShareReport(share=1, clock="there", offset=bounds),
    )
    ledger = account(tmp_path, shares=2, reports=reports)
    assert dict(shifts_of((ours, theirs), ledger)) == {theirs: bounds}
    assert shifts_of((ours, theirs), None) == {}
    found = collect(load(), tmp_path)
    assert dict(found.shifts) == {theirs: bounds}
    assert found.uncertainty == 1200


def test_the_parts_of_a_share_are_read_in_order(tmp_path: Path) -> None:
    for part in (0, 1, 3):  # without the third one, the fourth is nobody's
        (tmp_path / f"observations-2-{part}.trace").touch()
    assert [path.name for path in share_files(tmp_path, 2)] == [
        "observations-2-0.trace",
        "observations-2-1.trace",
    ]
    assert list(share_files(tmp_path, 1)) == []
