"""The Locust user: hosts the loop in a greenlet, and does what the conductor says.

One user drives all connections of its process, so a run has as many users as there
are processes; the load comes from the job, not from the number of users. Knows Locust
and gevent. Must not know when requests are due, nor what answers say.
"""

from __future__ import annotations

import json
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
from locust.runners import WorkerRunner

from tollproof.errors import TollproofError
from tollproof.load.channel import Assignment, told
from tollproof.load.conductor import Conductor
from tollproof.load.delivery import AGAIN, Outbox, Piece, Spool
from tollproof.load.engine import Poller, PollPoller
from tollproof.load.folding import fold
from tollproof.load.outcome import ShareReport
from tollproof.load.recorder import clock_name
from tollproof.load.share import Share
from tollproof.model import to_json

SECOND = 1_000_000_000

#: Seconds between deliveries of observations, and for the last of them to arrive.
DELIVER_EVERY, DELIVERED_WITHIN = 0.5, 60.0
#: Seconds a test that Locust stops waits for answers that are under way.
SETTLE = 3.0


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

    # -- a local run -------------------------------------------------------------------

    def run(self) -> None:
        """Do this process's share; called by its first user only."""
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

    def _prepare(self, share: int, shares: int, folder: Path) -> Share:
        self.share = Share(
            self.assignment.job,
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
                    self.environment.runner.quit()

    def settle(self, **_: Any) -> None:
        """As :meth:`stop`, and wait for the end of it: Locust is about to kill us."""
        self.stop()
        if self.claimed:
            self.over.wait(SETTLE)

    # -- a worker's run ----------------------------------------------------------------

    def _run_as_worker(self, worker: WorkerRunner) -> None:
        folder = Path(tempfile.mkdtemp(prefix="tollproof-"))
        try:
            number, shares = self._assigned.get()
            try:
                share = self._prepare(number, shares, folder)
            except (TollproofError, OSError) as error:
                self._ready(fault=str(error))
                return
            self._ready(lead=share.lead)
            epoch = self._go.get()
            self._outbox = Outbox(number, self._post)
            delivering = gevent.spawn(self._deliver, Spool(folder, number))
            report = share.run(epoch, pause=_yield, watch=self._watch)
            self._watch()
            self.over.set()
            delivering.join(DELIVERED_WITHIN)
            self._report(report)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

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

    def _hear(self, environment: Environment, msg: Any, **_: Any) -> None:
        """Take a message from the conductor."""
        data, name = msg.data, msg.type.removeprefix("tollproof-")
        if name == "assign":
            if data["digest"] == self.assignment.digest:
                self._assigned.set((data["share"], data["shares"]))
            else:
                self._ready(fault="a worker was given another job than the master")
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
            try:
                post.run()
            finally:
                post.over.set()
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
