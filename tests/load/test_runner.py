"""Locust as a child: complete records, no credential left behind, always an end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.load.certificates import authority
from tests.load.support import SECRET, by_shot, job, serving, shot
from tollproof.errors import UsageError
from tollproof.load import runner
from tollproof.load.arrivals import plateau
from tollproof.load.collecting import LoadOutcome
from tollproof.load.job import LoadJob, Sustained, Tls
from tollproof.load.runner import Cluster, Progress, run
from tollproof.load.summary import Threshold, breaches, summarise

SHOTS = (
    shot(0, 60, seconds=0.4, connections=4),
    shot(1, 30, at=0.2, fresh=True, key="beta"),
    shot(2, 30, at=0.3, seconds=0.3, key="gamma"),
)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def left_behind(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())


def test_one_process_and_nothing_of_the_credential(tmp_path: Path) -> None:
    certificate, key = authority(tmp_path, "target")
    folder = tmp_path / "run"
    seen: list[str] = []
    heard: list[Progress] = []

    def watch(progress: Progress) -> None:
        heard.append(progress)
        for one in children():
            seen.extend([*one.cmdline(), json.dumps(one.environ())])

    with serving(certificate, key) as target:
        work = job(target.port, *SHOTS, scheme="https", tls=Tls(ca=str(certificate)))
        outcome = run(work, folder=folder, progress=watch)
        log = target.stop()
    assert outcome.complete, outcome.fault
    assert len(outcome.trace) == outcome.sent == len(log["at"]) == 120
    assert len(set(log["id"])) == 120
    assert all(SECRET in key for key in log["key"])
    assert heard[-1].sent == 120
    assert any("locust" in text for text in seen)
    assert not any(SECRET in text for text in seen)
    assert SECRET.encode() not in left_behind(folder)
    assert {oct(one.stat().st_mode & 0o77) for one in folder.iterdir()} <= {
        *("0o0", "0o44")
    }
    assert (folder / "job.json").stat().st_mode & 0o77 == 0
    assert folder.stat().st_mode & 0o77 == 0
    (report,) = outcome.reports
    assert report.stalls.threshold > 0
    assert set(outcome.lateness) >= {"p50", "p99", "p100"}
    assert outcome.trace.anchors


def test_two_processes_share_the_keys(tmp_path: Path) -> None:
    with serving() as target:
        work = job(target.port, *SHOTS)
        outcome = run(work, folder=tmp_path / "run", cluster=Cluster(processes=2))
        log = target.stop()
    assert outcome.complete, outcome.fault
    assert len(outcome.trace) == len(set(log["id"])) == len(log["id"]) == 120
    assert {one.share for one in outcome.reports} == {0, 1}
    assert all(one.sent for one in outcome.reports)
    workers = {one.key: one.worker for one in outcome.trace}
    assert len(set(workers.values())) == 2
    for row in outcome.trace:
        assert row.worker == workers[row.key]
    assert outcome.uncertainty == 0  # one machine, one clock
    assert not children()


def test_master_and_worker(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        where = ("127.0.0.1", int(probe.getsockname()[1]))
    outcomes: dict[str, LoadOutcome] = {}

    def start(name: str, work: LoadJob, cluster: Cluster) -> threading.Thread:
        def go() -> None:
            outcomes[name] = run(work, folder=tmp_path / name, cluster=cluster)

        thread = threading.Thread(target=go)
        thread.start()
        return thread

    with serving() as target:
        work = job(target.port, *SHOTS)
        threads = [
            start("master", work, Cluster(expect=1, bind=where)),
            start("worker", work, Cluster(join=where)),
        ]
        for thread in threads:
            thread.join(60)
        log = target.stop()
    outcome = outcomes["master"]
    assert outcome.complete, outcome.fault
    assert len(outcome.trace) == len(log["at"]) == 120
    assert outcomes["worker"].complete
    assert len(outcomes["worker"].trace) == 0
    assert not list((tmp_path / "worker").glob("*.trace"))


def test_a_worker_with_another_job_is_not_let_in(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        where = ("127.0.0.1", int(probe.getsockname()[1]))
    with serving() as target:
        work = job(target.port, *SHOTS)
        other = replace(work, operation="another")
        thread = threading.Thread(
            target=run,
            args=(other,),
            kwargs={"folder": tmp_path / "w", "cluster": Cluster(join=where)},
        )
        thread.start()
        cluster = Cluster(expect=1, bind=where)
        outcome = run(work, folder=tmp_path / "m", cluster=cluster)
        thread.join(60)
        log = target.stop()
    assert log["at"] == []
    assert not outcome.complete
    assert "another job" in outcome.fault


def test_a_killed_worker_leaves_unknown_outcomes(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.sent > 20 and not killed:
            (locust,) = psutil.Process().children()[-1:]
            worker = locust.children()[0]
            killed.append(worker.pid)
            worker.kill()

    shots = tuple(
        shot(number, 400, seconds=8.0, key=key)
        for number, key in enumerate(("alpha", "beta"))
    )
    with serving() as target:
        outcome = run(
            job(target.port, *shots),
            folder=tmp_path / "run",
            cluster=Cluster(processes=2),
            progress=kill,
        )
        log = target.stop()
    assert killed
    assert not outcome.complete
    (lost,) = outcome.lost
    rows = [one for one in outcome.trace if one.worker == f"worker {lost}"]
    others = [one for one in outcome.trace if one.worker != f"worker {lost}"]
    unknown = [one for one in rows if one.status == 0]
    assert len(others) == 400
    assert all(one.status == 200 for one in others)
    assert len(unknown) == outcome.missing > 0
    # All that the target saw is on record, as answered or as unknown.
    assert len(outcome.trace) >= len(log["at"])
    assert any(name == "lost-worker" for name, _ in outcome.trace.notes)


def test_a_killed_process_is_reported(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.sent > 20 and not killed:
            locust = children()[-1]
            killed.append(locust.pid)
            locust.kill()

    with serving() as target:
        work = job(target.port, shot(0, 300, seconds=20.0))
        outcome = run(work, folder=tmp_path / "run", progress=kill)
        log = target.stop()
    assert killed
    assert not outcome.complete
    assert "exit code -9" in outcome.fault
    assert 0 < len(outcome.trace) <= len(log["at"])  # what was written is readable


def test_stopping_early_sends_nothing_more(tmp_path: Path) -> None:
    state: dict[str, Any] = {"sent": 0}
    with serving() as target:
        began = time.monotonic()
        outcome = run(
            job(target.port, shot(0, 1000, seconds=30.0)),
            folder=tmp_path / "run",
            progress=lambda progress: state.update(sent=progress.sent),
            stop=lambda: state["sent"] > 30,
        )
        took = time.monotonic() - began
        log = target.stop()
    assert took < 20
    assert len(outcome.trace) == len(log["at"]) < 1000
    (unsent,) = outcome.unsent
    assert (unsent.why, unsent.requests) == ("stopped", 1000 - len(log["at"]))


def test_the_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STARTING", -21.0)
    monkeypatch.setattr(runner, "ENDING", 4.0)
    with serving() as target:
        outcome = run(
            job(target.port, shot(0, 200, seconds=20.0)), folder=tmp_path / "run"
        )
        log = target.stop()
    assert "did not end" in outcome.fault
    assert not outcome.complete
    assert len(outcome.trace) == len(log["at"])
    assert not children()


def test_no_consent_no_process(tmp_path: Path) -> None:
    work = replace(job(9, *SHOTS), url="http://127.0.0.1:10")
    with pytest.raises(UsageError, match="consent"):
        run(work, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_when_the_parent_dies_the_load_ends(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.load.support import job, shot\n"
        "from tollproof.load.runner import run\n"
        "run(job(int(sys.argv[1]), shot(0, 2000, seconds=40.0)),"
        " folder=Path(sys.argv[2]), progress=lambda one: print(one.sent, flush=True))"
    )
    with serving() as target:
        parent = subprocess.Popen(
            [sys.executable, "-c", script, str(target.port), str(tmp_path / "run")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert parent.stdout is not None
        for line in parent.stdout:
            if int(line) > 20:
                break
        (locust,) = psutil.Process(parent.pid).children()
        parent.kill()
        parent.wait()
        parent.stdout.close()
        gone, _ = psutil.wait_procs([locust], timeout=20)
        assert gone
        assert len(target.stop()["at"]) < 1500


def sustained(port: int, rate: float, seconds: float, **more: Any) -> LoadJob:
    plan = Sustained(
        stages=plateau(rate, seconds),
        keys=("alpha", "beta"),
        connections=more.pop("connections", 50),
    )
    return job(port, keys=plan.keys, sustained=plan, **more)


@pytest.mark.parametrize("processes", [1, 2])
def test_sustained_load(processes: int, tmp_path: Path) -> None:
    with serving() as target:
        work = sustained(target.port, 200, 3.0)
        cluster = Cluster(processes=processes)
        outcome = run(work, folder=tmp_path / "run", cluster=cluster)
        log = target.stop()
    assert outcome.complete, outcome.fault
    assert len(log["at"]) == len(set(log["id"])) == 600
    assert {log["key"].count(key) for key in set(log["key"])} == {300}
    summary = summarise(outcome.files, planned=work.most_requests, epoch=outcome.epoch)
    assert dict(summary.statuses) == {"200": 600}
    assert [one.due for one in summary.timeline][:3] == [200, 200, 200]
    assert summary.latency["ok"]["p50"] >= summary.service["ok"]["p50"] > 0
    good = (Threshold(figure="errors", most=0.0), Threshold(figure="unsent", most=0))
    assert breaches(summary, good) == ()
    bad = (Threshold(figure="p99", most=0.0), Threshold(figure="per_second", least=1e6))
    assert len(breaches(summary, bad)) == 2


def test_the_wait_for_a_slow_target_counts(tmp_path: Path) -> None:
    with serving() as target:
        # One connection, 50 ms each, ten times as many as it can carry.
        work = sustained(target.port, 100, 1.0, connections=1, path="/slow/50")
        outcome = run(work, folder=tmp_path / "run")
    summary = summarise(outcome.files, planned=100, epoch=outcome.epoch)
    assert summary.sent == 100
    # The last was due after one second and was answered after five.
    assert summary.latency["ok"]["p100"] > 20 * summary.service["ok"]["p50"]
    assert summary.lateness["p100"] > 2_147_483


def test_the_web_pages_show_it_while_it_runs(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        web = ("127.0.0.1", int(probe.getsockname()[1]))
    pages: list[dict[str, Any]] = []

    def look(progress: Progress) -> None:
        if progress.sent > 100 and not pages:
            url = f"http://{web[0]}:{web[1]}/stats/requests"
            with urllib.request.urlopen(url, timeout=5) as answer:
                pages.append(json.load(answer))

    with serving() as target:
        outcome = run(
            sustained(target.port, 100, 4.0),
            folder=tmp_path / "run",
            cluster=Cluster(web=web),
            progress=look,
        )
    assert outcome.complete, outcome.fault
    (page,) = pages
    assert page["stats"][0]["name"] == "status 200"
    assert page["stats"][0]["num_requests"] >= 100


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_the_locustfile_works_by_itself(mode: int, tmp_path: Path) -> None:
    with serving() as target:
        work = job(target.port, *SHOTS)
        (tmp_path / "job.json").write_text(work.document())
        secrets = tmp_path / "secrets.json"
        secrets.write_text(work.secrets())
        secrets.chmod(mode)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "--headless"),
                *("-f", str(runner.LOCUSTFILE)),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "TOLLPROOF_LOAD_JOB": str(tmp_path / "job.json"),
                "TOLLPROOF_LOAD_SECRETS": str(secrets),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        log = target.stop()
    assert SECRET not in done.stdout + done.stderr
    if mode == 0o600:
        assert done.returncode == 0, done.stderr
        assert len(log["at"]) == 120
        ledger = json.loads((tmp_path / "ledger.json").read_text())
        assert ledger["reports"][0]["sent"] == 120
    else:
        assert done.returncode == 3
        assert "chmod 600" in done.stderr
        assert log["at"] == []


def test_the_parent_stays_free_of_gevent() -> None:
    script = (
        "import sys, tollproof.load.runner, tollproof.load.summary;"
        "sys.exit('gevent' in sys.modules or 'locust' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_folder_is_used_once(tmp_path: Path) -> None:
    (tmp_path / "job.json").touch()
    with serving() as target, pytest.raises(OSError, match="exists"):
        run(job(target.port, *SHOTS), folder=tmp_path)


def test_observations_of_bursts_under_locust(tmp_path: Path) -> None:
    with serving() as target:
        work = job(target.port, shot(0, 40, fresh=True), path="/limit/10")
        outcome = run(work, folder=tmp_path / "run")
    rows = by_shot(outcome.trace, 0)
    assert sorted(row.status for row in rows) == [200] * 10 + [429] * 30
    assert {row.header("retry_after") for row in rows if row.status == 429} == {"1"}
