"""Starts deployments on stacks that are not ours, and lets the gate judge them.

Knows how each stack is installed and started, and ended by its own process id. Must
not know what any of them promises: that stands in their profiles.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import require
from tollproof.model import Outcome, Run
from tollproof.record import read_run

HERE = Path(__file__).parent
PATIENCE = 60.0

#: The callers every profile here names, and the credential of each.
KEYS = {
    "MAIN": "key_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3",
    "REVOKED": "key_Hv2Bt9Yr4Dk7Lp1Sx6Fn3Gw8",
    "TINY": "key_Ws5Jf8Gp3Ne6Qa1Cu4Xz7Mk9",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of a gate.

    Attributes:
        code: its exit code.
    """

    code: int
    run: Run

    def with_outcome(self, outcome: Outcome) -> dict[str, set[str]]:
        """Return the checks with an outcome, each with its subjects."""
        found: dict[str, set[str]] = {}
        for result in self.run.results:
            if result.verdict.outcome is outcome:
                found.setdefault(result.check, set()).add(result.subject)
        return found

    @property
    def failed(self) -> dict[str, set[str]]:
        """The checks that failed, each with its subjects."""
        return self.with_outcome(Outcome.FAILED)

    @property
    def inconclusive(self) -> dict[str, set[str]]:
        """The checks that were inconclusive, each with its subjects."""
        return self.with_outcome(Outcome.INCONCLUSIVE)

    def reasons(self) -> str:
        """Return what was not passed, in words, for a failing test to show."""
        return "\n".join(
            f"{item.check} on {item.subject}: {item.verdict.outcome}: "
            f"{item.verdict.summary} {item.verdict.actual}"
            for item in self.run.results
            if item.verdict.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)
        )


def accounts(**each: Mapping[str, Any]) -> str:
    """Return what a deployment is told of its keys, by the caller's name."""
    return json.dumps({KEYS[name]: dict(facts) for name, facts in each.items()})


@contextmanager
def express(faults: Sequence[str] = (), **environ: str) -> Iterator[str]:
    """Run the Express deployment; gives its base URL."""
    node, npm = require("node"), require("npm")
    install(HERE / "express", npm)
    keys = accounts(MAIN={}, REVOKED={"revoked": True}, TINY={"limit": 5})
    environment = {"KEYS": keys, "FAULTS": ",".join(faults), **environ}
    with running(
        [str(node), "app.js"], HERE / "express", environment, stdout=subprocess.PIPE
    ) as process:
        yield f"http://127.0.0.1:{first_line(process)}"


@contextmanager
def flask(faults: Sequence[str] = (), *options: str) -> Iterator[str]:
    """Run the Flask deployment under gunicorn; gives its base URL."""
    pytest.importorskip("gunicorn")
    keys = accounts(MAIN={}, REVOKED={"revoked": True}, TINY={"limit": "5/minute"})
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "app:app"]
        command += ["--worker-class=gthread", "--threads=8", *options]
        command += [f"--bind=fd://{listener.fileno()}", "--log-level=critical"]
        environment = {"KEYS": keys, "FAULTS": ",".join(faults)}
        with running(
            command, HERE / "flask", environment, pass_fds=(listener.fileno(),)
        ):
            yield f"http://127.0.0.1:{port}"


def _tenants() -> str:
    return accounts(
        MAIN={"organisation": "acme"},
        REVOKED={"organisation": "acme", "revoked": True},
        TINY={"organisation": "globex"},
    )


#: Serves a socket that it inherits. With `uvicorn --fd` the socket is of no protocol
#: that asyncio knows, so Nagle's algorithm keeps every answer waiting.
UVICORN = """
import socket, sys, uvicorn
config = uvicorn.Config("app:app", log_level="critical", server_header=False)
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


@contextmanager
def fastapi(public_key: str, faults: Sequence[str] = ()) -> Iterator[str]:
    """Run the FastAPI deployment under uvicorn; gives its base URL.

    Args:
        public_key: of the issuer of its tokens, in PEM.
    """
    pytest.importorskip("jwt")
    environment = {
        "KEYS": _tenants(),
        "FAULTS": ",".join(faults),
        "PUBLIC_KEY": public_key,
    }
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        number = listener.fileno()
        command = [sys.executable, "-c", UVICORN, str(number)]
        with running(command, HERE / "fastapi", environment, pass_fds=(number,)):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def aiohttp(faults: Sequence[str] = ()) -> Iterator[str]:
    """Run the aiohttp deployment; gives its base URL."""
    environment = {"KEYS": _tenants(), "FAULTS": ",".join(faults)}
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        number = listener.fileno()
        command = [sys.executable, "app.py", str(number)]
        with running(command, HERE / "aiohttp", environment, pass_fds=(number,)):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def gate(
    profile: Path, prefix: str, base_url: str, output: Path, **more: str
) -> Judged:
    """Let the gate judge a deployment by a profile.

    Args:
        prefix: of the variables in which the profile looks for its keys.
        more: further secrets, by the name after the prefix.
    """
    keys = {f"{prefix}_{name}": key for name, key in {**KEYS, **more}.items()}
    command = ("gate", str(profile), f"--base-url={base_url}")
    return judge(command, keys, output)


def judge(command: Sequence[str], keys: Mapping[str, str], output: Path) -> Judged:
    """Run a command of tollproof as a user would, and read what it has found.

    Args:
        keys: the credentials, by environment variable.
    """
    program = (sys.executable, "-c", "from tollproof.cli import main; main()")
    done = subprocess.run(
        [*program, *command, f"--output={output}"],
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (output / "results.json").is_file(), done.stdout + done.stderr
    return Judged(code=done.returncode, run=read_run(output))


def install(folder: Path, npm: Path) -> None:
    """Install what a lock file names, once, whoever else is about to."""
    lock = folder / "package-lock.json"
    installed = folder / "node_modules" / ".package-lock.json"
    with (folder / "package.json").open() as gate_keeper:
        fcntl.flock(gate_keeper, fcntl.LOCK_EX)
        if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
            return
        subprocess.run(
            [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=300,
        )


@contextmanager
def running(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of a `with` block, quietly."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "NODE_ENV": "production", **environ},
        stdin=subprocess.DEVNULL,
        **{
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            **more,
        },
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def first_line(process: subprocess.Popen[bytes]) -> str:
    """Return what a server says once it is ready."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline().decode().strip() if ready else ""
    assert line, "the deployment did not start"
    return line
