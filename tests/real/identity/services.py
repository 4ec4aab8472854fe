"""Real verifiers and token endpoints, installed beside the project and started.

Each is installed once into a cache folder of its own, never into the project's
environment: TOLLPROOF_CACHE, or the user's cache. Only `make study` installs; any other
run takes what it finds there and skips the rest. Knows processes. Must not know what is
right about what they answer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import lacking, require

HERE = Path(__file__).parent
#: Seconds that an installation, and the start of a service, may take.
INSTALLING, STARTING = 900, 60


def cache(name: str) -> Path:
    """Return a folder that outlives the run."""
    base = os.environ.get("TOLLPROOF_CACHE") or Path.home() / ".cache" / "tollproof"
    folder = Path(base) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def python_with(*packages: str) -> Path:
    """Return an interpreter that has packages, in an environment of their own."""
    folder = cache(_name("python", packages))
    interpreter, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        _may_install(packages)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(interpreter), "-m", "pip", "install", "-q", *packages])
        done.touch()
    return interpreter


def node_with(*packages: str) -> tuple[Path, Path]:
    """Return node and a folder in which scripts find packages."""
    node, npm = require("node"), require("npm")
    folder = cache(_name("node", packages))
    done = folder / "installed"
    if not done.exists():
        _may_install(packages)
        (folder / "package.json").write_text('{"type": "module", "private": true}')
        _run([str(npm), "install", "--no-audit", "--no-fund", *packages], folder)
        done.touch()
    return node, folder


def _name(kind: str, packages: Sequence[str]) -> str:
    return "-".join([kind, *(re.sub(r"[^\w.]+", "_", name) for name in packages)])


def _may_install(packages: Sequence[str]) -> None:
    """Skip the test unless this is a study, which may load packages."""
    if not os.environ.get("TOLLPROOF_STUDY"):
        pytest.skip(f"{', '.join(packages)}: `make study` installs and judges it")


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=INSTALLING, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        lacking(f"{command[0]} ({error})")
    if done.returncode:
        lacking(f"{' '.join(command[-2:])} ({done.stderr[-300:].decode()})")


@contextmanager
def running(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[list[str]]:
    """Run a service until the block ends; yields the words of its first line."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("http"):
            pytest.fail(f"{command[-1]} did not start: {line!r}")
        yield line.split()
    finally:
        process.terminate()
        process.wait(STARTING)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def node_service(script: str, *packages: str) -> Iterator[list[str]]:
    """Run a script of this folder under node, with packages."""
    node, folder = node_with(*packages)
    shutil.copy(HERE / script, folder / script)
    with running([str(node), script], folder=folder) as words:
        yield words


@contextmanager
def python_service(
    script: str, *arguments: str, packages: Sequence[str], **environment: str
) -> Iterator[list[str]]:
    """Run a script of this folder under Python, with packages."""
    interpreter = python_with(*packages)
    command = [str(interpreter), str(HERE / script), *arguments]
    with running(command, environment=environment) as words:
        yield words
