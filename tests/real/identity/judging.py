"""Judging a real service by the suites, in a process as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tollproof.record import read_run


@dataclass(frozen=True)
class Judged:
    """What a run concluded.

    Attributes:
        outcomes: check → outcomes of its subjects.
        why: check → the first sentence of a subject that did not pass.
        said: check and subject → the sentence, in the order of the plan.
        text: everything that was written, to look for secrets in.
    """

    outcomes: dict[str, set[str]]
    why: dict[str, str]
    said: dict[tuple[str, str], str]
    text: str

    def of(self, outcome: str) -> set[str]:
        """Return the checks with such an outcome on a subject."""
        return {check for check, found in self.outcomes.items() if outcome in found}


def judge(
    profile: str,
    folder: Path,
    *suites: str,
    tier: str = "gate",
    checks: Sequence[str] = (),
) -> Judged:
    """Run suites, or some checks, over a profile and read what they concluded."""
    path, output = folder / "profile.toml", folder / "run"
    path.write_text(profile, encoding="utf-8")
    command = [sys.executable, "-c", "from tollproof.cli import main; main()", tier]
    command += [str(path), "--output", str(output)]
    for suite in suites:
        command += ["--suite", suite]
    for check in checks:
        command += ["--check", check]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert (output / "results.json").exists(), done.stdout + done.stderr
    outcomes: dict[str, set[str]] = defaultdict(set)
    why: dict[str, str] = {}
    said: dict[tuple[str, str], str] = {}
    for result in read_run(output).results:
        outcomes[result.check].add(result.verdict.outcome.value)
        said[result.check, result.subject] = result.verdict.summary
        if result.verdict.outcome.value != "passed":
            why.setdefault(result.check, result.verdict.summary)
    files = (item for item in output.rglob("*") if item.is_file())
    text = "".join(item.read_text(encoding="utf-8", errors="replace") for item in files)
    return Judged(outcomes=dict(outcomes), why=why, said=said, text=text)


def operation(method: str = "GET", path: str = "/me") -> str:
    """Return the TOML of a declared operation."""
    return f'[[target.operations]]\nmethod = "{method}"\npath = "{path}"\n'


def quoted(value: object) -> str:
    """Write a text or a list of texts as TOML."""
    return json.dumps(value)
