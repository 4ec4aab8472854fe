"""What a load whose harness was killed has left, read without any account of its own.

Knows the files of a run. Must not judge: that the end is missing is all that is sure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tollproof.load.arrivals import duration, expected
from tollproof.load.collecting import read_ledger, shifts_of
from tollproof.load.job import read_job
from tollproof.load.summary import Summary, summarise
from tollproof.load.throughout import Throughout, watch
from tollproof.model import from_json, to_json
from tollproof.ratelimit.observation import read_pieces
from tollproof.ratelimit.promise import RateLimitPromise

#: In the journal of a run, where observations lie while they are not judged.
FOLDER = "load"
PROMISE = "promise.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What is on record of a load that nobody finished.

    Attributes:
        seconds: for how long it was to last.
        promised, throughout: the rate limit and what was seen of it; None without one.
    """

    summary: Summary
    seconds: float
    promised: RateLimitPromise | None = None
    throughout: Throughout | None = None


def remember(folder: Path, promised: RateLimitPromise | None) -> None:
    """Begin a load's folder with what a reader of its remains must know.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True)
    text = json.dumps(to_json(promised))
    (folder / PROMISE).write_text(text, encoding="utf-8")


def read_remains(folder: Path) -> Remains | None:
    """Return what a load left in its folder; None when it left no observation.

    Raises:
        OSError: a file cannot be read.
        ValueError: one is not what a load writes.
    """
    files = tuple(sorted(folder.glob("observations-*-*.trace")))
    begun = _first_due(files)
    if begun is None:
        return None
    job = read_job((folder / "job.json").read_text(encoding="utf-8"))
    stages = job.sustained.stages if job.sustained else ()
    ledger = read_ledger(folder)
    epoch = (ledger.epoch if ledger else 0) or begun
    shifts = shifts_of(files, ledger)
    said = json.loads((folder / PROMISE).read_text(encoding="utf-8"))
    promised = None if said is None else from_json(RateLimitPromise, said)
    throughout = None
    if promised is not None:
        throughout = watch(
            files, promised, epoch=epoch, refusals=job.refusals, shifts=shifts
        )
    return Remains(
        summary=summarise(files, planned=expected(stages), epoch=epoch, shifts=shifts),
        seconds=duration(stages),
        promised=promised,
        throughout=throughout,
    )


def _first_due(files: Iterable[Path]) -> int | None:
    """When the first request on record was due, monotonic ns."""
    first: int | None = None
    for path in files:
        for piece in read_pieces(path):
            dues = zip(piece.sent, piece.lateness, strict=True)
            least = min(sent - late for sent, late in dues)
            first = least if first is None else min(first, least)
    return first
