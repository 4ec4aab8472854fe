"""That cost grows with the operations, and memory does not grow with the exchanges.

The cost of an operation is what a run takes beyond a run over one, divided by the
operations beyond that one: so start-up, which every run pays once, is in neither. The
rows compare 100 and 1,000 operations with 10, as the larger ratio either way round.
Small runs differ by little, so each is repeated and the quickest one counts. Next to
the seconds that pass stand those of the processors, which what else the machine does
moves less: where only the former fall short, the machine was not quiet.

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

#: Operations, and how often each is run.
SIZES = {1: 5, 10: 5, 100: 3, 1000: 1}
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
        seconds: that passed.
        processor: seconds of processors, user and system, of all its processes.
        megabytes: the highest resident set of any process of the run.
    """

    requests: int
    seconds: float
    processor: float
    megabytes: float


def measure() -> Iterator[Row]:
    """Yield requests and seconds of an operation, at 100 and 1,000 against 10."""
    costs: dict[int, list[Cost]] = {size: [] for size in SIZES}
    # In turns, so that a noisy minute does not meet one size alone.
    for number in range(max(SIZES.values())):
        for size, times in SIZES.items():
            if number < times:
                costs[size].append(_gate(size))

    def least(size: int, of: str) -> float:
        return min(float(getattr(cost, of)) for cost in costs[size])

    def each(size: int, of: str) -> float:
        return (least(size, of) - least(1, of)) / (size - 1)

    _, few, *more = SIZES
    for of in ("requests", "processor", "seconds"):
        first = each(few, of)
        for size in more:
            ratio = each(size, of) / first
            yield Row(
                name=f"scaling-{of}-{size}",
                ratio=max(ratio, 1 / ratio),
                bar=BAR,
                note=f"{each(size, of):.3g} an operation, {first:.3g} with {few}",
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
        megabytes, processor = _account(command)
        seconds = time.perf_counter() - started
        run = json.loads((folder / "out" / "results.json").read_text())
        return Cost(
            requests=run["traffic"]["requests"],
            seconds=seconds,
            processor=processor,
            megabytes=megabytes,
        )


#: Ends with what its children took on standard output, their highest resident set and
#: their seconds: asked in a process of its own, the kernel's account is of this run.
_ACCOUNT = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(done.returncode)
"""


def _account(command: list[str]) -> tuple[float, float]:
    """Run a program; return its peak memory in megabytes and its processor seconds."""
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
    peak, processor = done.stdout.split()
    return int(peak) / unit, float(processor)


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
