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
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.figures import Row, program, timed, wall
from tollproof.model import Exchange
from tollproof.record import read_journal
from tollproof.reference.launch import serving

ROUNDS = 3
BAR = 2.0
HERE = Path(__file__).parent


def measure() -> Iterator[Row]:
    """Yield the one row of overhead."""
    rounds = [replayed() for _ in range(ROUNDS)]
    yield Row(
        name="overhead",
        ratio=statistics.median(one.ours / one.bare for one in rounds),
        bar=BAR,
        note=f"gate {statistics.median(one.ours for one in rounds):.1f} s / bare httpx "
        f"{statistics.median(one.bare for one in rounds):.1f} s, "
        f"{statistics.median(one.requests for one in rounds):g} requests, "
        f"{statistics.median(one.in_flight for one in rounds):.1f} in flight; "
        f"median of {ROUNDS}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A gate and the replay of its requests.

    Attributes:
        ours, bare: seconds of wall time, from start to end of the program.
        sending: of bare, the seconds from the first request to the last answer.
        before, after: of ours, what came before the first request and after the last.
        busy: of ours, the seconds in which at least one request was under way.
        in_flight: requests under way on average while any was.
    """

    ours: float
    bare: float
    sending: float
    before: float
    after: float
    busy: float
    requests: int
    in_flight: float


def replayed(*arguments: str) -> Round:
    """Time one gate and one replay of it on a deployment of their own.

    A second gate on the same deployment would find the small limit spent. Writing the
    requests down is part of the gate's time, which is to our disadvantage.

    Args:
        arguments: further arguments of `tollproof gate`.
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
        gate = [program("tollproof"), "gate", str(profile), f"--output={output}"]
        started = time.time()
        ours = wall(
            [*gate, *arguments],
            {"PYTHONPATH": str(hooks), "BENCH_REQUESTS": str(requests)},
        )
        spans = under_way(read_journal(output))
        in_flight = concurrency(spans)
        count = sum(1 for _ in requests.open("rb"))
        threads = str(math.ceil(in_flight))
        replay = [sys.executable, str(HERE / "replay.py"), str(requests), threads]
        bare, printed = timed(replay)
    return Round(
        ours=ours,
        bare=bare,
        sending=float(printed),
        before=spans[0][0] - started,
        after=started + ours - max(end for _, end in spans),
        busy=busy_seconds(spans),
        requests=count,
        in_flight=in_flight,
    )


Spans = Sequence[tuple[float, float]]


def under_way(exchanges: Iterable[Exchange]) -> Spans:
    """Return when each exchange began and ended, Unix seconds, in order."""
    return sorted(
        (start, start + exchange.seconds)
        for exchange in exchanges
        for start in [datetime.fromisoformat(exchange.at).timestamp()]
    )


def busy_seconds(spans: Spans) -> float:
    """Return for how long at least one exchange was under way."""
    busy, until = 0.0, -math.inf
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy


def concurrency(spans: Spans) -> float:
    """Return how many exchanges were under way on average while any was."""
    total, busy = sum(end - start for start, end in spans), busy_seconds(spans)
    return total / busy if busy else 1.0
