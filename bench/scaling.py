"""That cost grows with the operations, and memory does not grow with the exchanges.

The cost of an operation is what a run takes beyond a run over one, divided by the
operations beyond that one: so start-up, which every run pays once, is in neither. The
rows compare 100 and 1,000 operations with 10, as the larger ratio either way round.

Memory is the highest resident set of the process that probes, as the kernel kept it.
A check of the bench's own sends the exchanges; every passive check judges them all.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import plain
from bench.figures import Row, program

SIZES = (1, 10, 100, 1000)
BAR = 1.2
EXCHANGES = (10_000, 100_000)
MEMORY_MB = 300.0
HERE = Path(__file__).parent
KEY = "key_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3"

PROFILE = """\
name = "Things"
[target]
base_url = "{base_url}"
environment = "staging"
openapi = "openapi.json"
[identities.main]
kind = "api_key"
key = {{ env = "BENCH_KEY" }}
[promises]
challenge = "Bearer"
before_routing = false
[consent]
writes = true
[consent.budget]
requests = 10000000
seconds = 100000
"""

FLOOD = '''\
"""Sends many requests, a few at a time."""

from tollproof import RFC, Severity, Target, Verdict, check, passed


@check(
    id="flood.all",
    title="All are sent",
    severity=Severity.INFO,
    references=(RFC(9110, "9.3.1"),),
    remediation="Answer.",
)
def test_flood(target: Target) -> Verdict:
    """Holds a hundred exchanges at a time, as a check would."""
    operation = target.operations[0]
    probe = target.probe(operation, target.caller(operation))
    for _ in range({count} // 100):
        target.send_all([probe] * 100)
    return passed("All were sent.")
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took.

    Attributes:
        megabytes: the highest resident set of any process of the run.
    """

    requests: int
    seconds: float
    megabytes: float


def measure() -> Iterator[Row]:
    """Yield requests and seconds of an operation, at 100 and 1,000 against 10."""
    costs = {size: _gate(size) for size in SIZES}
    alone = costs[1]

    def each(size: int, of: str) -> float:
        beyond: float = getattr(costs[size], of) - getattr(alone, of)
        return beyond / (size - 1)

    for of in ("requests", "seconds"):
        first = each(SIZES[1], of)
        for size in SIZES[2:]:
            ratio = each(size, of) / first
            yield Row(
                name=f"scaling-{of}-{size}",
                ratio=max(ratio, 1 / ratio),
                bar=BAR,
                note=f"{each(size, of):.3g} an operation, {first:.3g} with {SIZES[1]}",
            )


def measure_memory() -> Iterator[Row]:
    """Yield the memory of many exchanges against the bar, and against fewer."""
    few, many = (_gate(1, flood=count) for count in EXCHANGES)
    yield Row(
        name="memory",
        ratio=many.megabytes / MEMORY_MB,
        bar=1.0,
        note=f"{many.megabytes:.0f} of {MEMORY_MB:.0f} MB, {many.requests} exchanges",
    )
    yield Row(
        name="memory-growth",
        ratio=many.megabytes / few.megabytes,
        bar=1.1,
        note=f"{many.requests} exchanges against {few.requests}",
    )


def _gate(operations: int, *, flood: int = 0) -> Cost:
    """Run the gate over so many operations; with `flood`, send so many more."""
    with (
        tempfile.TemporaryDirectory(prefix="tollproof-bench-") as name,
        _serving(operations) as base_url,
    ):
        folder = Path(name)
        (folder / "openapi.json").write_text(plain.document(operations))
        profile = folder / "profile.toml"
        profile.write_text(PROFILE.format(base_url=base_url))
        command = [program("tollproof"), "gate", str(profile)]
        command += [f"--output={folder / 'out'}"]
        if flood:
            suite = folder / "flood"
            suite.mkdir()
            (suite / "test_flood.py").write_text(FLOOD.format(count=flood))
            command.append(f"--suite={suite}")
        started = time.perf_counter()
        megabytes = _peak(command)
        seconds = time.perf_counter() - started
        run = json.loads((folder / "out" / "results.json").read_text())
        return Cost(
            requests=run["traffic"]["requests"],
            seconds=seconds,
            megabytes=megabytes,
        )


#: Ends with the highest resident set of its children on standard output: asked in a
#: process of its own, the kernel's account is of this run alone.
_ACCOUNT = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def _peak(command: list[str]) -> float:
    """Run a program and return its peak memory, children included, in megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", _ACCOUNT, *command],
        env={**os.environ, "BENCH_KEY": KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the gate ended with {done.returncode}: {done.stderr}")
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    return int(done.stdout) / unit


@contextmanager
def _serving(operations: int) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        process = subprocess.Popen(
            [
                sys.executable,
                str(HERE / "plain.py"),
                str(listener.fileno()),
                KEY,
                str(operations),
            ],
            pass_fds=(listener.fileno(),),
            stdin=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait()
