"""How good an instrument is the load side? Ratios, each within one run.

    python -m bench.load [--rounds 3] [--seconds 2]

The server is pinned to one core and the client to the other. nginx (1 worker) returns
a small JSON with three X-RateLimit headers; bursts go to a small server that stamps
CLOCK_MONOTONIC when it reads. Needs nginx, wrk and taskset. Each row says whether it
meets its bar: `name  value  bar  ok|short|noisy`. A loop that only
reads the clock runs on both cores before and after each round: the median of the quiet
rounds counts, and where none was quiet, a figure beyond its bar is `noisy`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Row
from tollproof.load.allowance import Budget
from tollproof.load.arrivals import plateau
from tollproof.load.job import LoadJob, RequestSpec, Sustained
from tollproof.load.runner import run
from tollproof.ratelimit.observation import Trace, read_trace
from tollproof.ratelimit.schedule import Phase, Schedule, Shot

ROOT, MODULE = Path(__file__).resolve().parent.parent, "bench.load"
CONNECTIONS = 50
CREDENTIAL = "Bearer sk_live_0123456789abcdef0123456789abcdef"

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
  fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port}; location / {{
    default_type application/json;
    add_header X-RateLimit-Limit 600; add_header X-RateLimit-Remaining 599;
    add_header X-RateLimit-Reset 1795312312;
    return 200 '{{"status":"ok","items":[1,2,3,4,5]}}'; }} }}
}}
"""

#: Locust files of the two closed-loop clients; each writes requests and CPU seconds.
CLOSED = """
import json, os, time
import gevent
from locust import User, FastHttpUser, constant, task, events
from gevent.monkey import get_original
SECONDS, PORT = float(os.environ["BENCH_SECONDS"]), int(os.environ["BENCH_PORT"])
WARM = 0.7

def tell(requests, cpu, wall):
    with open(os.environ["BENCH_OUT"], "w") as file:
        json.dump({"requests": requests, "cpu": cpu, "wall": wall}, file)
"""

FAST = (
    CLOSED
    + """
DONE = [0]

@events.test_start.add_listener
def begin(environment, **_):
    def measure():
        gevent.sleep(WARM + 0.5)
        start, cpu, wall = DONE[0], time.process_time(), time.monotonic()
        gevent.sleep(SECONDS)
        tell(DONE[0] - start, time.process_time() - cpu, time.monotonic() - wall)
        environment.runner.quit()
    gevent.spawn(measure)

class Fast(FastHttpUser):
    host = f"http://127.0.0.1:{PORT}"
    wait_time = constant(0)
    @task
    def get(self):
        self.client.get("/v1/x", headers={"Authorization": os.environ["BENCH_KEY"]})
        DONE[0] += 1
"""
)

OURS = (
    CLOSED
    + """
from pathlib import Path
from time import monotonic_ns
import tempfile
from tollproof.load.allowance import Allowance, Budget
from tollproof.load.answer import Reader, Stream
from tollproof.load.connection import resolve
from tollproof.load.engine import NEVER, Engine, Limits
from tollproof.load.job import LoadJob, RequestSpec, Sustained, Template
from tollproof.load.recorder import Recorder, wanted_headers
from tollproof.load.sentinel import Sentinel
from tollproof.load.share import _calm, _pausing
from tollproof.load.user import real_poller

JOB = LoadJob(
    url=f"http://127.0.0.1:{PORT}",
    budget=Budget(hosts=(("127.0.0.1", PORT),), requests=10**8, per_second=10**6,
                  seconds=600),
    sustained=Sustained(stages=(), keys=("alpha",)),
    credentials={"alpha": (("Authorization", os.environ["BENCH_KEY"]),)},
    requests=(RequestSpec(path="/v1/x"),),
)

class Closed:
    '''As many requests as the connections carry; everything is recorded.'''
    def __init__(self, engine, recorder, folder):
        self.engine, self.recorder, self.finished = engine, recorder, False
        self.template = Template(JOB, "alpha", JOB.requests[0])
        self.number = 0
        self.key = recorder.label("alpha")
        self.due = monotonic_ns() + int(WARM * 1e9)
        self.mark = None
        for _ in range(int(os.environ["BENCH_CONNECTIONS"])):
            engine.open(None)
    def act(self, now):
        if self.mark is None:
            self.mark = (self.number, time.process_time(), time.monotonic())
            self.due = now + int(SECONDS * 1e9)
            return
        number, cpu, wall = self.mark
        tell(self.number - number, time.process_time() - cpu, time.monotonic() - wall)
        self.finished = True
    def opened(self, connection):
        self.number += 1
        data = self.template.build(0, self.number)
        connection.load = self.engine.send(connection, data, head=False)
    def answered(self, connection, answer, head, at):
        sent = connection.load
        self.recorder.observe(
            key=self.key, phase=0, variant=0, shot=0, due=sent, sent=sent,
            received=head, status=answer.status, values=answer.values,
            connection=connection.id)
        self.opened(connection)
    def failed(self, *_): raise SystemExit("failed")
    def lost(self, *_): raise SystemExit("lost")
    def unopened(self, *_): raise SystemExit("unopened")
    def halt(self): self.finished = True

class Tuned(User):
    @task
    def go(self):
        reader = Reader(wanted_headers(JOB))
        if os.environ["BENCH_PARSER"] == "httptools":
            reader.whole = lambda data: None
        with tempfile.TemporaryDirectory() as folder:
            recorder = Recorder(JOB, Path(folder), share=0)
            engine = Engine(
                address=resolve("127.0.0.1", PORT), context=None, reader=reader,
                limits=Limits(), sentinel=Sentinel(threshold=2_000_000),
                allowance=Allowance(requests=10**8, per_second=10**6, end=NEVER),
                poller=real_poller(),
                pause=_pausing(recorder, lambda: gevent.sleep(0), None))
            with _calm():
                engine.run(Closed(engine, recorder, folder))
            engine.shut()
            recorder.close()
        self.environment.runner.quit()
"""
)


def main() -> int:
    """Measure, print one row a figure, and return 1 when a bar is missed."""
    if len(sys.argv) == 3 and sys.argv[1] == "--stamp":
        stamp(int(sys.argv[2]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    short = False
    for row in measure(options.rounds, options.seconds):
        print(row.line(), flush=True)
        short |= row.is_short
    return int(short)


#: A round is quiet when the loop beside it loses no more than this share of a core, and
#: never more than this many milliseconds at once.
STOLEN, PAUSED = 0.01, 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round gave, and whether the machine was quiet around it."""

    value: float
    quiet: bool


def measure(rounds: int = 3, seconds: float = 2.0) -> Iterator[Row]:
    """Yield each figure as a part of its bar: up to 1 will do.

    Raises:
        RuntimeError: a program that it takes is not installed.
    """
    for tool in ("nginx", "wrk", "taskset"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is not installed")
    cores = sorted(os.sched_getaffinity(0))
    server, client = cores[0], cores[-1]
    rows: list[Row] = []

    def put(name: str, samples: Sequence[Sample], sign: str, bar: float) -> None:
        quiet = [one.value for one in samples if one.quiet]
        values = quiet or [one.value for one in samples]
        value = statistics.median(values)
        ratio = bar / value if sign == ">=" else value / bar
        note = f"{value:.3g}, wanted {sign} {bar:g}; {len(quiet)} of {len(samples)}"
        note += " rounds were quiet"
        rows.append(Row(name=name, ratio=ratio, bar=1.0, note=note, noisy=not quiet))

    with nginx(server) as port:
        throughput(port, client, rounds, seconds, put)
        yield from rows
        rows.clear()
        widths(port, client, rounds, put)
    bursts(server, client, rounds, put)
    yield from rows


def noise(core: int, seconds: float = 0.3) -> tuple[float, float]:
    """Return what others take from a loop spinning on a core: its share, the longest.

    The longest pause is in milliseconds.
    """
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        begin = last = time.monotonic_ns()
        lost = longest = 0
        while last - begin < seconds * 1e9:
            now = time.monotonic_ns()
            if now - last > 100_000:
                lost += now - last
                longest = max(longest, now - last)
            last = now
        return lost / (last - begin), longest / 1e6
    finally:
        os.sched_setaffinity(0, mine)


def is_quiet() -> bool:
    """Whether nobody else is seen to use the cores that are measured on."""
    cores = sorted(os.sched_getaffinity(0))
    seen = [noise(core) for core in {cores[0], cores[-1]}]
    return all(share <= STOLEN and pause <= PAUSED for share, pause in seen)


Put = Callable[[str, Sequence[Sample], str, float], None]


def throughput(port: int, core: int, rounds: int, seconds: float, put: Put) -> None:
    """Requests per second and per CPU-second, all clients in every round."""
    per_cpu: list[Sample] = []
    slow_cpu: list[Sample] = []
    per_wrk: list[Sample] = []
    slow_wrk: list[Sample] = []
    before = is_quiet()
    for _ in range(rounds):
        ours = locust(OURS, port, core, seconds, parser="lines")
        slow = locust(OURS, port, core, seconds, parser="httptools")
        fast = locust(FAST, port, core, seconds)
        wrk = measure_wrk(port, core, seconds)
        base = fast["requests"] / fast["cpu"]
        before, quiet = (after := is_quiet()), before and after
        per_cpu.append(Sample(ours["requests"] / ours["cpu"] / base, quiet))
        slow_cpu.append(Sample(slow["requests"] / slow["cpu"] / base, quiet))
        per_wrk.append(Sample(ours["requests"] / ours["wall"] / wrk, quiet))
        slow_wrk.append(Sample(slow["requests"] / slow["wall"] / wrk, quiet))
        print(
            f"# req/s: ours {ours['requests'] / ours['wall']:,.0f}, with httptools "
            f"{slow['requests'] / slow['wall']:,.0f}, FastHttpUser "
            f"{fast['requests'] / fast['wall']:,.0f}, wrk {wrk:,.0f}"
        )
    put("per CPU, FastHttpUser", per_cpu, ">=", 4)
    put("... with httptools", slow_cpu, ">=", 4)
    put("per second, wrk", per_wrk, ">=", 0.15)
    put("... with httptools", slow_wrk, ">=", 0.15)


def widths(port: int, core: int, rounds: int, put: Put) -> None:
    """The width of [sent, received] at 1,000 requests a second, and the lateness."""
    middle: list[Sample] = []
    tail: list[Sample] = []
    late: list[float] = []
    before = is_quiet()
    for _ in range(rounds):
        stages = plateau(1000, 3.0)
        plan = Sustained(stages=stages, keys=("alpha",), connections=CONNECTIONS)
        trace = measured(port, core, sustained=plan)
        wide = sorted(
            (end - start) / 1e6
            for start, end in zip(trace.sent, trace.received, strict=True)
        )
        lateness = sorted(one / 1e6 for one in trace.lateness)
        before, quiet = (after := is_quiet()), before and after
        middle.append(Sample(wide[len(wide) // 2], quiet))
        tail.append(Sample(wide[len(wide) * 99 // 100], quiet))
        late.append(lateness[len(lateness) * 99 // 100])
    put("width p50, ms", middle, "<=", 0.5)
    put("width p99, ms", tail, "<=", 3)
    print(f"# lateness at 1,000/s, p99: {statistics.median(late):.2f} ms")


def bursts(server: int, client: int, rounds: int, put: Put) -> None:
    """How far apart a burst arrives at a server that stamps what it reads."""
    for count, bar in ((50, 1.0), (200, 5.0)):
        spreads: list[Sample] = []
        before = is_quiet()
        for _ in range(rounds):
            shots = tuple(
                Shot(
                    number=number,
                    key="alpha",
                    phase="burst",
                    at=number * 0.7,
                    count=count,
                    fresh=True,
                )
                for number in range(6)
            )
            schedule = Schedule(
                limit=1,
                window=1.0,
                keys=("alpha",),
                phases=(Phase(name="burst", key="alpha", purpose=""),),
                shots=shots,
                seconds=shots[-1].ends,
            )
            with stamping(server) as (port, log):
                measured(port, client, schedule=schedule)
            before, quiet = (after := is_quiet()), before and after
            times = sorted(log())
            for number in range(len(shots)):
                group = times[number * count : (number + 1) * count]
                if len(group) == count:
                    spread = (group[-1] - group[0]) / 1e6
                    spreads.append(Sample(spread, quiet))
        put(f"burst of {count}, ms", spreads, "<=", bar)


def measured(port: int, core: int, **plan: Schedule | Sustained) -> Trace:
    """Run a job through the product's own runner, pinned to a core."""
    job = LoadJob(
        url=f"http://127.0.0.1:{port}",
        budget=Budget(
            hosts=(("127.0.0.1", port),), requests=100_000, per_second=0, seconds=60
        ),
        credentials={"alpha": (("Authorization", CREDENTIAL),)},
        requests=(RequestSpec(path="/v1/x"),),
        **plan,  # type: ignore[arg-type]
    )
    mine = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {core})  # the child inherits it
        try:
            outcome = run(job, folder=Path(folder) / "run")
        finally:
            os.sched_setaffinity(0, mine)
        if not outcome.complete:
            sys.exit(f"the run did not complete: {outcome.fault}")
        return read_trace(outcome.files[0])


def locust(
    text: str, port: int, core: int, seconds: float, *, parser: str = ""
) -> dict[str, float]:
    """Run a Locust file with its users on one core; return what it told."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_locust.py").write_text(text)
        users = CONNECTIONS if "FastHttpUser)" in text else 1
        subprocess.run(
            [
                *("taskset", "-c", str(core), sys.executable, "-m", "locust"),
                *("-f", str(folder / "bench_locust.py"), "--headless"),
                *("--only-summary", "-u", str(users), "-r", "100", "-t", "60"),
            ],
            check=False,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "BENCH_SECONDS": str(seconds),
                "BENCH_PORT": str(port),
                "BENCH_OUT": str(folder / "out.json"),
                "BENCH_PARSER": parser,
                "BENCH_KEY": CREDENTIAL,
                "BENCH_CONNECTIONS": str(CONNECTIONS),
            },
        )
        told: dict[str, float] = json.loads((folder / "out.json").read_text())
        return told


def measure_wrk(port: int, core: int, seconds: float) -> float:
    """Return wrk's requests per second with as many connections."""
    whole = max(1, round(seconds))
    out = subprocess.run(
        [
            *("taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}"),
            *(f"-d{whole}", "-H", f"Authorization: {CREDENTIAL}"),
            f"http://127.0.0.1:{port}/v1/x",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    line = next(line for line in out.splitlines() if line.startswith("Requests/sec"))
    return float(line.split()[1])


@contextlib.contextmanager
def nginx(core: int) -> Iterator[int]:
    """Run nginx on a free port, pinned to a core."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=port))
        process = subprocess.Popen(
            ["taskset", "-c", str(core), "nginx", "-p", folder, "-c", str(config)],
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.socket() as knock:
                    knock.connect(("127.0.0.1", port))
                    break
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def stamping(core: int) -> Iterator[tuple[int, Callable[[], list[int]]]]:
    """A server that stamps each read; its log is there after the block."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, "-m", MODULE, "--stamp", "0"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    log: list[int] = []
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), lambda: log
        out, _ = process.communicate(timeout=30)
        log.extend(json.loads(out))
    finally:
        process.kill()
        process.wait()


def stamp(port: int) -> None:
    """Serve until standard input ends; stamp the read that completes each head."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    poll.register(0, select.EPOLLIN | select.EPOLLHUP)
    open_ones: dict[int, socket.socket] = {}
    stamps, clock = array("q"), time.monotonic_ns
    while True:
        replies = []  # after the reads: a reply takes as long as the gap to be seen
        for fd, _ in poll.poll():
            if fd == 0:
                print(json.dumps(list(stamps)))
                return
            if fd == listener.fileno():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        one, _ = listener.accept()
                        one.setblocking(False)
                        open_ones[one.fileno()] = one
                        poll.register(one.fileno(), select.EPOLLIN)
                continue
            connection = open_ones[fd]
            try:
                data = connection.recv(65_536)
            except OSError:
                data = b""
            now = clock()
            if not data:
                poll.unregister(fd)
                open_ones.pop(fd).close()
            elif data.endswith(b"\n\r\n") or data == b"\n":
                stamps.append(now)
                replies.append(connection)
        for connection in replies:
            connection.send(reply)


if __name__ == "__main__":
    sys.exit(main())
