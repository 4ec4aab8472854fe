"""Targets for the load side, and jobs to send them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Any

from tollproof.load.allowance import Budget
from tollproof.load.engine import Limits, system_poller
from tollproof.load.job import LoadJob, RequestSpec
from tollproof.load.outcome import ShareReport
from tollproof.load.share import Share
from tollproof.ratelimit.observation import Observation, Trace, read_trace
from tollproof.ratelimit.schedule import Phase, Schedule, Shot

SERVER = Path(__file__).with_name("server.py")
SECRET = "sk_live_9f8e7d6c5b4a39281706f5e4d3c2b1a0"


@dataclass
class Target:
    """A running server; `log` is there once it was stopped."""

    port: int
    process: subprocess.Popen[str]
    log: dict[str, Any] = field(default_factory=dict)

    def stop(self) -> dict[str, Any]:
        if not self.log:
            out, _ = self.process.communicate(timeout=20)
            self.log = json.loads(out)
        return self.log


@contextmanager
def serving(*arguments: str | Path) -> Iterator[Target]:
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield (target := Target(int(process.stdout.readline()), process))
        target.stop()
    finally:
        process.kill()
        process.communicate()


def schedule(*shots: Shot) -> Schedule:
    keys = tuple(dict.fromkeys(shot.key for shot in shots))
    return Schedule(
        limit=10,
        window=1.0,
        keys=keys,
        phases=tuple(
            Phase(name=shot.phase, key=shot.key, purpose="") for shot in shots
        ),
        shots=shots,
        seconds=max(shot.ends for shot in shots),
    )


def shot(number: int = 0, count: int = 1, **more: Any) -> Shot:
    values: dict[str, Any] = {"key": "alpha", "phase": f"p{number}", "at": 0.0}
    return Shot(number=number, count=count, **{**values, **more})


def job(port: int, *shots: Shot, path: str = "/ok", **more: Any) -> LoadJob:
    scheme = more.pop("scheme", "http")
    keys = {one.key for one in shots} | set(more.pop("keys", ()))
    values: dict[str, Any] = {
        "url": f"{scheme}://127.0.0.1:{port}",
        "budget": Budget(
            hosts=(("127.0.0.1", port),), requests=10_000, per_second=0, seconds=60
        ),
        "schedule": schedule(*shots) if shots else None,
        "requests": (RequestSpec(path=path),),
        "credentials": {
            key: (("Authorization", f"Bearer {SECRET}{key}"),) for key in keys
        },
        "id_header": "X-Request-Id",
        "limits": Limits(timeout=1.0, connect=2.0, response=100_000),
    }
    return LoadJob(**{**values, **more})


def run(job: LoadJob, folder: Path) -> tuple[ShareReport, Trace]:
    """Run a job in this process, without Locust."""
    share = Share(job, share=0, shares=1, folder=folder, poller=system_poller())
    report = share.run(monotonic_ns() + round(share.lead * 1e9))
    return report, read_trace(folder / "observations-0-0.trace")


def by_shot(trace: Trace, number: int) -> list[Observation]:
    return [one for one in trace if one.shot == number]
