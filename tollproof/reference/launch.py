"""Reference deployments, started and ended.

Knows folders, sockets, processes and threads. Must not know what a deployment answers.
Everything that is started here is ended here, by its own process id and no other.
"""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType

from tollproof.errors import UsageError
from tollproof.reference.algorithms import ALGORITHMS, LONGER, USUAL
from tollproof.reference.algorithms import sustained as more
from tollproof.reference.faults import BY_NAME
from tollproof.reference.faults import select as select_faults
from tollproof.reference.issuer import Issuer
from tollproof.reference.issuer import serving as serving_issuer
from tollproof.reference.server import bind
from tollproof.reference.sparkient.build import Settings
from tollproof.reference.sparkient.miscounts import SCOPES
from tollproof.reference.sparkient.profile import Place, profile_text
from tollproof.reference.sparkient.seed import seed, write_secret
from tollproof.reference.threads import PATIENCE, LaunchError, in_a_thread
from tollproof.reference.worker import work

Process = subprocess.Popen[bytes]

SPARK = "coherent-spark"
NAMES = ("sparkient", SPARK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A reference deployment that is running.

    Attributes:
        http_url: the plain-HTTP twin of a TLS deployment; empty without TLS.
        folder: its run folder: database, logs, secrets; gone when it ends.
        environment: a variable with the API key of each identity.
        processes: its workers; none when it runs in this process.
        profile_text: a profile with every promise it keeps.
    """

    name: str
    base_url: str
    http_url: str
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    processes: tuple[Process, ...] = field(repr=False)
    profile_text: str = field(repr=False)

    @property
    def pid(self) -> int | None:
        """The id of its first process; None when it runs in this one."""
        return self.processes[0].pid if self.processes else None

    def write_profile(self, path: Path) -> Path:
        """Write the profile to a file and return where it is."""
        path.write_text(self.profile_text, encoding="utf-8")
        return path


@contextlib.contextmanager
def serving(
    name: str = "sparkient",
    *,
    faults: Collection[str] = (),
    limit: int = 600,
    window: float = 60.0,
    workers: int = 1,
    replicas: int = 0,
    redis: str | None = None,
    algorithm: str = USUAL,
    per: str = "key",
    failures: int = 0,
    sustained: bool = False,
    tls: bool = False,
    port: int = 0,
    host: str = "127.0.0.1",
    in_process: bool = False,
) -> Iterator[Deployment]:
    """Run a reference deployment for the length of a `with` block.

    Args:
        faults: names of faults; see :mod:`tollproof.reference.faults`.
        limit, window: default allowance: requests, seconds.
        workers: processes that share the port and the counters.
        redis: URL of a Redis server to count in; SQLite otherwise.
        replicas: further addresses with the same keys, each a process of its own.
        algorithm: how requests are counted; the profile promises it.
        per: what has an allowance of its own; the profile promises that too.
        failures: wrong credentials that an address may show in a window, which the
            profile promises as well; 0 for any number.
        sustained: whether a second limit holds over several windows; the profile
            promises it.
        port: 0 for any that is free.
        in_process: in a thread of this process, which starts in milliseconds; always
            one worker.

    Raises:
        UsageError: an unknown deployment or fault, or settings that make no sense.
        LaunchError: it did not start; says what it said.
    """
    if name == SPARK:
        plain_only = workers == 1 and not replicas and algorithm == USUAL
        plain_only = plain_only and per == "key" and not (failures or sustained)
        if not plain_only or redis or tls:
            raise UsageError(f"{SPARK} takes faults, a limit, a window and an address")
        with _spark(faults, limit, window, port, host) as spark:
            yield spark
        return
    chosen = _checked(name, faults, tls=tls, limit=limit, window=window)
    if algorithm not in ALGORITHMS:
        raise UsageError(
            f"there is no algorithm {algorithm!r}: choose {', '.join(ALGORITHMS)}"
        )
    if per not in SCOPES:
        raise UsageError(f"nothing is counted per {per!r}: choose {', '.join(SCOPES)}")
    ways = {"algorithm": algorithm, "per": per, "failures": str(failures)}
    ways["sustained"] = "yes" if sustained else "no"
    _fit(chosen, workers=workers, replicas=replicas, ways=ways)
    if replicas and tls:
        raise UsageError("replicas are served over plain HTTP only: leave tls out")
    if workers < 1 or (in_process and workers > 1):
        raise UsageError("workers must be 1 or more, and 1 inside this process")
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            sockets = bind(host, port, workers)
            others = [bind(host, 0, 1)[0] for _ in range(replicas)]
            plain = bind(host, 0, workers) if tls else []
        except OSError as error:
            reason = error.strerror or str(error)
            raise LaunchError(f"{host}:{port} cannot be bound: {reason}") from None
        for one in {*sockets, *plain, *others}:
            stack.callback(one.close)
        base_url = _url("https" if tls else "http", host, sockets[0])
        if tls:
            from tollproof.reference.certificates import make_certificates

            hosts = dict.fromkeys((host, "localhost", "127.0.0.1", "::1"))
            make_certificates(folder, tuple(hosts))
        issuer = Issuer()
        issuer_url = stack.enter_context(serving_issuer(issuer))
        settings = Settings(
            folder=str(folder),
            origin=base_url,
            limit=limit,
            window=window,
            faults=tuple(sorted(chosen)),
            redis=redis,
            algorithm=algorithm,
            per=per,
            failures=failures,
            sustained=sustained,
            issuer=issuer.name,
            audience=issuer.project,
            certificates=f"{issuer_url}/certificates",
        )
        write_secret(folder / "issuer.pem", issuer.key.pem().decode("ascii"))
        (folder / "worker.log").touch()
        place = Place(
            folder=folder,
            base_url=base_url,
            http_url=_url("http", host, plain[0]) if tls else "",
            limit=limit,
            window=window,
            issuer_url=issuer_url,
            algorithm=algorithm,
            per=per,
            failures=failures,
            sustained=sustained,
            replicas=tuple(_url("http", host, one) for one in others),
        )
        seeded = seed(folder, chosen, window)
        own = [[one, *plain[number : number + 1]] for number, one in enumerate(sockets)]
        if in_process:
            stack.enter_context(in_a_thread(partial(work, settings, own[0])))
            processes: tuple[Process, ...] = ()
        else:
            processes = stack.enter_context(_processes(settings, own))
        for one in others:
            stale = replace(settings, faults=_of_replica(chosen))
            if in_process:
                stack.enter_context(in_a_thread(partial(work, stale, [one])))
            else:
                more = stack.enter_context(_processes(stale, [[one]]))
                processes = (*processes, *more)
        yield Deployment(
            name=name,
            base_url=base_url,
            http_url=place.http_url,
            folder=folder,
            environment={
                f"{name}_key_{who}".upper(): path.read_text()
                for who, path in seeded.key_files.items()
            },
            processes=processes,
            profile_text=profile_text(place, seeded),
        )


@contextlib.contextmanager
def _spark(
    faults: Collection[str], limit: int, window: float, port: int, host: str
) -> Iterator[Deployment]:
    """Run the other deployment, which needs neither processes nor a database."""
    from tollproof.reference.coherent_spark import launch as spark

    with spark.serving(
        faults=faults, limit=limit, window=window, port=port, host=host
    ) as platform:
        yield Deployment(
            name=SPARK,
            base_url=platform.base_url,
            http_url="",
            folder=platform.folder,
            environment={
                f"coherent_spark_{who}".upper(): secret
                for who, secret in platform.made.items()
            },
            processes=(),
            profile_text=platform.profile_text,
        )


def _checked(
    name: str, faults: Collection[str], *, tls: bool, limit: int, window: float
) -> frozenset[str]:
    if name not in NAMES:
        raise UsageError(
            f"there is no reference deployment {name!r}: choose {', '.join(NAMES)}"
        )
    if limit < 1 or not window > 0:
        raise UsageError("the limit must be 1 or more, the window more than 0 seconds")
    chosen = select_faults(faults)
    for fault in sorted(chosen):
        if "tls" in BY_NAME[fault].needs and not tls:
            raise UsageError(f"the fault {fault} shows over TLS only: add tls")
    return chosen


def _of_replica(faults: frozenset[str]) -> tuple[str, ...]:
    """Return the faults of a replica: one of it alone is what others have as well."""
    own = {
        "rotation-replica-late": "rotation-revocation-cached",
        "rotation-replica-slow": "rotation-slow-activation",
        "oauth-replica-late": "oauth-revoked-token-works",
    }
    return tuple(sorted(own.get(fault, fault) for fault in faults))


def _fit(
    faults: frozenset[str], *, workers: int, replicas: int, ways: Mapping[str, str]
) -> None:
    """Refuse faults that would not show.

    Raises:
        UsageError: says what to add.
    """
    for fault in sorted(faults):
        needs = BY_NAME[fault].needs
        if "replicas" in needs and not replicas:
            raise UsageError(f"the fault {fault} shows with a replica or more")
        if "workers" in needs and workers < 2:
            raise UsageError(f"the fault {fault} shows with 2 workers or more")
        for wanted in needs:
            name, mark, value = wanted.partition("=")
            if mark and ways[name] != value:
                raise UsageError(
                    f"the fault {fault} shows with another limiter: {wanted}"
                )


def _url(scheme: str, host: str, bound: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{bound.getsockname()[1]}"


# -- in processes of their own ---------------------------------------------------------


@contextlib.contextmanager
def _processes(
    settings: Settings, sockets: Sequence[Sequence[socket.socket]]
) -> Iterator[tuple[Process, ...]]:
    folder = Path(settings.folder)
    written = folder / "settings.json"
    written.write_text(json.dumps(asdict(settings)))
    errors = folder / "worker.log"
    processes: list[Process] = []
    try:
        for own in sockets:
            numbers = [one.fileno() for one in own]
            with errors.open("ab") as sink:
                processes.append(
                    subprocess.Popen(  # noqa: S603 - this interpreter, our module
                        [
                            sys.executable,
                            "-m",
                            "tollproof.reference.worker",
                            str(written),
                            *map(str, numbers),
                        ],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=sink,
                        pass_fds=numbers,
                    )
                )
        for process in processes:
            if not _is_ready(process):
                said = errors.read_text(errors="replace")[-2000:]
                raise LaunchError(f"a worker did not start: {said}")
        for own in sockets:
            for one in own:
                one.close()
        yield tuple(processes)
    finally:
        for process in processes:
            _close(process)
        for process in processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _close(process: Process) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _is_ready(process: Process) -> bool:
    """Wait for a worker to say that it listens; false when it ended or is too slow."""
    if process.stdout is None:
        return False
    until = time.monotonic() + PATIENCE
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select([process.stdout], [], [], left)
        if readable:
            return process.stdout.readline() == b"ready\n"
    return False


# -- for people ------------------------------------------------------------------------


def serve(
    name: str = "sparkient",
    *,
    faults: Collection[str] = (),
    limit: int = 600,
    window: float = 60.0,
    workers: int = 1,
    replicas: int = 0,
    redis: str | None = None,
    algorithm: str = USUAL,
    per: str = "key",
    failures: int = 0,
    sustained: bool = False,
    tls: bool = False,
    port: int = 0,
    host: str = "127.0.0.1",
    profile: Path | None = None,
    say: Callable[[str], None],
) -> None:
    """Run a reference deployment until SIGINT or SIGTERM, and say where it is.

    Args:
        profile: where to write its profile; a file in its run folder by default.
        say: is given one line at a time; `click.echo` will do.

    Raises:
        UsageError, LaunchError: as :func:`serving` does.
        LaunchError: a worker ended by itself.
    """
    leaving = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        leaving.set()

    former = {
        number: signal.signal(number, leave)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with serving(
            name,
            faults=faults,
            limit=limit,
            window=window,
            workers=workers,
            replicas=replicas,
            redis=redis,
            algorithm=algorithm,
            per=per,
            failures=failures,
            sustained=sustained,
            tls=tls,
            port=port,
            host=host,
        ) as deployment:
            written = deployment.write_profile(
                profile or deployment.folder / "profile.toml"
            )
            allowance = f"{limit} requests in {window:g} s for each {per}"
            if sustained:
                allowance += f", {more(limit)} in {LONGER * window:g} s"
            for line in _banner(deployment, faults, allowance, workers, written):
                say(line)
            if host not in ("127.0.0.1", "::1", "localhost"):
                say("It is NOT on loopback: anybody who reaches it may attack it.")
            while not leaving.wait(1.0):
                for process in deployment.processes:
                    if process.poll() is not None:
                        raise LaunchError(f"worker {process.pid} ended by itself")
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _banner(
    deployment: Deployment,
    faults: Collection[str],
    allowance: str,
    workers: int,
    written: Path,
) -> Iterator[str]:
    title = "Coherent Spark" if deployment.name == SPARK else "Sparkient"
    yield f"The {title} reference deployment: a target to learn and to test on."
    yield f"  URL      {deployment.base_url}"
    if deployment.http_url:
        yield f"  plain    {deployment.http_url} (refuses everything)"
        yield f"  CA       {deployment.folder / 'ca.pem'}"
    yield f"  limit    {allowance}"
    yield f"  workers  {workers}"
    for fault in sorted(faults):
        yield f"  fault    {fault}{_title(fault)}"
    own = (
        deployment.folder if deployment.name == SPARK else deployment.folder / "secrets"
    )
    yield f"  keys     {own}"
    yield f"  profile  {written}"
    yield f"Try: tollproof gate {written}"
    yield "Ctrl-C ends it and removes its folder."


def _title(fault: str) -> str:
    """Return what is wrong, after a colon; nothing for a fault without a sentence."""
    if fault in BY_NAME:
        return f": {BY_NAME[fault].title}"
    from tollproof.reference.coherent_spark.launch import FAULTS

    return next((f": {title}" for name, _, title in FAULTS if name == fault), "")
