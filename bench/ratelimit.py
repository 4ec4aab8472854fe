"""How good the rate-limit measurement is: traffic, certainty, analysis.

Knows the planner, the analysis and one limiter that is known to be broken. Must not
know how figures are printed.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Row
from tests.real.limiters.known import LIMITERS
from tests.real.limiters.measuring import measured
from tollproof.load.throughout import watch
from tollproof.ratelimit.observation import Trace, write_trace
from tollproof.ratelimit.planning import plan
from tollproof.ratelimit.promise import Policy, RateLimitPromise

PROMISE = RateLimitPromise(policy=Policy(limit=600, window=60.0))
#: The forms of the request that a profile with GET operations lets be tried.
VARIANTS = (
    *("forwarded", "other-agent", "query", "empty-query", "head"),
    *("other-operation", "other-address"),
)
ROUNDS = 3


def measure_plan() -> Iterator[Row]:
    """The traffic of a whole audit of 600 a minute, as it is planned."""
    for keys, windows in ((4, 1.4), (1, 8.0)):
        names = [f"k{number}" for number in range(keys)]
        schedule = plan(PROMISE, names, variants=VARIANTS)
        yield Row(
            name=f"audit, {keys} key{'s' * (keys > 1)}",
            ratio=schedule.seconds / PROMISE.policy.window,
            bar=windows,
            note=f"windows; {schedule.requests} requests of 600 a minute",
        )
        if keys > 1:
            yield Row(
                name="audit, requests",
                ratio=schedule.requests / 4500,
                bar=1.0,
                note="planned requests / 4,500",
            )


def measure_proof() -> Iterator[Row]:
    """How long it takes until two workers that count apart are proved to."""
    limiter = next(one for one in LIMITERS if "fixed, memory, 2" in one.name)
    seconds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            judged = measured(limiter, Path(folder))
        over = next(
            one for one in judged.run.results if one.check == "ratelimit.over-admission"
        )
        seconds.append(float(over.verdict.measurements["proved_after"]))
    yield Row(
        name="proof of 2 workers",
        ratio=statistics.median(seconds),
        bar=2.0,
        note="seconds into the load; " + ", ".join(f"{one:.2f}" for one in seconds),
    )


def measure_analysis() -> Iterator[Row]:
    """A million observations, and a tenth of them: time and memory."""
    seconds, held = {}, {}
    for number in (100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "observations"
            write_trace(_observations(number), path)
            began = time.process_time()
            found = watch([path], PROMISE, epoch=0)
            seconds[number] = time.process_time() - began
            held[number] = found.held
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Row(
        name="analysis of 1,000,000",
        ratio=seconds[1_000_000] / seconds[100_000] / 10,
        bar=1.5,
        note=f"against 10 x 100,000; {seconds[1_000_000]:.1f} s of CPU, "
        f"peak of this process {peak:.0f} MB",
    )
    yield Row(
        name="held in memory",
        ratio=held[1_000_000] / held[100_000],
        bar=1.2,
        note=f"observations at a time: {held[1_000_000]} of a million, "
        f"{held[100_000]} of a tenth",
    )


def _observations(number: int) -> Trace:
    """A soak at a little more than the limit on four keys."""
    trace = Trace(host="bench")
    trace.anchors.append((0, 1_790_000_000.0))
    headers = trace.header_set((b"600", b"1", b"1790000060", *(None,) * 5))
    keys = [trace.label(f"k{number}") for number in range(4)]
    phase, plain = trace.label("soak"), trace.label("plain")
    operation, worker = trace.label("GET /"), trace.label("w")
    step = round(60e9 / 640 / len(keys))
    for row in range(number):
        at = row * step
        trace.append(
            key=keys[row % len(keys)],
            phase=phase,
            operation=operation,
            variant=plain,
            worker=worker,
            shot=0,
            sent=at,
            received=at + 2_000_000,
            status=429 if at % 60_000_000_000 > 56_000_000_000 else 200,
            headers=headers,
            connection=row % 8,
        )
    return trace
