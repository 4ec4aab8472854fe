"""The side of a load run that gives out shares and keeps what comes back.

Lives in Locust's master, or in the only process of a local run. Knows Locust's runner
and messages. Must not know sockets to the target, nor what an observation says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from tollproof.load.channel import Assignment, tell
from tollproof.load.delivery import Inbox, Piece
from tollproof.load.offset import Offset
from tollproof.load.outcome import Ledger, ShareReport
from tollproof.load.recorder import clock_name, file_name
from tollproof.model import from_json, to_json

SECOND = 1_000_000_000

#: Seconds for a worker to get ready, and questions about its clock.
READY_WITHIN, QUESTIONS = 30.0, 8
#: Seconds between looks at the clocks of other machines while the load runs.
CLOCK_EVERY = 10.0
LEDGER = "ledger.json"

_UNKNOWN = ("missing", "")


class Part:
    """What the conductor knows of one share."""

    def __init__(self, share: int, client: str, folder: Path) -> None:
        self.share = share
        self.client = client
        self.offset = Offset()
        self.clock = ""
        self.lead = 0.0
        self.ready = False
        self.concluded = False
        self.report: ShareReport | None = None
        self.pieces = -1
        self.lost_at = 0
        self.progress: dict[str, int] = {}
        self._folder = folder
        self.inbox = Inbox(share, self._keep)

    @property
    def over(self) -> bool:
        """Whether all has arrived, or nothing more will."""
        return self.lost_at > 0 or (
            self.concluded and self.inbox.pieces >= self.pieces >= 0
        )

    def _keep(self, part: int, data: bytes) -> None:
        path = self._folder / file_name(self.share, part)
        with path.open("ab") as file:
            file.write(data)


class Conductor:
    """Runs one job, once.

    Attributes:
        done: the job is over, one way or another, and the ledger is written.
    """

    def __init__(self, assignment: Assignment, environment: Environment) -> None:
        self.assignment = assignment
        self.done = False
        self._environment = environment
        self._parts: list[Part] = []
        self._epoch = 0
        self._fault = ""
        self._stopping = False
        runner = environment.runner
        self._master = runner if isinstance(runner, MasterRunner) else None
        if self._master is not None:
            for name in ("ready", "clock", "piece", "progress", "report"):
                self._master.register_message(f"tollproof-{name}", self._hear)

    @property
    def shares(self) -> int:
        """How many processes share the job."""
        if self._master is None or self._parts:
            return max(1, len(self._parts))
        options = self._environment.parsed_options
        return max(1, int(options.expect_workers) if options else 1)

    def begin(self) -> None:
        """Give out the shares; called when Locust starts the test."""
        if self._master is None or self._parts:
            return
        folder = self.assignment.folder
        self._parts = [
            Part(number, client.id, folder)
            for number, client in enumerate(self._master.clients.ready)
        ]
        job = self.assignment.job
        common = {
            "shares": len(self._parts),
            "digest": self.assignment.digest,
            "sustained": to_json(job.sustained),
            "seconds": job.budget.seconds,
        }
        for part in self._parts:
            self._send("assign", {"share": part.share, **common}, part)
        gevent.spawn(self._lead)

    def wait(self, seconds: float) -> None:
        """Wait for the end of a distributed run, if one goes on."""
        until = time.monotonic() + seconds
        while self._parts and not self.done and time.monotonic() < until:
            gevent.sleep(0.05)

    def start_local(self, epoch: int) -> None:
        """Take note of the only process's zero."""
        self._epoch = epoch

    def tell_local(self, progress: Mapping[str, int]) -> None:
        """Say how far the only process is."""
        seconds = (monotonic_ns() - self._epoch) / SECOND
        tell(self.assignment.control, {"progress": progress, "seconds": seconds})

    def finish_local(self, report: ShareReport) -> None:
        """Take the report of the only process."""
        self._finish((report,), {})

    def fail_local(self, fault: str) -> None:
        """Take note that the only process could not begin."""
        self._fault = fault
        self._finish((), {})

    def close(self) -> None:
        """Write the ledger when the run is cut short; harmless when it is done."""
        if self.done:
            return
        now = monotonic_ns()
        if self._master is None:
            self._fault = self._fault or ("" if self._epoch else "never started")
            self._finish((), {"0": now} if self._epoch else {}, complete=False)
        else:
            self._fault = self._fault or ("" if self._parts else "never started")
            for part in self._parts:
                if not part.over:
                    part.lost_at = now
            self._settle(complete=False)

    # -- the course of a distributed run -----------------------------------------------

    def _lead(self) -> None:
        if not self._all_ready():
            self._settle(complete=True)
            return
        gevent.joinall([gevent.spawn(self._ask_clock, part) for part in self._parts])
        lead = max(part.lead for part in self._parts) + 0.3
        self._epoch = monotonic_ns() + round(lead * SECOND)
        for part in self._parts:
            self._send("go", {"epoch": self._epoch - _middle(part)}, part)
        asked = time.monotonic()
        while not all(part.over for part in self._parts):
            gevent.sleep(0.1)
            self._look_for_lost()
            if time.monotonic() - asked > CLOCK_EVERY:
                asked = time.monotonic()
                for part in self._parts:
                    gevent.spawn(self._ask_clock, part)
            seconds = (monotonic_ns() - self._epoch) / SECOND
            progress = {"progress": self._progress(), "seconds": seconds}
            tell(self.assignment.control, progress)
        self._settle(complete=True)

    def _all_ready(self) -> bool:
        by = time.monotonic() + READY_WITHIN
        while not all(part.ready for part in self._parts):
            gevent.sleep(0.02)
            self._look_for_lost()
            if not self._fault and time.monotonic() > by:
                self._fault = "a worker did not get ready in time"
            if not self._fault and any(part.lost_at for part in self._parts):
                self._fault = "a worker was lost before the start"
            if not self._fault and self._stopping:
                self._fault = "stopped before the start"
            if self._fault:
                for part in self._parts:
                    part.lost_at = part.lost_at or monotonic_ns()
                return False
        return not self._fault

    def _ask_clock(self, part: Part) -> None:
        """Learn how a worker's clock stands to ours; the same clock needs no asking."""
        if part.clock == clock_name():
            part.offset = Offset([(0, 0)])
            return
        part.offset.close_spell()
        for _ in range(QUESTIONS):
            self._send("clock", {"asked": monotonic_ns()}, part)
            gevent.sleep(0.02)
        gevent.sleep(0.2)

    def _conclude(self, part: Part) -> None:
        """Look at a worker's clock once more before letting it go."""
        self._ask_clock(part)
        part.concluded = True
        self._send("bye", {}, part)

    def _look_for_lost(self) -> None:
        if self._master is None:
            return
        for part in self._parts:
            client = self._master.clients.get(part.client)
            gone = client is None or client.state in _UNKNOWN
            if gone and not part.over and not part.lost_at:
                part.lost_at = monotonic_ns()
                tell(self.assignment.control, {"lost": part.share})

    def _hear(self, environment: Environment, msg: Any, **_: Any) -> None:
        """Take a message from a worker."""
        part = next((one for one in self._parts if one.client == msg.node_id), None)
        if part is None:
            return
        data, name = msg.data, msg.type.removeprefix("tollproof-")
        if name == "ready":
            part.clock, part.lead = str(data["clock"]), float(data["lead"])
            part.ready = True
            self._fault = self._fault or str(data["fault"])
        elif name == "clock":
            now = monotonic_ns()
            part.offset.learn(asked=data["asked"], read=data["read"], heard=now)
        elif name == "progress":
            part.progress = dict(data)
        elif name == "piece":
            if part.inbox.take(Piece(**data)):
                self._send("acknowledge", {"number": data["number"]}, part)
        elif name == "report" and part.report is None:
            part.report = from_json(ShareReport, json.loads(data["report"]))
            part.pieces = int(data["pieces"])
            gevent.spawn(self._conclude, part)
        elif name == "report" and part.over:
            self._send("bye", {}, part)  # the first one did not arrive

    def _send(self, name: str, data: dict[str, Any], part: Part) -> None:
        if self._master is not None:
            self._master.send_message(f"tollproof-{name}", data, part.client)

    def _progress(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for part in self._parts:
            for name, number in part.progress.items():
                total[name] = total.get(name, 0) + number
        return total

    def _settle(self, *, complete: bool) -> None:
        reports = []
        for part in self._parts:
            try:
                bounds = part.offset.bounds
            except ValueError:  # never asked: it was gone before the start
                continue
            report = part.report or ShareReport(
                share=part.share, clock=part.clock, fault="the process was lost"
            )
            reports.append(replace(report, offset=bounds))
        lost = {str(part.share): part.lost_at for part in self._parts if part.lost_at}
        self._finish(tuple(reports), lost, complete=complete)

    def _finish(
        self,
        reports: tuple[ShareReport, ...],
        lost: dict[str, int],
        *,
        complete: bool = True,
    ) -> None:
        ledger = Ledger(
            epoch=0 if self._fault else self._epoch,
            clock=clock_name(),
            shares=self.shares,
            reports=reports,
            lost=lost,
            fault=self._fault,
            complete=complete,
        )
        path = self.assignment.folder / LEDGER
        path.write_text(json.dumps(to_json(ledger), indent=1), encoding="utf-8")
        self.done = True

    # -- stopping ----------------------------------------------------------------------

    def stop(self) -> None:
        """Have everybody send nothing more."""
        self._stopping = True
        for part in self._parts:
            self._send("stop", {}, part)


def _middle(part: Part) -> int:
    try:
        low, high = part.offset.bounds
    except ValueError:
        return 0
    return (low + high) // 2
