"""Runs the checks: pytest in a process of its own, out of reach of user settings.

Knows how pytest is called. Must not judge: the record that the run leaves says what
came of it. A user's pytest.ini, conftest or plugin can then not change a verdict, and
what a suite imports cannot meet what this process has imported.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollproof.errors import UsageError
from tollproof.judgement import Exit
from tollproof.model import Severity, Tier
from tollproof.resources import bundled

#: The entry-point group under which a package offers suites of its own: the value
#: names a package whose folder holds `test_*.py` files.
SUITES_GROUP = "tollproof.suites"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for.

    Attributes:
        only: names of suites, or folders with further suites.
        progress: `live`, `plain` or empty.
        formats: names of the reports to write; all of them when empty.
        workers: processes to spread the checks over; None for what is usual.
        run_id: name of the run, by which its record is told from a former one's.
    """

    profile: Path
    output: Path
    tier: Tier
    command: str
    only: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    base_url: str | None = None
    compare: Path | None = None
    fail_on: Severity = Severity.INFO
    seed: int = 0
    progress: str = ""
    workers: int | None = None
    formats: tuple[str, ...] = ()
    run_id: str = ""
    production_consent: bool = False


def run(request: Request) -> int:
    """Run the checks and return pytest's exit code; Ctrl-C ends them in good order.

    Raises:
        UsageError: a suite that was asked for does not exist.
    """
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        command(request),
        env={**os.environ, **_ENVIRONMENT},
    )
    with _forwarding(process):
        return process.wait()


def run_silently(request: Request, *, seconds: float) -> int:
    """Run the checks from any thread, showing nothing, for a bounded time.

    Returns pytest's exit code, or -9 when the time was up.

    Raises:
        UsageError: a suite that was asked for does not exist.
    """
    with subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        command(request),
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


#: More processes than this do not make a gate faster: what they share is asked again.
MOST_USUAL = 4

#: pytest's exit code when the target could not be asked what there is to judge.
NOTHING_JUDGED = 6

#: Switches that would take the assertions out of a user's checks, turn warnings into
#: errors, wait for a prompt at the end, or load plugins: one of pydantic's would be
#: shown the profile.
_ENVIRONMENT = {
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    "PYTHONINSPECT": "",
    "PYTHONOPTIMIZE": "",
    "PYTHONWARNINGS": "",
    "PYTEST_ADDOPTS": "",
    "PYTEST_PLUGINS": "",
}


def command(request: Request) -> list[str]:
    """Return the command line of the hermetic pytest.

    Raises:
        UsageError: a suite that was asked for does not exist.
    """
    own = bundled("suites")
    known = suite_names()
    names = tuple(item for item in request.only if not _is_folder(item, known))
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no suite {name!r}, nor a folder of that name; "
                f"the suites are {', '.join(sorted(known))}"
            )
    options = {
        "profile": str(request.profile),
        "output": str(request.output),
        "tier": request.tier.value,
        "seed": str(request.seed),
        "fail-on": request.fail_on.value,
        "command": request.command,
        "progress": request.progress,
        "base-url": request.base_url or "",
        "compare": str(request.compare or ""),
        "formats": ",".join(request.formats),
        "run-id": request.run_id,
        "workers": str(request.workers or usual_workers(request.tier)),
    }
    arguments = [
        sys.executable,
        "-P",  # a `pytest.py` in the working folder is not what we mean
        "-m",
        "tollproof.hermetic",
        "--disable-plugin-autoload",
        "-p",
        "tollproof.pytest_plugin",
        "-p",
        "no:cacheprovider",
        # Both collect garbage five times over when all is done, for warnings that
        # nobody would see.
        "-p",
        "no:unraisableexception",
        "-p",
        "no:threadexception",
        "-c",
        os.devnull,
        f"--rootdir={own}",
        "--noconftest",
        "--import-mode=importlib",
        *([] if not request.progress else ["-p", "no:terminal"]),
    ]
    arguments += [
        f"--tollproof-{key}={value}" for key, value in options.items() if value
    ]
    arguments += [f"--tollproof-suite={name}" for name in names]
    arguments += [f"--tollproof-check={name}" for name in request.checks]
    if request.production_consent:
        arguments.append("--tollproof-consent-to-production")
    return [*arguments, *(str(path) for path in suite_folders(request.only))]


def usual_workers(tier: Tier) -> int:
    """Return how many processes a run has when nobody says.

    An audit waits for windows most of the time, and what several processes may ask of
    a key within one is shared out among them.
    """
    if tier is not Tier.GATE or not sys.platform.startswith("linux"):
        return 1
    return min(len(os.sched_getaffinity(0)), MOST_USUAL)


def suite_folders(only: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return every folder with suites: ours, installed ones, and those named."""
    known = suite_names() if only else frozenset[str]()
    named = [Path(item).resolve() for item in only if _is_folder(item, known)]
    return (bundled("suites"), *_installed_suites(), *named)


def _is_folder(item: str, known: Collection[str]) -> bool:
    """Whether `--suite` names a folder; one called like a suite is not meant."""
    return item not in known and Path(item).is_dir()


def _installed_suites() -> tuple[Path, ...]:
    folders = []
    for entry in importlib.metadata.entry_points(group=SUITES_GROUP):
        spec = importlib.util.find_spec(entry.value)
        places = list(spec.submodule_search_locations or ()) if spec else []
        if not places:
            raise UsageError(
                f"the suite {entry.name!r} names {entry.value!r}, which is no package"
            )
        folders.append(Path(places[0]))
    return tuple(folders)


def suite_names() -> frozenset[str]:
    """Return the names of all suites that are installed."""
    return frozenset(
        path.name
        for folder in (bundled("suites"), *_installed_suites())
        for path in folder.iterdir()
        if path.is_dir() and any(path.glob("test_*.py"))
    )


class _forwarding:
    """While the child runs, what would end us ends it first, and it ends in order.

    Ctrl-C reaches the child by itself and once more from here; it heeds the first.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._former: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._former[number] = signal.signal(
                number, lambda *_: self._process.send_signal(signal.SIGINT)
            )

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)


def worst(code: int, judged: Exit) -> Exit:
    """Reconcile pytest's exit code with the judgement of the record it left.

    pytest knows things the record cannot: that it never came to collect, for one.
    """
    if code == 4:
        return Exit.USAGE
    if code == 2 and judged is not Exit.FAILED:
        return Exit.INTERRUPTED
    if code not in (0, 1, 2, 5) and judged is Exit.PASSED:
        return Exit.UNDETERMINED
    return judged
