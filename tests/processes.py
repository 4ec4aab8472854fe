"""tollproof and pytest in processes of their own, as their users run them.

Knows command lines, environments and exit codes. Must not know what is judged.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.deploying import ENVIRON

#: Seconds after which a process that hangs is a failure of the test.
PATIENCE = 120.0

Finished = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with the test credentials and `more`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "TOLLPROOF_", "COV_CORE"))
    }
    return {**kept, **ENVIRON, **more}


def tollproof(
    *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None
) -> Finished:
    """Run the command line to its end."""
    return _run("-m", "tollproof", *arguments, cwd=cwd, environ=environ)


def pytest_run(
    *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None
) -> Finished:
    """Run pytest to its end; with few plugins, since it starts in half the time."""
    plugins = ("--disable-plugin-autoload", "-p", "tollproof.pytest_plugin")
    return _run(
        *("-m", "pytest", *plugins, "-p", "xdist.plugin", *arguments),
        cwd=cwd,
        environ=environ,
    )


def plain_pytest(
    *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None
) -> Finished:
    """Run pytest to its end as people do, with every plugin that is installed."""
    return _run("-m", "pytest", *arguments, cwd=cwd, environ=environ)


def _run(
    *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None
) -> Finished:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=dict(environ) if environ is not None else environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
