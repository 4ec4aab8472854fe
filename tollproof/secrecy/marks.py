"""What logs were before a run, to tell after it what became of them.

Knows files by what the system calls them, however they are named by then. Must not
read any of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tollproof.deployment import Deployment
from tollproof.secrecy.places import rotated


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A log as it was.

    Attributes:
        file: device and number of the file.
        size: in bytes.
        at: when, in Unix seconds; a file system tells times no better than to a second.
    """

    file: tuple[int, int]
    size: int
    at: float


def marks(paths: Iterable[Path]) -> Mapping[Path, Mark]:
    """Return what logs are now; those that are not there are left out."""
    found = {}
    for path in paths:
        if (status := _status(path)) is not None:
            file = status.st_dev, status.st_ino
            found[path] = Mark(file=file, size=status.st_size, at=time.time() - 1)
    return found


def remembered(deployment: Deployment) -> Mapping[Path, Mark]:
    """Return what the logs of the profile were when this was first asked."""
    places, folder = deployment.profile.places, deployment.profile.folder
    names = [place.file for place in (places.logs if places else ()) if place.file]
    return deployment.once(
        "logs before the run", lambda: marks(folder / name for name in names)
    )


def gone(path: Path, before: Mark) -> str:
    """Say what of a log can no longer be read, or return an empty text.

    A log that was renamed, or packed, lies beside its name; one that was cut short
    without a copy has lost what was in it.
    """
    beside = [status for item in rotated(path) if (status := _status(item))]
    same = [item for item in beside if (item.st_dev, item.st_ino) == before.file]
    if same and same[0].st_size >= before.size:
        return ""
    # A copy, or what it was packed into, was written since.
    others = [item for item in beside[1:] if item not in same]
    if any(item.st_mtime >= before.at for item in others):
        return ""
    how = "cut short" if same else "replaced"
    return f"{path.name} was {how} during the run, and what it held before is gone"


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
