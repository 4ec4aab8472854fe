"""The record of a run on disk: written as things happen, readable at any moment.

Knows the layout of a run's folder and its format version::

    DIR/plan.json            what the run set out to decide, written first
    DIR/results.jsonl        one result a line, as they are reached
    DIR/journal/NAME.jsonl   one exchange a line, as they happen; one file a process
    DIR/results.json         the finished run: what every report is made from

Must not know how anything in it was found out. A run that was killed leaves all but
the last, and :func:`read_run` makes the run of what there is.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tollproof.errors import ArtefactRefused, RecordError
from tollproof.model import (
    About,
    Exchange,
    Result,
    Run,
    Traffic,
    Waiver,
    from_json,
    to_json,
)
from tollproof.plan import Plan, reconcile
from tollproof.redaction import Redactor

#: The version of everything written here; raised when a reader must change.
FORMAT = 1

PLAN, RESULTS, JOURNAL, RUN = "plan.json", "results.jsonl", "journal", "results.json"

T = TypeVar("T")

_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Lines:
    """An append-only file of JSON lines, safe to share between threads.

    Each value is one `write` of one whole line, so a kill leaves at most the last line
    incomplete, and readers ignore that one.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, _APPENDING, 0o600)
        self._lock = threading.Lock()
        #: Lines that this process has written to the file.
        self.written = 0

    def divert(self, path: Path) -> None:
        """In a forked process: append to another file from now on."""
        other = os.open(path, _APPENDING, 0o600)
        os.dup2(other, self._descriptor, inheritable=False)
        os.close(other)
        self.written = 0

    def append(self, value: object) -> None:
        """Write one value as one line."""
        text = json.dumps(to_json(value), ensure_ascii=True, separators=(",", ":"))
        with self._lock:
            os.write(self._descriptor, text.encode() + b"\n")
            self.written += 1

    def close(self) -> None:
        """Close the file; appending after that is an error."""
        os.close(self._descriptor)


def read_lines(path: Path, kind: type[T], *, skip: int = 0) -> Iterator[T]:
    """Yield the values of a file of lines; an unfinished last line is passed over.

    Args:
        skip: lines at the beginning that are not wanted.

    Raises:
        RecordError: a line in the middle is not what it should be.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number <= skip:
                continue
            if not line.endswith(b"\n"):
                return
            try:
                yield from_json(kind, json.loads(line))
            except ValueError as error:
                raise RecordError(f"{path}:{number}: {error}") from error


def journals(folder: Path) -> list[str]:
    """Return the names of the processes that have had exchanges, in order."""
    return sorted(path.stem for path in (folder / JOURNAL).glob("*.jsonl"))


def read_journal_of(folder: Path, name: str, *, skip: int = 0) -> Iterator[Exchange]:
    """Yield the exchanges of one process of a run, in order of recording.

    Args:
        skip: how many at the beginning are not wanted.
    """
    return read_lines(folder / JOURNAL / f"{name}.jsonl", Exchange, skip=skip)


def read_journal(folder: Path) -> Iterator[Exchange]:
    """Yield every exchange of a run, process by process, in order of recording."""
    for name in journals(folder):
        yield from read_journal_of(folder, name)


def write_leftovers(folder: Path, worker: str, left: Iterable[str]) -> None:
    """Note what a worker has created and could not remove, for the run's notes."""
    path = folder / JOURNAL / f"{worker}.leftovers"
    path.write_text("".join(f"{sentence}\n" for sentence in left), encoding="utf-8")


def read_leftovers(folder: Path) -> tuple[str, ...]:
    """Return what the workers of a run could not remove."""
    paths = sorted((folder / JOURNAL).glob("*.leftovers"))
    return tuple(
        line for path in paths for line in path.read_text("utf-8").splitlines() if line
    )


# -- the plan and the run ------------------------------------------------------------


def write_plan(
    folder: Path,
    about: About,
    plan: Plan,
    redactor: Redactor,
    waivers: tuple[Waiver, ...] = (),
) -> None:
    """Write what the run sets out to decide; the first process to come writes it.

    Args:
        waivers: of the profile; a run that is killed has not applied them yet.
    """
    document = {
        "format": FORMAT,
        "about": to_json(about),
        "checks": to_json(plan.checks),
        "planned": to_json(plan.planned),
        "left_out": to_json(plan.left_out),
        "waivers": to_json(waivers),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_artefact(folder / PLAN, _dump(document), redactor)


def read_plan(folder: Path) -> Plan:
    """Read the plan of a run.

    Raises:
        RecordError: there is none, or it cannot be read.
    """
    skeleton = _load(folder / PLAN)
    return Plan(
        checks=skeleton.checks, planned=skeleton.planned, left_out=skeleton.left_out
    )


def write_artefact(path: Path, text: str, redactor: Redactor) -> None:
    """Write a file of the run, unless a credential of the run is in it.

    The file appears whole or not at all, and only its owner can read it.

    Raises:
        ArtefactRefused: a credential is in it, in whatever encoding.
    """
    leak = redactor.holds(text)
    if leak is not None:
        raise ArtefactRefused(
            f"{path.name} was not written: it would have held the credential "
            f"{leak.credential!r} ({leak.encoding})"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def is_draft(name: str, files: Iterable[str]) -> bool:
    """Whether a file is what a killed :func:`write_artefact` left of one of these."""
    whole, _, number = name.removeprefix(".").rpartition(".")
    return name.startswith(".") and number.isdecimal() and whole in set(files)


def read_run(source: Path) -> Run:
    """Read a run from its folder or its `results.json`, finished or not.

    Raises:
        RecordError: there is none, or it cannot be read.
    """
    folder = source if source.is_dir() else source.parent
    path = folder / RUN if source.is_dir() else source
    if path.is_file():
        return _load(path)
    if (folder / PLAN).is_file():
        return _unfinished(folder)
    raise RecordError(
        f"{source}: no record of a run here; give the folder that was --output"
    )


def _unfinished(folder: Path) -> Run:
    """Make the run of a folder whose process did not live to finish it."""
    skeleton = _load(folder / PLAN)
    about = replace(skeleton.about, interrupted=True)
    results = folder / RESULTS
    reached = tuple(read_lines(results, Result)) if results.is_file() else ()
    run = finish(folder, about, read_plan(folder), reached)
    return replace(run, waivers=skeleton.waivers)


def finish(folder: Path, about: About, plan: Plan, results: Iterable[Result]) -> Run:
    """Put a run together: every planned case once, with the evidence it refers to."""
    reconciled = reconcile(plan, results)
    wanted = {id for result in reconciled for id in result.verdict.exchanges}
    evidence: list[Exchange] = []
    traffic = Counter[str]()
    received = 0
    for exchange in read_journal(folder):
        if exchange.id in wanted:
            evidence.append(exchange)
        traffic["requests"] += 1
        if exchange.response is not None:
            traffic[f"{exchange.status}"] += 1
            received += exchange.response.body_bytes
    requests = traffic.pop("requests", 0)
    return Run(
        about=about,
        checks=plan.checks,
        planned=plan.planned,
        left_out=plan.left_out,
        results=reconciled,
        exchanges=tuple(evidence),
        traffic=Traffic(
            requests=requests,
            responses=sum(traffic.values()),
            bytes_received=received,
            by_status=dict(sorted(traffic.items())),
        ),
    )


def _load(path: Path) -> Run:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise RecordError(
            f"{path}: format {found!r}; this version reads format {FORMAT}"
        )
    try:
        return from_json(Run, data)
    except ValueError as error:
        raise RecordError(f"{path}: is no record of a run: {error}") from error


def _dump(document: object) -> str:
    return json.dumps(document, ensure_ascii=True) + "\n"
