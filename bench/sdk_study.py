"""Judge two releases of the Coherent Spark SDK and write what differs to the docs.

    python -m bench.sdk_study             # installs each release apart, for this run
    python -m bench.sdk_study --folder F  # … or uses the ones that are there

Nothing about the releases is known here: the same profile judges both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tollproof import running
from tollproof.model import Outcome, Result, Run, Tier
from tollproof.record import read_run
from tollproof.sdk.bench import PYTHON

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "profiles" / "sdk" / "cspark.toml"
PAGE = ROOT / "docs" / "reference" / "sdk-verdicts.md"
#: The release that keeps the documented order of mechanisms, and a current one.
RELEASES = ("0.1.1", "0.3.3")
#: Seconds that judging one release may take.
PATIENCE = 280.0

MARKS = {
    Outcome.PASSED: "kept",
    Outcome.FAILED: "**broken**",
    Outcome.INCONCLUSIVE: "undecided",
    Outcome.NOT_APPLICABLE: "–",
}


def interpreter(folder: Path, release: str) -> Path:
    """Return a Python that has a release installed, made when it is not there."""
    home = folder / f"cspark-{release}"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", f"cspark=={release}"],
            check=True,
            timeout=PATIENCE,
        )
    return python


def judged(python: Path, output: Path) -> Run:
    """Audit the SDK that an interpreter has."""
    os.environ[PYTHON] = str(python)
    request = running.Request(
        profile=PROFILE,
        output=output,
        tier=Tier.AUDIT,
        command="python -m bench.sdk_study",
        only=("sdk",),
        progress="silent",
        formats=("json",),
    )
    code = running.run_silently(request, seconds=PATIENCE)
    if code not in (0, 1):
        raise SystemExit(f"the run ended with code {code}")
    return read_run(output)


def evidence(results: dict[str, Result]) -> str:
    """Say what was seen where a promise is broken or undecided, newest first."""
    for result in reversed(results.values()):
        verdict = result.verdict
        if verdict.outcome is Outcome.FAILED:
            return f"{verdict.summary} Seen: {verdict.actual}"
    undecided = (Outcome.INCONCLUSIVE, Outcome.NOT_APPLICABLE)
    last = next(reversed(results.values())).verdict
    return last.summary if last.outcome in undecided else ""


def cell(text: str) -> str:
    """Write a text into a cell of a Markdown table."""
    flat = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return flat if len(flat) <= 260 else flat[:257] + "…"


def page(runs: dict[str, Run]) -> str:
    """Return the documentation page."""
    found = {
        name: {item.check: item for item in run.results} for name, run in runs.items()
    }
    specs = [spec for spec in next(iter(runs.values())).checks if spec.suite == "sdk"]
    head = " | ".join(f"cspark {name}" for name in runs)
    lines = [
        "# What two releases of a real SDK keep",
        "",
        "The Coherent Spark SDK for Python, judged by `profiles/sdk/cspark.toml`,",
        "which holds what its documentation promises and what its options say.",
        "Written by `make study-sdk`; the checks know nothing of the SDK.",
        "*kept*: seen to hold. **broken**: seen not to hold, at least once.",
        "",
        f"| promise | check | {head} | seen |",
        f"|---|---|{'---|' * len(runs)}---|",
    ]
    for spec in sorted(specs, key=lambda spec: spec.id):
        results = {
            name: found[name][spec.id] for name in runs if spec.id in found[name]
        }
        if not results or all(
            item.verdict.outcome is Outcome.NOT_APPLICABLE for item in results.values()
        ):
            continue
        marks = " | ".join(
            MARKS[results[name].verdict.outcome] if name in results else "–"
            for name in runs
        )
        title, seen = cell(spec.title), cell(evidence(results))
        lines.append(f"| {title} | `{spec.id}` | {marks} | {seen} |")
    counts = ", ".join(
        f"{name}: {sum(r.verdict.outcome is Outcome.FAILED for r in results.values())}"
        for name, results in found.items()
    )
    return "\n".join([*lines, "", f"Broken promises: {counts}.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the releases are kept")
    parser.add_argument("--output", type=Path, default=PAGE)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sdk-study-") as scratch:
        folder = given.folder or Path(scratch)
        runs = {
            release: judged(interpreter(folder, release), Path(scratch) / release)
            for release in RELEASES
        }
    given.output.write_text(page(runs), encoding="utf-8")
    sys.stdout.write(f"{given.output}\n")


if __name__ == "__main__":
    main()
