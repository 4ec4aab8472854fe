"""The Locust user: hosts the loop in a greenlet, and does what the conductor says.

One user drives all connections of its process, so a run has as many users as there
are processes; the load comes from the job, not from the number of users. Knows Locust
and gevent. Must not know when requests are due, nor what answers say.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from gevent.monkey import get_original
from locust import LoadTestShape, User, task
from locust.env import Environment
from locust.runners import HEARTBEAT_INTERVAL, WorkerRunner

from tollproof.errors import TollproofError
from tollproof.load.channel import Assignment, tell, told
from tollproof.load.conductor import Conductor
from tollproof.load.delivery import AGAIN, Outbox, Piece, Spool
from tollproof.load.engine import Poller, PollPoller
from tollproof.load.folding import fold
from tollproof.load.job import LoadJob, Sustained, led
from tollproof.load.outcome import ShareReport
from tollproof.load.recorder import clock_name
from tollproof.load.share import Share
from tollproof.model import from_json, to_json

SECOND = 1_000_000_000

#: Seconds between deliveries of observations, and for the last of them to arrive.
DELIVER_EVERY, DELIVERED_WITHIN = 0.5, 60.0
#: Seconds a test that Locust stops waits for answers that are under way, and a master
#: beyond their deadline for what its workers have to report.
SETTLE, SETTLED_WITHIN = 3.0, 15.0
#: Heartbeats of the master, one a second, that a worker misses before it gives up.
MISSED = 5


def real_poller() -> Poller:
    """Return the system's poller, which gevent has hidden."""
    try:
        poller: Poller = get_original("select", "epoll")()
    except AttributeError:
        return PollPoller(get_original("select", "poll")())
    return poller


class Post:
    """What one process does in a run: its share, and how it reports."""

    def __init__(self, assignment: Assignment, environment: Environment) -> None:
        self.assignment = assignment
        self.environment = environment
        self.share: Share | None = None
        self.claimed = False
        self.over = Event()
        self._assigned: AsyncResult = AsyncResult()
        self._go: AsyncResult = AsyncResult()
        self._bye = Event()
        self._outbox: Outbox | None = None
        runner = environment.runner
        self.worker = runner if isinstance(runner, WorkerRunner) else None
        self.conductor = None if self.worker else Conductor(assignment, environment)
        if assignment.control >= 0 and assignment.pid == os.getpid():
            gevent.spawn(self._listen, assignment.control)
        if self.worker is not None:
            for name in ("assign", "clock", "go", "acknowledge", "stop", "bye"):
                self.worker.register_message(f"tollproof-{name}", self._hear)
            self._fault = ""
            tell(assignment.control, {"say": "found the master; it says when to begin"})
            gevent.spawn(self._mind, self.worker)

    # -- a local run -------------------------------------------------------------------

    def work(self) -> None:
        """Do this process's share; called by its first user only."""
        try:
            self._run()
        finally:
            self.over.set()

    def _run(self) -> None:
        if self.worker is not None:
            self._run_as_worker(self.worker)
        elif self.conductor is not None:
            try:
                share = self._prepare(0, 1, self.assignment.folder)
            except (TollproofError, OSError) as error:
                self.conductor.fail_local(str(error))
                return
            epoch = monotonic_ns() + round(share.lead * SECOND)
            self.conductor.start_local(epoch)
            try:
                report = share.run(epoch, pause=_yield, watch=self._watch)
                self._watch()
                self.conductor.finish_local(report)
            finally:  # what ended it, if it was not its end, must not be waited for
                self.conductor.close()

    def _prepare(
        self, share: int, shares: int, folder: Path, job: LoadJob | None = None
    ) -> Share:
        self.share = Share(
            job or self.assignment.job,
            share=share,
            shares=shares,
            folder=folder,
            poller=real_poller(),
        )
        return self.share

    def _watch(self) -> None:
        """Tell others how it goes, from within the loop's pauses."""
        if self.share is None or self.environment.runner is None:
            return
        fold(self.environment.runner.stats, self.share.fresh())
        progress = self.share.progress()
        if self.worker is not None:
            self._send("progress", dict(progress))
        elif self.conductor is not None:
            self.conductor.tell_local(progress)

    def stop(self) -> None:
        """Send nothing more."""
        if self.conductor is not None:
            self.conductor.stop()
        if self.share is not None:
            self.share.stop()

    def _listen(self, control: int) -> None:
        """Heed whoever started us; when they are gone, there is no reason to go on."""
        there = True
        while there:
            gevent.socket.wait_read(control)
            stop, there = told(control)
            if stop:
                self.stop()
                if self.share is None and self.environment.runner is not None:
                    if self.worker is not None:
                        self._fail("it was stopped before the load began")
                    self.environment.runner.quit()

    def settle(self, **_: Any) -> None:
        """As :meth:`stop`, and wait for the end of it: Locust is about to kill us."""
        self.stop()
        if self.conductor is not None:
            within = self.assignment.job.limits.timeout + SETTLED_WITHIN
            self.conductor.wait(within)
        if self.claimed and self.worker is None:
            self.over.wait(SETTLE)

    # -- a worker's run ----------------------------------------------------------------

    def _run_as_worker(self, worker: WorkerRunner) -> None:
        folder = Path(tempfile.mkdtemp(prefix="tollproof-"))
        try:
            number, shares, job = self._assigned.get()
            try:
                share = self._prepare(number, shares, folder, job)
            except (TollproofError, OSError) as error:
                self._refuse(str(error))
                return
            self._ready(lead=share.lead)
            epoch = self._go.get()
            tell(self.assignment.control, {"lasts": job.seconds})
            self._outbox = Outbox(number, self._post)
            delivering = gevent.spawn(self._deliver, Spool(folder, number))
            report = share.run(epoch, pause=_yield, watch=self._watch)
            self._watch()
            self.over.set()
            delivering.join(DELIVERED_WITHIN)
            self._report(report)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _mind(self, worker: WorkerRunner) -> None:
        """Give up when the master says nothing any more: it answers each heartbeat.

        Beats are counted and not seconds, so that a worker whose own machine stood
        still does not take that for its master's end.
        """
        heard, missed = worker.last_heartbeat_timestamp, 0
        while missed < MISSED:
            gevent.sleep(HEARTBEAT_INTERVAL)
            latest = worker.last_heartbeat_timestamp
            missed = missed + 1 if latest == heard else 0
            heard = latest
        if not self._bye.is_set():
            self._fail(
                f"the master has not been heard of for {MISSED} s: it has ended, or "
                "cannot be reached; nothing more is sent"
            )
        worker.quit()

    def _fail(self, fault: str) -> None:
        """Say what went wrong where whoever started this worker sees it; the first."""
        if not self._fault:
            self._fault = fault
            logging.getLogger(__name__).error(fault)
            self.environment.process_exit_code = 1
            tell(self.assignment.control, {"fault": fault})

    def leave(self, **_: Any) -> None:
        """Say so when a worker ends before the master has all that it saw."""
        if self.worker is not None and not self._bye.is_set():
            if self.share is None:
                self._fail("the master ended before the load began")
            else:
                self._fail("the master ended before it had all observations")

    def _refuse(self, fault: str) -> None:
        self._fail(fault)
        self._ready(fault=f"a worker: {fault}")

    def _ready(self, *, lead: float = 0.0, fault: str = "") -> None:
        self._send("ready", {"clock": clock_name(), "lead": lead, "fault": fault})

    def _deliver(self, spool: Spool) -> None:
        """Send what is new, until all of a finished share was acknowledged."""
        outbox = self._outbox
        if outbox is None:
            return
        while True:
            last = self.over.is_set()
            for part, data in spool.fresh():
                outbox.put(part, data)
            outbox.push(monotonic())
            if last and outbox.empty:
                return
            gevent.sleep(0.05 if last else DELIVER_EVERY)

    def _report(self, report: ShareReport) -> None:
        data = {
            "report": json.dumps(to_json(report)),
            "pieces": self._outbox.pieces if self._outbox else 0,
        }
        until = monotonic() + DELIVERED_WITHIN
        while not self._bye.is_set() and monotonic() < until:
            self._send("report", data)
            self._bye.wait(AGAIN)

    def _post(self, piece: Piece) -> None:
        self._send(
            "piece",
            {
                "share": piece.share,
                "part": piece.part,
                "number": piece.number,
                "data": piece.data,
                "check": piece.check,
            },
        )

    def _send(self, name: str, data: dict[str, Any]) -> None:
        if self.worker is not None:
            self.worker.send_message(f"tollproof-{name}", data)

    def _assign(self, data: dict[str, Any]) -> None:
        """Take a share; how much load it is of is the master's to say."""
        own = self.assignment
        if data["digest"] != own.digest:
            self._refuse(
                "it was given another job than the master: their profiles differ in "
                "target, operation or request"
            )
            return
        try:
            job = own.job
            if data["sustained"] is not None:
                sustained = from_json(Sustained, data["sustained"])
                job = led(job, sustained, seconds=data["seconds"])
        except (TollproofError, ValueError) as error:
            self._refuse(str(error))
            return
        self._assigned.set((data["share"], data["shares"], job))

    def _hear(self, environment: Environment, msg: Any, **_: Any) -> None:
        """Take a message from the conductor."""
        data, name = msg.data, msg.type.removeprefix("tollproof-")
        if name == "assign":
            self._assign(data)
        elif name == "clock":
            self._send("clock", {"asked": data["asked"], "read": monotonic_ns()})
        elif name == "go":
            self._go.set(data["epoch"])
        elif name == "acknowledge" and self._outbox is not None:
            self._outbox.acknowledge(data["number"])
            self._outbox.push(monotonic())
        elif name == "stop":
            self.stop()
        elif name == "bye":
            self._bye.set()


def _yield() -> None:
    gevent.sleep(0)


class Prober(User):
    """The user. The first one in a process does the work; others have none."""

    @task
    def probe(self) -> None:
        """Do the process's share, then wait to be stopped."""
        post: Post | None = getattr(self.environment, "tollproof_post", None)
        if post is not None and not post.claimed:
            post.claimed = True
            if post.worker is None:
                post.work()
            else:  # it outlives its user: what was seen is still to be delivered
                gevent.spawn(post.work)
        Event().wait()


class Shares(LoadTestShape):
    """As many users as processes, until the job is done."""

    def tick(self) -> tuple[int, float] | None:
        """Return (users, users spawned a second), or None at the end."""
        environment = self.runner.environment if self.runner else None
        post: Post | None = getattr(environment, "tollproof_post", None)
        if post is None or post.conductor is None or post.conductor.done:
            return None
        return post.conductor.shares, 100.0
