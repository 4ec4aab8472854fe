"""Starts real rate limiters, each under the promise that its settings make.

Knows how each is started, ended by its own process id, and what its documentation says.
Must not know how promises are judged: the product's own audit does that.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.limiters.configured import HAPROXY, NGINX, envoy_config
from tests.real.stacks import first_line, install, running
from tests.support import lacking, require

HERE = Path(__file__).parent
LIMIT, WINDOW = 60, 6
#: The callers of every profile here: a control, and four whose allowance is spent.
KEYS = {
    "CONTROL": "key_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3",
    "FIRST": "key_Hv2Bt9Yr4Dk7Lp1Sx6Fn3Gw8",
    "SECOND": "key_Ws5Jf8Gp3Ne6Qa1Cu4Xz7Mk9",
    "THIRD": "key_Pd3Mv7Ks1Tz8Fy5Bw2Nh6Rq4",
    "FOURTH": "key_Ju9Ex4Ga2Vc7Dm5Lk8Ps1Wn6",
}
STARTING = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """A limiter with its settings, and what is true about it.

    Attributes:
        promise: lines of `[promises.rate_limit]`, beside limit and window.
        said: the promise in words.
        start: runs it in a folder; gives its base URL.
        broken: the checks that must fail, and no others.
        either: of these one must fail too: each names the fault.
        arguable: these may fail: what is wrong shows only when it is known closely.
    """

    name: str
    promise: str
    said: str
    start: Callable[[Path], Any]
    broken: frozenset[str] = frozenset()
    either: frozenset[str] = frozenset()
    arguable: frozenset[str] = frozenset()

    def misjudged(self, failed: Set[str]) -> set[str]:
        """Return the checks whose verdict is not what is known."""
        wrong = set((failed - self.either - self.arguable) ^ self.broken)
        if self.either and not failed & self.either:
            wrong |= self.either
        return wrong


@contextmanager
def flask(folder: Path, *, strategy: str, redis: bool, workers: int) -> Iterator[str]:
    """Flask-Limiter under gunicorn."""
    with ExitStack() as stack:
        storage = stack.enter_context(_redis(folder)) if redis else "memory://"
        base_url, _ = stack.enter_context(
            gunicorn(strategy=strategy, storage=storage, workers=workers)
        )
        yield base_url


@contextmanager
def gunicorn(
    *, strategy: str, storage: str, workers: int
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Flask-Limiter's base URL, and the process whose workers it runs in."""
    pytest.importorskip("gunicorn")
    with ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=256)
        )
        command = [sys.executable, "-m", "gunicorn", "flask_app:app"]
        command += ["--worker-class=gthread", "--threads=64", f"--workers={workers}"]
        command += ["--keep-alive=75", "--worker-connections=1000"]
        command += [f"--bind=fd://{listener.fileno()}", "--log-level=critical"]
        environ = {
            "LIMIT": f"{LIMIT} per {WINDOW} seconds",
            "STRATEGY": strategy,
            "STORAGE": storage,
        }
        process = stack.enter_context(
            _running(command, environ, pass_fds=(listener.fileno(),)),
        )
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", process


@contextmanager
def slowapi(folder: Path) -> Iterator[str]:
    """Slowapi under uvicorn."""
    del folder
    if importlib.util.find_spec("slowapi") is None:
        lacking("slowapi")
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        command = [sys.executable, "-m", "uvicorn", "slowapi_app:app"]
        command += [f"--fd={listener.fileno()}", "--log-level=critical"]
        environ = {"LIMIT": f"{LIMIT}/{WINDOW} seconds"}
        with _running(command, environ, pass_fds=(listener.fileno(),)):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def node(folder: Path, *, limiter: str) -> Iterator[str]:
    """A limiter of Node."""
    del folder
    program = require("node")
    install(HERE, require("npm"))
    environ = {"LIMITER": limiter, "LIMIT": str(LIMIT), "WINDOW": str(WINDOW)}
    command = [str(program), "app.mjs"]
    with _running(command, environ, stdout=subprocess.PIPE) as process:
        yield f"http://127.0.0.1:{first_line(process)}"


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """The limit_req of nginx: a leaky bucket, counted in milliseconds."""
    program, port = _program("nginx"), _free_port()
    keys = " ".join(f'"{key}" "{key}";' for key in KEYS.values())
    text = NGINX.format(
        folder=folder, port=port, keys=keys, rate=60 * LIMIT // WINDOW, burst=LIMIT - 1
    )
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [str(program), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with _running(command, {}) as process:
        yield _until_it_answers(process, port)


@contextmanager
def haproxy(folder: Path) -> Iterator[str]:
    """A stick table of HAProxy that counts what is asked, refused requests included."""
    program, port = _program("haproxy"), _free_port()
    text = HAPROXY.format(
        port=port, keys=" ".join(KEYS.values()), window=WINDOW, limit=LIMIT
    )
    (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
    command = [str(program), "-db", "-f", str(folder / "haproxy.cfg")]
    with _running(command, {}) as process:
        yield _until_it_answers(process, port)


@contextmanager
def envoy(folder: Path) -> Iterator[str]:
    """Envoy's local_ratelimit with a bucket for each key."""
    program = shutil.which("envoy", path=str(Path(sys.executable).parent))
    if program is None:
        lacking("envoy")
    port = _free_port()
    text = envoy_config(port, list(KEYS.values()), LIMIT, WINDOW)
    (folder / "envoy.json").write_text(text, encoding="utf-8")
    command = [program, "-c", str(folder / "envoy.json"), "--concurrency", "1"]
    command += ["--use-dynamic-base-id", "--log-level", "error"]
    with _running(command, {}) as process:
        yield _until_it_answers(process, port)


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    program, port = _program("redis-server"), _free_port()
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--dir", str(folder)]
    with _running(command, {}) as process:
        _until_it_listens(process, port)
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def _running(
    command: Sequence[str], environ: Mapping[str, str], **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server here, with the keys and without leaving bytecode about."""
    ours = {"PYTHONDONTWRITEBYTECODE": "1", "KEYS": ",".join(KEYS.values())}
    with running(command, HERE, {**ours, **environ}, **more) as process:
        yield process


def _program(name: str) -> Path:
    """Return a server's program, which Debian keeps out of an ordinary path."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Path(found) if found else lacking(name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _until_it_answers(process: subprocess.Popen[bytes], port: int) -> str:
    _until_it_listens(process, port)
    return f"http://127.0.0.1:{port}"


def _until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the limiter did not start")


@contextmanager
def started(limiter: Limiter) -> Iterator[str]:
    """Run a limiter in a folder of its own; gives its base URL."""
    with (
        tempfile.TemporaryDirectory(prefix="limiter-") as folder,
        limiter.start(Path(folder)) as base_url,
    ):
        yield base_url
