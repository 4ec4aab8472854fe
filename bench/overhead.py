"""What judging costs: the gate, against a bare program that sends the same requests.

The concurrency is the gate's own: the sum of all exchanges' seconds divided by the
seconds in which at least one was under way, both from the journal of the run whose
requests are replayed, rounded up, so that the bare program gets the better of it. Both
start up, both meet the same deployment, whose limit is out of the way.
"""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from bench.figures import Row, program, wall
from tollproof.model import Exchange
from tollproof.record import read_journal
from tollproof.reference.launch import serving

ROUNDS = 3
BAR = 2.0
HERE = Path(__file__).parent


def measure() -> Iterator[Row]:
    """Yield the one row of overhead."""
    rounds = [_round() for _ in range(ROUNDS)]
    ours, theirs, counts, in_flight = zip(*rounds, strict=True)
    yield Row(
        name="overhead",
        ratio=statistics.median(mine / bare for mine, bare, *_ in rounds),
        bar=BAR,
        note=f"gate {statistics.median(ours):.1f} s / bare httpx "
        f"{statistics.median(theirs):.1f} s, {statistics.median(counts):g} requests, "
        f"{statistics.median(in_flight):.1f} in flight; median of {ROUNDS}",
    )


def _round() -> tuple[float, float, int, float]:
    """Time one gate and one replay of it on a deployment of their own.

    A second gate on the same deployment would find the small limit spent. Writing the
    requests down is part of the gate's time, which is to our disadvantage.
    """
    with (
        tempfile.TemporaryDirectory(prefix="tollproof-bench-") as name,
        serving("sparkient", workers=1, limit=1_000_000) as deployment,
    ):
        folder = Path(name)
        profile = deployment.write_profile(folder / "profile.toml")
        requests, output = folder / "requests.jsonl", folder / "out"
        hooks = folder / "hooks"
        hooks.mkdir()
        shutil.copy(HERE / "recording.py", hooks / "sitecustomize.py")
        ours = wall(
            [program("tollproof"), "gate", str(profile), f"--output={output}"],
            {"PYTHONPATH": str(hooks), "BENCH_REQUESTS": str(requests)},
        )
        in_flight = concurrency(read_journal(output))
        count = sum(1 for _ in requests.open("rb"))
        threads = str(math.ceil(in_flight))
        bare = wall([sys.executable, str(HERE / "replay.py"), str(requests), threads])
    return ours, bare, count, in_flight


def concurrency(exchanges: Iterable[Exchange]) -> float:
    """Return how many exchanges were under way on average while any was."""
    spans = sorted(
        (start, start + exchange.seconds)
        for exchange in exchanges
        for start in [datetime.fromisoformat(exchange.at).timestamp()]
    )
    total = sum(end - start for start, end in spans)
    busy, until = 0.0, -math.inf
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return total / busy if busy else 1.0
