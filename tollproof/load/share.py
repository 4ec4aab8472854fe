"""One process's share of a job, from the two documents to the report.

Puts the pieces of this package together; what Locust adds (a greenlet to run in, the
messages to other machines) is handed in. Must not know Locust or gevent.
"""

from __future__ import annotations

import gc
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic_ns

from tollproof.errors import UsageError
from tollproof.load.allowance import Allowance
from tollproof.load.answer import Reader
from tollproof.load.connection import Address, resolve
from tollproof.load.engine import NEVER, Engine, Poller
from tollproof.load.job import LoadJob, Tls, target
from tollproof.load.measured import LEAD, LEAD_EACH, LEAD_EACH_TLS, Measured
from tollproof.load.outcome import ShareReport, Unsent
from tollproof.load.recorder import Recorder, clock_name, wanted_headers
from tollproof.load.sentinel import Sentinel
from tollproof.load.sustained import Steady
from tollproof.ratelimit.schedule import Schedule, Shot
from tollproof.transport import tls_context

SECOND = 1_000_000_000
MILLISECOND = 1_000_000

#: A turn of the loop that took so much longer than asked is a gap.
STALL = 2 * MILLISECOND
#: Turns of the loop are reported to whoever watches this often.
REPORT_EVERY = SECOND // 4


class Share:
    """A part of a job, ready to run once everyone knows when zero is.

    Attributes:
        lead: seconds it needs between being told and zero.
    """

    def __init__(
        self, job: LoadJob, *, share: int, shares: int, folder: Path, poller: Poller
    ) -> None:
        """Look the target up and make what can be made beforehand.

        Raises:
            UsageError: the budget does not cover the target.
            OSError: the target's name or a TLS file cannot be read.
        """
        scheme, host, port = target(job)
        if not job.budget.allows(host, port):
            raise UsageError(f"consent to load does not name {host}:{port}")
        self.job, self.share, self.shares = job, share, shares
        self.shots = divide(job.schedule, shares)[share] if job.schedule else ()
        self._addresses: Mapping[str, Address] = {
            source: resolve(host, port, source=source)
            for source in {"", *(spec.source for spec in job.requests)}
        }
        self._context = load_context(job.tls) if scheme == "https" else None
        self._folder, self._poller = folder, poller
        self._stopped = False
        self._cut = ""
        self._engine: Engine | None = None
        self._driver: Measured | Steady | None = None
        self._recorder: Recorder | None = None
        each = LEAD_EACH_TLS if self._context else LEAD_EACH
        early = sum(
            shot.connections for shot in self.shots if shot.at < LEAD / SECOND + 1
        )
        self.lead = (2 * LEAD + each * max(16, early)) / SECOND

    def run(
        self,
        epoch: int,
        *,
        pause: Callable[[], object] | None = None,
        watch: Callable[[], object] | None = None,
    ) -> ShareReport:
        """Do the work, with zero at `epoch` (monotonic ns), and report.

        Args:
            pause: called every few milliseconds, to let others have the process.
            watch: called a few times a second; must be quick.
        """
        job = self.job
        sentinel = Sentinel(threshold=STALL)
        allowance = self._allowance(epoch)
        recorder = self._recorder = Recorder(job, self._folder, share=self.share)
        engine = self._engine = Engine(
            address=self._addresses[""],
            context=self._context,
            reader=Reader(wanted_headers(job)),
            limits=job.limits,
            allowance=allowance,
            sentinel=sentinel,
            poller=self._poller,
            pause=_pausing(recorder, pause, watch),
        )
        driver = self._driver = self._drive(engine, recorder, epoch)
        engine.stopping = self._stopped
        used, began = time.process_time(), monotonic_ns()
        try:
            with _calm():
                engine.run(driver)
        finally:  # also when the greenlet is killed: what is on its way is recorded
            ended = monotonic_ns()
            engine.abandon(driver)
            engine.shut()
            for start, end in sentinel.stalls().gaps:
                recorder.gap(start, end)
            recorder.close()
        return ShareReport(
            share=self.share,
            sent=driver.sent,
            observed=recorder.observed,
            statuses={str(one): number for one, number in driver.statuses.items()},
            failures=dict(driver.failures),
            unsent=_unsent(driver.unsent),
            left_out=tuple(driver.left_out),
            refused=allowance.refused,
            stalls=sentinel.stalls(),
            seconds=(ended - max(began, epoch)) / SECOND,
            cpu=time.process_time() - used,
            connections=engine.begun,
            clock=clock_name(),
            fault=self._cut,
            stopped=bool(self._cut),
        )

    def stop(self) -> None:
        """Send nothing more; :meth:`run` returns when what is under way is settled."""
        self._stopped = True
        if self._driver is None or not self._driver.finished:
            self._cut = "a load process was stopped before its end"
        if self._engine is not None:
            self._engine.stopping = True

    def progress(self) -> Mapping[str, int]:
        """Return how much was done so far: `sent`, and observations by status."""
        if self._driver is None:
            return {"sent": 0}
        statuses = {str(key): value for key, value in self._driver.statuses.items()}
        return {"sent": self._driver.sent, **statuses}

    def fresh(self) -> list[tuple[int, int]]:
        """Return (status, ns from due to answer) of what was observed since last."""
        if self._recorder is None:
            return []
        found, self._recorder.fresh = self._recorder.fresh, []
        return found

    def _allowance(self, epoch: int) -> Allowance:
        """This process's part of the budget; all parts together are within it."""
        budget, shares = self.job.budget, self.shares
        requests, per_second = budget.requests // shares, budget.per_second // shares
        if self.shots and shares > 1:
            # What was checked against the budget as a whole is divided as planned.
            requests = sum(max(shot.count, shot.most) for shot in self.shots)
            total = self.job.most_requests
            per_second = budget.per_second * requests // max(1, total)
        if shares == 1:
            requests, per_second = budget.requests, budget.per_second
        return Allowance(
            requests=requests,
            per_second=max(1, per_second) if budget.per_second else 0,
            end=epoch + min(NEVER // 2, round(budget.seconds * SECOND)),
        )

    def _drive(
        self, engine: Engine, recorder: Recorder, epoch: int
    ) -> Measured | Steady:
        if self.job.sustained is not None:
            return Steady(
                self.job,
                self.job.sustained,
                engine,
                recorder,
                address=self._addresses[""],
                share=self.share,
                shares=self.shares,
                epoch=epoch,
            )
        return Measured(
            self.job,
            engine,
            recorder,
            shots=self.shots,
            addresses=self._addresses,
            share=self.share,
            epoch=epoch,
            wall=time.time() + (epoch - monotonic_ns()) / SECOND,
        )


def divide(schedule: Schedule, shares: int) -> tuple[tuple[Shot, ...], ...]:
    """Divide a schedule among processes, the same way wherever it is done.

    A key's shots stay together, and so do keys of which one waits for the other; the
    largest group goes to whoever has least.
    """
    by_number = {shot.number: shot for shot in schedule.shots}
    group = {key: key for key in schedule.keys}

    def find(key: str) -> str:
        while group[key] != key:
            key = group[key]
        return key

    for shot in schedule.shots:
        if shot.follows in by_number:
            group[find(shot.key)] = find(by_number[shot.follows].key)
    weights: Counter[str] = Counter()
    for shot in schedule.shots:
        weights[find(shot.key)] += max(shot.count, shot.most)
    loads = [0] * shares
    owner = {}
    for key, weight in weights.most_common():
        owner[key] = least = loads.index(min(loads))
        loads[least] += weight
    return tuple(
        tuple(shot for shot in schedule.shots if owner[find(shot.key)] == share)
        for share in range(shares)
    )


def load_context(tls: Tls) -> ssl.SSLContext:
    """Build the TLS settings, as for every other probe, for HTTP/1.1 only.

    Raises:
        OSError: a file cannot be read, or is not what it should be.
    """
    context = tls_context(
        verify=tls.verify,
        ca=Path(tls.ca) if tls.ca else None,
        certificate=Path(tls.certificate) if tls.certificate else None,
        key=Path(tls.key) if tls.key else None,
    )
    context.set_alpn_protocols(["http/1.1"])
    return context


def _pausing(
    recorder: Recorder,
    pause: Callable[[], object] | None,
    watch: Callable[[], object] | None,
) -> Callable[[], object]:
    """What happens in the engine's pauses: files, reports, then everybody else."""
    next_report = 0

    def paused() -> None:
        nonlocal next_report
        now = monotonic_ns()
        recorder.tick(now)
        if watch is not None and now >= next_report:
            next_report = now + REPORT_EVERY
            watch()
        if pause is not None:
            pause()

    return paused


@contextmanager
def _calm() -> Iterator[None]:
    """Keep the garbage collector from stopping the loop.

    What exists is set aside; what the loop makes has no cycles, so the youngest
    generation alone is looked over, and seldom.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 1_000, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _unsent(counts: Counter[tuple[int, str]]) -> tuple[Unsent, ...]:
    return tuple(
        Unsent(shot=shot, why=why, requests=number)
        for (shot, why), number in sorted(counts.items())
    )
