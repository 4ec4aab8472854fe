"""A sound limiter whose server is started anew while it is measured."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import psutil

from tests.real.limiters.deployments import KEYS, gunicorn
from tests.real.limiters.known import LIMITERS
from tests.real.limiters.measuring import profile_of
from tests.real.stacks import judge
from tollproof.model import Outcome
from tollproof.ratelimit.observation import read_trace

#: Requests on record when the worker dies: most keys are full then.
SEEN = 250
PATIENCE = 60.0


def crashed(
    process: subprocess.Popen[bytes], folder: Path, ended: threading.Event
) -> bool:
    """Kill the worker once enough is on record; its master starts another."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not ended.wait(0.02):
        for path in folder.glob("**/observations-0-0.trace"):
            if len(read_trace(path)) >= SEEN:
                for worker in psutil.Process(process.pid).children():
                    worker.kill()
                return True
    return False


def test_counters_lost_with_their_process_are_no_fault(tmp_path: Path) -> None:
    limiter = next(one for one in LIMITERS if "fixed, memory, 1" in one.name)
    profile, scratch = tmp_path / "profile.toml", tmp_path / "scratch"
    scratch.mkdir()
    given = {f"LIMITER_{name}": key for name, key in KEYS.items()}
    given["TMPDIR"] = str(scratch)
    ended, done = threading.Event(), list[bool]()
    with gunicorn(strategy="fixed-window", storage="memory://", workers=1) as (
        base_url,
        process,
    ):
        profile.write_text(profile_of(limiter, base_url), encoding="utf-8")
        watch = threading.Thread(
            target=lambda: done.append(crashed(process, scratch, ended))
        )
        watch.start()
        try:
            judged = judge(
                ("audit", str(profile), "--suite=ratelimit"), given, tmp_path / "out"
            )
        finally:
            ended.set()
            watch.join()
    assert done == [True]
    assert not judged.failed.keys() - limiter.broken, judged.reasons()
    withheld = [
        item.verdict.summary
        for item in judged.run.results
        if item.verdict.outcome is Outcome.INCONCLUSIVE
    ]
    assert any("started anew" in text for text in withheld), withheld
