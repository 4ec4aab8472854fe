"""`gate` and `audit`: run the checks, show what came of it, exit accordingly."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from tollproof import running
from tollproof.errors import RecordError
from tollproof.judgement import Exit, as_judged, exit_code
from tollproof.model import Run, Severity, Tier
from tollproof.record import read_run
from tollproof.reporting import FORMATS, terminal
from tollproof.resources import shipped

DEFAULT_OUTPUT = "tollproof-report"


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments and options that both have."""
    decorators = [
        click.argument("profile", required=False, type=click.Path(dir_okay=False)),
        click.option(
            "--output",
            type=click.Path(file_okay=False, path_type=Path),
            default=DEFAULT_OUTPUT,
            show_default=True,
            help="Folder for results.json, junit.xml, index.html and the journal.",
        ),
        click.option(
            "--suite",
            "only",
            multiple=True,
            metavar="NAME|DIR",
            help="Run only this suite; a folder adds the suites in it. Repeatable.",
        ),
        click.option(
            "--check",
            "checks",
            multiple=True,
            metavar="ID",
            help="Run only this check; `*` is a wildcard. Repeatable.",
        ),
        click.option(
            "--base-url",
            metavar="URL",
            help="Judge this address instead of the profile's. [TOLLPROOF_BASE_URL]",
        ),
        click.option(
            "--compare",
            type=click.Path(exists=True, path_type=Path),
            metavar="DIR",
            help="A former run: the reports then say what was fixed and what is new.",
        ),
        click.option(
            "--fail-on",
            type=click.Choice([item.value for item in Severity]),
            default=Severity.INFO.value,
            show_default=True,
            help="The lowest severity that is not let through.",
        ),
        click.option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            help="Seed of generated probes; the same seed sends the same ones.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1, 64),
            help="Processes to spread the checks over, on Linux.  [default: for a gate "
            "as many as there are processors, at most 4; else 1]",
        ),
        click.option(
            "--consent-to-production",
            is_flag=True,
            help="Allow load and key lifecycle though the target is production.",
        ),
    ]
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


@click.command()
@_options
def gate(**given: Any) -> int:
    """Judge everything that can be judged without load, waiting or rotating keys.

    Meant for CI, on every deploy to staging: seconds, and a bounded number of requests.
    Without PROFILE a reference deployment is started on loopback and judged.
    """
    return _judge(Tier.GATE, **given)


@click.command()
@_options
def audit(**given: Any) -> int:
    """Judge everything: the gate, and what takes load, waiting and key rotation.

    Meant for before a release: two to three rate-limit windows. Without PROFILE a
    reference deployment is started on loopback and judged.
    """
    return _judge(Tier.AUDIT, **given)


def _judge(
    tier: Tier,
    *,
    profile: str | None,
    output: Path,
    only: tuple[str, ...],
    checks: tuple[str, ...],
    base_url: str | None,
    compare: Path | None,
    fail_on: str,
    seed: int,
    workers: int | None,
    consent_to_production: bool,
) -> int:
    with _profile(profile, base_url) as path:
        request = running.Request(
            profile=path,
            output=output,
            tier=tier,
            command=f"tollproof {tier}",
            only=only,
            checks=checks,
            base_url=base_url,
            compare=compare,
            fail_on=Severity(fail_on),
            seed=seed,
            progress=progress_kind(),
            workers=workers,
            run_id=secrets.token_hex(6),
            production_consent=consent_to_production,
        )
        code = running.run(request)
    return conclude(code, request)


def conclude(code: int, request: running.Request) -> int:
    """Show what the record says and return the exit code."""
    if code == 4:
        return Exit.USAGE
    run = _record(request)
    if run is None:
        click.echo("tollproof: nothing was judged", err=True)
        return Exit.INTERRUPTED if code == 2 else Exit.UNDETERMINED
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    page = request.output / FORMATS["html"].file
    with contextlib.suppress(BrokenPipeError):  # the verdict stands, heard or not
        click.echo(terminal.render(run, width=_width(), colour=colour))
        if page.is_file():
            click.echo(f"Report: {page.resolve()}")
    return running.worst(code, exit_code(run, request.fail_on))


def _record(request: running.Request) -> Run | None:
    """Return the run that was asked for; None when only a former one is there."""
    try:
        run = read_run(request.output)
    except RecordError:
        return None
    if run.about.run_id != request.run_id:
        return None
    return as_judged(run, datetime.now().astimezone().date())


def progress_kind() -> str:
    """Return which display of progress fits where the output goes."""
    return (
        "live" if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" else "plain"
    )


def _width() -> int:
    try:
        return os.get_terminal_size().columns if sys.stdout.isatty() else 100
    except OSError:
        return 100


@contextmanager
def _profile(given: str | None, base_url: str | None) -> Iterator[Path]:
    """Give the profile to judge by; without one, that of a deployment of our own."""
    if given is not None:
        path = shipped(Path(given))
        if not path.is_file():
            raise click.UsageError(
                f"{given}: no such profile; `tollproof init` writes a first one"
            )
        yield path
        return
    if base_url is not None:
        raise click.UsageError("--base-url needs a PROFILE to judge it by")
    from tollproof.reference.launch import serving

    with (
        tempfile.TemporaryDirectory(prefix="tollproof-") as folder,
        serving("sparkient") as deployment,
    ):
        path = deployment.write_profile(Path(folder) / "profile.toml")
        click.echo(
            "No profile given: judging a reference deployment of our own "
            f"at {deployment.base_url}"
        )
        yield path
