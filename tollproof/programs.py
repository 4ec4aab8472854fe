"""Programs that a profile names: run without a shell, bounded in time and output.

A profile with commands deserves the trust of a script; what they print does not. Must
not know what is printed: it may be a secret, and is never put into a message.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tollproof.errors import TollproofError

#: Seconds that a program may take.
PATIENCE = 30.0


class ProgramFailed(TollproofError):
    """A program that did not do what it was run for; the text says how it ended."""


def output_of(
    argv: Sequence[str],
    *,
    folder: Path,
    limit: int,
    patience: float = PATIENCE,
    environ: Mapping[str, str] | None = None,
    accepted: Sequence[int] = (0,),
) -> tuple[bytes, bool]:
    """Run a program and return what it printed, and whether there was more than that.

    Args:
        folder: where it runs.
        limit: bytes that are read; a program that prints more is ended.
        accepted: exit codes of a success.

    Raises:
        ProgramFailed: it cannot be started, failed, or took too long.
    """
    name = Path(argv[0]).name
    try:
        process = subprocess.Popen(  # noqa: S603  (a list, from the user's profile)
            list(argv),
            cwd=folder,
            env=None if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may hold what must not be shown
            start_new_session=True,  # so that its children can be ended with it
        )
    except (OSError, ValueError):
        raise ProgramFailed(f"the program {name} cannot be started") from None
    with process:
        try:
            printed, more = _read(process, limit, time.monotonic() + patience)
        except TimeoutError:
            raise ProgramFailed(
                f"the program {name} did not end within {patience:g} seconds"
            ) from None
        finally:
            _end(process)
    if not more and process.returncode not in accepted:
        raise ProgramFailed(f"the program {name} ended with code {process.returncode}")
    return printed, more


def _read(
    process: subprocess.Popen[bytes], limit: int, deadline: float
) -> tuple[bytes, bool]:
    printed = bytearray()
    if (stdout := process.stdout) is None:
        return b"", False
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while len(printed) <= limit:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            chunk = os.read(stdout.fileno(), min(limit + 1 - len(printed), 1 << 16))
            if not chunk:
                break
            printed += chunk
        else:
            return bytes(printed[:limit]), True
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return bytes(printed), False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
