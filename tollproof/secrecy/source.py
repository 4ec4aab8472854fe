"""Source code: what bandit says of it, and what its history holds.

Knows bandit's JSON and git's log, both asked by subprocess. Must not run what it reads.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tollproof.errors import Undetermined
from tollproof.model import Reason
from tollproof.programs import ProgramFailed, output_of
from tollproof.secrecy.finding import Finding, Scan
from tollproof.secrecy.known import Known
from tollproof.secrecy.patterns import find_patterns

PATIENCE = 120.0
_LARGEST = 64 << 20
#: Bytes of a history that are looked at.
HISTORY = 128 << 20
#: Tests of bandit that secrets.source decides better: passwords written out.
_SECRETS = frozenset({"B105", "B106", "B107"})


def bandit(folder: Path) -> Scan:
    """Return what bandit finds of high severity, by its own confidence high or medium.

    Raises:
        Undetermined: it could not be run, or said nothing that can be read.
    """
    argv = [sys.executable, "-m", "bandit", "-q", "-r", str(folder), "-f", "json"]
    argv += ["-lll", "-ii", "--exclude", ".venv,venv,node_modules,.git,.tox"]
    # Comments that switch bandit off are believed: they are the owner's own.
    environ = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        printed, _ = output_of(
            argv,
            folder=folder,
            limit=_LARGEST,
            patience=PATIENCE,
            environ=environ,
            accepted=(0, 1),
        )
        report = json.loads(printed)
        findings = [_of_bandit(item, folder) for item in report["results"]]
        totals = report["metrics"]["_totals"]
        errors = [str(item["filename"]) for item in report["errors"]]
    except ProgramFailed as error:
        raise Undetermined(Reason.PRECONDITION, f"bandit: {error}.") from None
    except (ValueError, KeyError, TypeError):
        raise Undetermined(
            Reason.HARNESS, "bandit's report cannot be read as JSON."
        ) from None
    return Scan(
        findings=tuple(item for item in findings if item is not None),
        looked_at={str(folder): int(totals.get("loc", 0))},
        skipped=tuple(f"{name} cannot be parsed" for name in errors[:20]),
    )


def _of_bandit(item: dict[str, object], folder: Path) -> Finding | None:
    if item["test_id"] in _SECRETS:
        return None
    name = Path(str(item["filename"]))
    shown = name.relative_to(folder) if name.is_relative_to(folder) else name
    kind = f"{item['test_id']} {item['test_name']}"
    return Finding(where=f"{shown}:{item['line_number']}", kind=kind)


# -- history ------------------------------------------------------------------------


def history(folder: Path, known: Known) -> Scan:
    """Return what lines that were ever added to a repository give away.

    Raises:
        Undetermined: the folder is in no repository, or git failed.
    """
    argv = ["git", "-c", "core.pager=cat", "log", "--all", "-p", "--unified=0"]
    argv += ["--no-color", "--no-ext-diff", "--no-textconv", "--format=commit %H", "."]
    try:
        printed, more = output_of(argv, folder=folder, limit=HISTORY, patience=PATIENCE)
    except ProgramFailed as error:
        raise Undetermined(Reason.PRECONDITION, f"{folder.name}: {error}.") from None
    findings: dict[Finding, None] = {}
    for where, added in _additions(printed):
        text = added.decode("utf-8", "replace")
        for item in (*known.find(added, where), *find_patterns(text, where)):
            # A line of a change has no number of its own: the commit says where.
            findings[Finding(where=where, kind=item.kind)] = None
        if len(findings) >= 200:
            break
    skipped = (f"the history is longer than {HISTORY >> 20} MiB",) if more else ()
    return Scan(
        findings=tuple(findings),
        looked_at={f"history of {folder.name}": len(printed)},
        skipped=skipped,
    )


def _additions(log: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what each commit added to each file."""
    commit, path = "", ""
    added: list[bytes] = []
    for line in log.split(b"\n"):
        starts = line.startswith((b"commit ", b"diff --git "))
        if starts and added:
            yield f"{commit}:{path}", b"\n".join(added)
            added = []
        if line.startswith(b"commit "):
            commit = line[7:17].decode("ascii", "replace")
        elif line.startswith(b"+++ "):
            path = line[6:].decode("utf-8", "replace")
        elif line.startswith(b"+"):
            added.append(line[1:])
    if added:
        yield f"{commit}:{path}", b"\n".join(added)
