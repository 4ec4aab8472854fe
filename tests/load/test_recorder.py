"""Files of observations: begun afresh, merged again, and on one clock."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic_ns

import pytest

from tests.load.support import job, run, serving, shot
from tollproof.load import recorder
from tollproof.load.collecting import collect
from tollproof.load.engine import system_poller
from tollproof.load.outcome import Ledger, ShareReport
from tollproof.load.recorder import clock_name
from tollproof.load.share import Share, divide
from tollproof.model import to_json
from tollproof.ratelimit.observation import read_trace
from tollproof.ratelimit.schedule import Cue


def ledger(folder: Path, **values: object) -> None:
    text = json.dumps(to_json(Ledger(**values)))  # type: ignore[arg-type]
    (folder / "ledger.json").write_text(text)


def test_many_files_are_one_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "ROWS_PER_FILE", 30)
    with serving() as target:
        work = job(target.port, shot(0, 100, seconds=0.3), path="/limit/1000")
        report, _ = run(work, tmp_path)
    files = sorted(tmp_path.glob("*.trace"))
    assert [len(read_trace(one)) for one in files] == [30, 30, 30, 10]
    ledger(tmp_path, epoch=1, clock=clock_name(), reports=(report,), complete=True)
    outcome = collect(work, tmp_path)
    assert outcome.complete
    assert len(outcome.files) == 4
    remaining = [int(one.header("remaining") or -1) for one in outcome.trace]
    assert sorted(remaining) == list(range(900, 1000))
    assert {one.key for one in outcome.trace} == {"alpha"}


def test_another_clock_widens_the_intervals(tmp_path: Path) -> None:
    with serving() as target:
        work = job(target.port, shot(0, 10, seconds=0.1))
        report, trace = run(work, tmp_path)
    other = ShareReport(share=0, clock="theirs", offset=(5_000, 9_000))
    ledger(tmp_path, epoch=1, clock="ours", reports=(other,), complete=True)
    outcome = collect(work, tmp_path)
    assert outcome.uncertainty == 4_000
    assert outcome.trace.host == "ours"
    assert list(outcome.trace.sent) == [at + 5_000 for at in trace.sent]
    assert list(outcome.trace.received) == [at + 9_000 for at in trace.received]
    assert report.observed == 10


def test_without_an_account_what_there_is_is_read(tmp_path: Path) -> None:
    with serving() as target:
        work = job(target.port, shot(0, 10, seconds=0.1))
        run(work, tmp_path)
    outcome = collect(work, tmp_path)
    assert len(outcome.trace) == 10
    assert not outcome.complete
    assert outcome.fault


def test_a_lost_share_leaves_what_was_due_unknown(tmp_path: Path) -> None:
    second = 1_000_000_000
    shots = (
        shot(0, 10, seconds=1.0),
        shot(1, 4, at=2.0, fresh=True),
        shot(2, 5, at=0.5, seconds=0.5, until_refused=3, most=20),
        shot(3, 1, at=9.0, cue=Cue.RESET, follows=0, earliest=1.0, latest=9.0),
    )
    work = job(9, *shots)
    # Lost half a second in: after the first five of shot 0 and one of shot 2.
    ledger(
        tmp_path,
        epoch=second,
        clock="c",
        lost={"0": 3 * second // 2 + 1},
        complete=True,
    )
    outcome = collect(work, tmp_path)
    by_shot = [one.shot for one in outcome.trace]
    assert [by_shot.count(number) for number in range(4)] == [6, 0, 1, 0]
    assert all(one.status == 0 for one in outcome.trace)
    assert outcome.missing == 7
    ledger(tmp_path, epoch=second, clock="c", lost={"0": 9 * second}, complete=True)
    by_shot = [one.shot for one in collect(work, tmp_path).trace]
    assert [by_shot.count(number) for number in range(4)] == [10, 4, 20, 1]


def test_keys_that_wait_for_each_other_stay_together() -> None:
    plan = job(
        9,
        shot(0, 10, key="a"),
        shot(1, 10, key="b", cue=Cue.RESET, follows=0, latest=2),
        shot(2, 15, key="c"),
        shot(3, 1, key="d"),
    ).schedule
    assert plan is not None
    shares = divide(plan, 2)
    keys = [{one.key for one in share} for share in shares]
    assert sorted(map(sorted, keys)) == [["a", "b"], ["c", "d"]]
    assert sum(map(len, divide(plan, 5)), 0) == 4


def test_the_process_notices_its_own_stalls(tmp_path: Path) -> None:
    stalls: list[tuple[int, int]] = []

    def pause() -> None:
        if len(stalls) < 3:
            start = monotonic_ns()
            while monotonic_ns() - start < 30_000_000:
                pass
            stalls.append((start, monotonic_ns()))

    with serving() as target:
        work = job(target.port, shot(0, 50, seconds=1.0))
        share = Share(work, share=0, shares=1, folder=tmp_path, poller=system_poller())
        epoch = monotonic_ns() + round(share.lead * 1e9)
        report = share.run(epoch, pause=pause)
    assert report.stalls.longest >= 30_000_000
    for start, end in stalls:
        assert any(gap[0] <= start and end <= gap[1] for gap in report.stalls.gaps)
    trace = read_trace(tmp_path / "observations-0-0.trace")
    assert trace.gaps == list(report.stalls.gaps)
