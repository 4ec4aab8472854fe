"""Rotation of keys in SQLite behind two workers, and behind caches that forget late."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support import require
from tollproof import running
from tollproof.model import Outcome, Run, Tier
from tollproof.record import read_run

HERE = Path(__file__).parent
ADMIN = "admin_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3Ws5J"
PROFILE = """\
name = "Key service"
[target]
base_url = "{base}"
replicas = [{replicas}]
environment = "staging"
[[target.operations]]
method = "GET"
path = "/me"
[identities.admin]
kind = "api_key"
key = {{ env = "ADMIN_KEY" }}
[promises.keys]
prefix = "real_"
format = "^real_[0-9a-f]{{42}}$"
entropy_bits = 128.0
masked = "^real_….{{4}}$"
[promises.rotation]
active_within = 1.0
revoked_within = 1.0
stays_revoked_for = 2.5
[promises.secrets]
at_rest = "hmac-sha256"
[lifecycle]
by = "admin"
create = {{ method = "POST", path = "/keys", key = "/data/secret", id = "/data/id" }}
list = {{ method = "GET", path = "/keys", shown = "/shown" }}
revoke = {{ method = "DELETE", path = "/keys/{{id}}" }}
[places]
stores = [{{ sqlite = "{store}" }}]
[consent]
writes = true
key_lifecycle = true
"""


@contextmanager
def started(command: list[str], port: int, more: Mapping[str, str]) -> Iterator[None]:
    """Run a server until the block ends, from the moment at which it listens."""
    process = subprocess.Popen(
        command,
        cwd=HERE,
        env={**os.environ, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{command[0]} ended at once"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def judged(folder: Path, workers: int, **settings: str) -> Run:
    """Start the service, rotate its keys, and return the run."""
    with ExitStack() as stack:
        ports = [free_port() for _ in range(workers)]
        given = {
            "STORE": str(folder / "keys.db"),
            "ADMIN": ADMIN,
            "PEPPER": "a pepper that is not in the database",
            **settings,
        }
        if settings["CACHE"] == "redis":
            port = free_port()
            given["REDIS"] = f"redis://127.0.0.1:{port}"
            server = [str(require("redis-server")), "--port", str(port)]
            server += ["--save", "", "--bind", "127.0.0.1", "--dir", str(folder)]
            stack.enter_context(started(server, port, {}))
        for port in ports:
            command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
            stack.enter_context(started(command, port, given))
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        profile = folder / "profile.toml"
        profile.write_text(
            PROFILE.format(
                base=urls[0],
                replicas=", ".join(f'"{url}"' for url in urls[1:]),
                store=folder / "keys.db",
            )
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ADMIN_KEY", ADMIN)
            running.run_silently(
                running.Request(
                    profile=profile,
                    output=folder / "run",
                    tier=Tier.AUDIT,
                    command="test",
                    only=("rotation", "secrets"),
                    progress="silent",
                ),
                seconds=120,
            )
    return read_run(folder / "run")


def outcomes(run: Run, outcome: Outcome) -> dict[str, str]:
    return {
        item.check: item.verdict.summary
        for item in run.results
        if item.verdict.outcome is outcome
    }


def figures(run: Run, check: str) -> Mapping[str, object]:
    (found,) = (item for item in run.results if item.check == check)
    return found.verdict.measurements


def test_two_workers_over_one_store_keep_every_promise(tmp_path: Path) -> None:
    run = judged(tmp_path, 2, CACHE="none")

    assert outcomes(run, Outcome.FAILED) == {}
    assert outcomes(run, Outcome.INCONCLUSIVE) == {}
    assert {"rotation.replicas", "rotation.revoked-in-time"} <= set(
        outcomes(run, Outcome.PASSED)
    )
    assert run.about.notes == ()
    resolution = figures(run, "rotation.revoked-in-time")["resolution_seconds"]
    assert isinstance(resolution, float)
    # The probes that tell are planned 20 ms apart.
    assert resolution < 0.05 * _strain(run)


def _strain(run: Run) -> float:
    """How much slower than an idle machine answered: bounds follow the machine."""
    times = sorted(item.seconds for item in run.exchanges) or [0.01]
    return max(1.0, times[-1] / 0.01)


def test_a_cache_that_is_not_told_lets_a_revoked_key_in(tmp_path: Path) -> None:
    run = judged(tmp_path, 1, CACHE="redis", TTL="5")

    assert set(outcomes(run, Outcome.FAILED)) == {"rotation.revoked-in-time"}
    slowest = figures(run, "rotation.revoked-in-time").get("revoked_max_seconds", 0)
    # It is the cache's own time that is measured: from promise to time to live.
    assert isinstance(slowest, float)
    assert 1.0 < slowest < 6.0


def test_a_cache_that_is_told_of_revocations_is_right(tmp_path: Path) -> None:
    run = judged(tmp_path, 1, CACHE="redis", TTL="5", EVICT="1")

    assert outcomes(run, Outcome.FAILED) == {}
    assert outcomes(run, Outcome.INCONCLUSIVE) == {}


def test_a_worker_that_is_not_told_is_named(tmp_path: Path) -> None:
    run = judged(tmp_path, 2, CACHE="own", TTL="6")

    failures = outcomes(run, Outcome.FAILED)
    assert set(failures) == {"rotation.replicas"}
    assert "1 of 1 replicas" in failures["rotation.replicas"]
