"""How a load process gets its job and its credentials, and talks to who started it.

Documented names of the environment:

- `TOLLPROOF_LOAD_JOB`: path of the job (JSON, as `LoadJob.document` writes it).
- `TOLLPROOF_LOAD_SECRETS`: path of the credentials, a file of mode 0600 that this
  module only reads; or `fd:N`, an inherited descriptor, which is read and closed.
- `TOLLPROOF_LOAD_FOLDER`: where observations go; beside the job when not given.
- `TOLLPROOF_LOAD_CONTROL`: a descriptor for progress and for stopping; optional.
- `TOLLPROOF_LOAD_WAIT`: seconds that a worker waits for its master; 300 otherwise.

Knows descriptors and files. Must not know Locust.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from tollproof.errors import UsageError
from tollproof.load.job import LoadJob, check, essence, read_job

JOB, SECRETS = "TOLLPROOF_LOAD_JOB", "TOLLPROOF_LOAD_SECRETS"
FOLDER, CONTROL = "TOLLPROOF_LOAD_FOLDER", "TOLLPROOF_LOAD_CONTROL"
WAIT = "TOLLPROOF_LOAD_WAIT"

STOP = b"stop\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a load process was given.

    Attributes:
        digest: of what machines that share the job must agree upon.
        control: descriptor, or -1.
        pid: the process that was given it; its forks are not to read from `control`.
    """

    job: LoadJob
    digest: str
    folder: Path
    control: int = -1
    pid: int = field(default_factory=os.getpid)


def receive(environ: MutableMapping[str, str]) -> Assignment:
    """Read what the environment points at, and take it out of the environment.

    Raises:
        UsageError: something is missing, unreadable, or readable by others.
    """
    place = environ.pop(JOB, "")
    if not place:
        raise UsageError(f"{JOB} does not name a load job")
    try:
        document = Path(place).read_text(encoding="utf-8")
        job = read_job(document, _secrets(environ.pop(SECRETS, "")))
    except (OSError, ValueError) as error:
        raise UsageError(f"the load job cannot be read: {error}") from None
    check(job)
    folder = Path(environ.pop(FOLDER, "") or Path(place).parent)
    control = int(environ.pop(CONTROL, "-1"))
    if control >= 0:
        os.set_blocking(control, False)
    return Assignment(job=job, digest=essence(job), folder=folder, control=control)


def _secrets(place: str) -> str:
    if not place:
        raise UsageError(f"{SECRETS} names neither a file nor a descriptor")
    if place.startswith("fd:"):
        with os.fdopen(int(place[3:]), "r", encoding="utf-8") as file:
            file.seek(0)
            return file.read()
    path = Path(place)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError("the file with the credentials is open to others: chmod 600")
    return path.read_text(encoding="utf-8")


def tell(control: int, progress: Mapping[str, object]) -> None:
    """Send a line of progress; one that cannot be taken at once is dropped."""
    if control < 0:
        return
    try:
        os.write(control, json.dumps(progress).encode() + b"\n")
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        return


def told(control: int) -> tuple[bool, bool]:
    """Read what whoever started us says: (stop, whether they are still there)."""
    try:
        data = os.read(control, 1024)
    except BlockingIOError:
        return False, True
    except OSError:
        data = b""
    return not data or STOP in data, bool(data)
