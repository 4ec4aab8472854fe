"""Starting Locust, watching it, and never letting it outstay its time.

Locust is a child process: importing it would replace this process's sockets. The job
goes to it as a file of mode 0600 without credentials, these through a descriptor of
memory; neither is on a command line, in the environment, or left behind. Knows
processes. Must not know what the load is for.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tollproof.inherited import inherited
from tollproof.load import channel
from tollproof.load.collecting import LoadOutcome, collect
from tollproof.load.job import LoadJob, check
from tollproof.ratelimit.observation import Trace

LOCUSTFILE = Path(__file__).with_name("locustfile.py")

LOG = "locust.log"

#: Seconds for Locust to start and to end, on top of what the job takes.
STARTING, ENDING = 60.0, 15.0
#: Seconds between asking the child to stop and ending it, and then killing it.
POLITE = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        seconds: since the load began, as the processes see it; 0 until it has.
        sent: requests sent.
        statuses: observations by status, "0" for unknown outcomes.
        lost: shares whose process was lost.
        said: a sentence for the reader, when there is one.
    """

    seconds: float
    sent: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    lost: tuple[int, ...] = ()
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where the processes of a run are.

    Attributes:
        processes: on this machine; above 1, Locust forks workers.
        expect: workers on other machines to wait for; above 0, this is the master.
        bind: address and port on which the master listens for them.
        join: a master's address and port: this machine is a worker of that.
        wait: seconds that a worker waits for its master to be there.
        web: address and port of Locust's web pages; they are shown while it runs.
    """

    processes: int = 1
    expect: int = 0
    bind: tuple[str, int] = ("127.0.0.1", 5557)
    join: tuple[str, int] | None = None
    wait: float = 300.0
    web: tuple[str, int] | None = None


def run(
    job: LoadJob,
    *,
    folder: Path,
    progress: Callable[[Progress], object] | None = None,
    stop: Callable[[], bool] | None = None,
    cluster: Cluster | None = None,
) -> LoadOutcome:
    """Run a load job under Locust and return what came of it.

    Args:
        folder: made for this run (mode 0700); observations are appended to files in it
            as they happen, so they can be read meanwhile.
        progress: called a few times a second.
        stop: asked as often; once it says yes, nothing more is sent.
        cluster: on which processes; one on this machine when not given. A worker's
            observations go to its master, so its own outcome has none.

    Raises:
        UsageError: the job cannot be run, or consent does not cover it.
        OSError: the folder cannot be written, or is not empty.
    """
    check(job)
    cluster = cluster or Cluster()
    folder = folder.resolve()  # the child works in it
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "job.json").touch(mode=0o600, exist_ok=False)
    (folder / "job.json").write_text(job.document(), encoding="utf-8")
    ours, theirs = socket.socketpair()
    with ours, theirs, _in_memory(job.secrets()) as secrets, _log(folder) as log:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [sys.executable, "-m", "locust", *_arguments(cluster)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={
                **_environment(folder, secrets, theirs.fileno()),
                channel.WAIT: str(cluster.wait),
            },
            pass_fds=(secrets, theirs.fileno()),
            start_new_session=True,
        )
        theirs.close()
        watch = _Watch(child, ours, progress, stop, settling=job.limits.timeout)
        watch.joins = cluster.join is not None
        try:
            fault = watch.until(_bound(job, cluster))
        finally:
            watch.end()
    code, fault = child.returncode, watch.fault or fault
    if not fault and code and cluster.join is not None and not watch.found:
        host, port = cluster.join
        fault = f"no master at {host}:{port} within {cluster.wait:g} s"
    if not fault and code:
        fault = f"Locust ended with exit code {code}{_last_words(folder)}"
    if cluster.join is not None:
        return LoadOutcome(trace=Trace(), complete=not fault, fault=fault)
    return collect(job, folder, fault=fault)


def _bound(job: LoadJob, cluster: Cluster) -> float:
    """Return how many seconds all may take, until a child knows better."""
    if cluster.join is not None:  # its master waits for others, and says how long
        return cluster.wait + 2 * STARTING + ENDING
    return job.seconds + STARTING + ENDING


class _Watch:
    """Follows the child: passes progress on, stops it in time.

    Attributes:
        fault: what the child itself says is wrong.
        joins: whether it is a worker of a master elsewhere.
        found: whether it has said anything: a worker does once it has its master.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        control: socket.socket,
        progress: Callable[[Progress], object] | None,
        stop: Callable[[], bool] | None,
        *,
        settling: float,
    ) -> None:
        """Follow a child that needs `settling` seconds to hear of its last answer."""
        self._settling = settling + ENDING
        self._child, self._control = child, control
        self._progress, self._stop = progress, stop
        self._began = time.monotonic()
        self._seconds, self._sent = 0.0, 0
        self._statuses: dict[str, int] = {}
        self._line = b""
        self._lost: tuple[int, ...] = ()
        self._told = False
        self._bound = 0.0
        self.fault, self.found, self.joins = "", False, False
        control.setblocking(False)

    def until(self, seconds: float) -> str:
        """Wait for the child's end; return what was wrong with it, if anything."""
        self._bound = self._began + seconds
        while self._child.poll() is None:
            if time.monotonic() > self._bound:
                took = time.monotonic() - self._began
                return f"the load did not end within {took:.0f} seconds"
            readable, _, _ = select.select([self._control], [], [], 0.1)
            if readable and not self._read():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(0.1)
            if not self._told and self._stop is not None and self._stop():
                self._ask_to_stop()
                if (
                    self.joins and not self.found
                ):  # it waits for its master, and hears nobody else
                    self._signal(signal.SIGTERM)
                self._bound = min(self._bound, time.monotonic() + self._settling)
        self._read()
        return ""

    def end(self) -> None:
        """Make sure that the child and its workers are gone: first kindly."""
        if self._child.poll() is None:
            self._ask_to_stop()
            for send in (signal.SIGTERM, signal.SIGKILL):
                try:
                    self._child.wait(POLITE)
                    break
                except subprocess.TimeoutExpired:
                    self._signal(send)
            self._child.wait()
        self._signal(signal.SIGKILL)  # forked workers that outlived it

    def _signal(self, number: signal.Signals) -> None:
        # The child leads a session of its own: nobody else's process is in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    def _ask_to_stop(self) -> None:
        self._told = True
        with contextlib.suppress(OSError):
            self._control.send(channel.STOP)

    def _heed(self, said: Mapping[str, Any]) -> None:
        """Take what only the worker of a master elsewhere has to say."""
        self.found = True
        self.fault = self.fault or str(said.get("fault", ""))
        if "lasts" in said:
            lasts = float(said["lasts"]) + 2 * STARTING + ENDING
            self._bound = time.monotonic() + lasts

    def _read(self) -> bool:
        """Take lines of progress; return whether the other end is open."""
        try:
            data = self._control.recv(65_536)
        except (BlockingIOError, ConnectionResetError):
            return True
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            try:
                said: dict[str, Any] = json.loads(line)
            except ValueError:  # cut off when the pipe was full
                continue
            if self.joins:
                self._heed(said)
            elif not {"lost", "progress"} & said.keys():
                continue  # forked workers say it too; their master is heard already
            if "lost" in said:
                self._lost = (*self._lost, int(said["lost"]))
            if "progress" in said:
                self._seconds = max(self._seconds, float(said["seconds"]))
                self._statuses = dict(said["progress"])
                self._sent = int(self._statuses.pop("sent", 0))
            if self._progress is not None:
                self._progress(
                    Progress(
                        seconds=self._seconds,
                        sent=self._sent,
                        statuses=self._statuses,
                        lost=self._lost,
                        said=str(said.get("say", "")),
                    )
                )
        return bool(data)


def _arguments(cluster: Cluster) -> list[str]:
    arguments = ["-f", str(LOCUSTFILE), "--only-summary", "--loglevel", "INFO"]
    if cluster.join is not None:
        host, port = cluster.join
        arguments += ["--worker", "--headless"]
        arguments += ["--master-host", host, "--master-port", str(port)]
        if cluster.processes > 1:
            arguments += ["--processes", str(cluster.processes)]
        return arguments
    if cluster.web is not None:
        host, port = cluster.web
        arguments += ["--autostart", "--autoquit", "1"]
        arguments += ["--web-host", host, "--web-port", str(port)]
    else:
        arguments.append("--headless")
    if cluster.expect:
        host, port = cluster.bind
        arguments += ["--master", "--expect-workers", str(cluster.expect)]
        arguments += ["--master-bind-host", host, "--master-bind-port", str(port)]
        arguments += ["--expect-workers-max-wait", str(int(STARTING))]
    elif cluster.processes > 1:
        port = _free_port()
        arguments += ["--processes", str(cluster.processes)]
        arguments += ["--master-bind-host", "127.0.0.1"]
        arguments += ["--master-host", "127.0.0.1"]
        arguments += ["--master-bind-port", str(port), "--master-port", str(port)]
        arguments += ["--expect-workers-max-wait", str(int(STARTING))]
    return arguments


def _environment(folder: Path, secrets: int, control: int) -> dict[str, str]:
    return {
        **inherited(),
        # Locust reads ~/.locust.conf, which is not to change what a verdict rests on.
        "HOME": str(folder),
        "PYTHONUNBUFFERED": "1",
        channel.JOB: str(folder / "job.json"),
        channel.FOLDER: str(folder),
        channel.SECRETS: f"fd:{secrets}",
        channel.CONTROL: str(control),
    }


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[int]:
    """A descriptor that holds a text and has no name in any folder."""
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("tollproof"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    with file:
        file.write(text.encode())
        file.flush()
        yield file.fileno()


@contextlib.contextmanager
def _log(folder: Path) -> Iterator[int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    descriptor = os.open(folder / LOG, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _last_words(folder: Path) -> str:
    """Return the last line of Locust's log, which is gone when this is read."""
    with (folder / LOG).open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 2_000))
        lines = file.read().decode("utf-8", "replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f", and said last: {said}" if said else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
