"""`load`: sustained load on one machine or many, with the promises judged throughout.

Knows the options and what consent they need. The load itself, and the verdicts, are a
suite of their own; the run, its reports and exit codes are those of every other.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tollproof import running
from tollproof.commands.judge import DEFAULT_OUTPUT, conclude, progress_kind
from tollproof.errors import RecordError, Undetermined, UsageError
from tollproof.heeding import heeding
from tollproof.judgement import Exit
from tollproof.load.figures import table
from tollproof.load.runner import Progress
from tollproof.load.runner import run as run_load
from tollproof.model import Exchange, Severity, Tier
from tollproof.opening import Options, open_deployment
from tollproof.profile.load import load_profile
from tollproof.profile.model import Profile
from tollproof.record import read_run
from tollproof.sustain import CHANNEL, LoadRequest, Shape, job_of
from tollproof.target import Target


def _place(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    """Split `HOST:PORT`.

    Raises:
        click.BadParameter: there is no port in it.
    """
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{value!r} is not HOST:PORT", context, option)
    return host.strip("[]") or "127.0.0.1", int(port)


def _shape(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what the load is."""
    decorators = [
        click.option(
            "--shape",
            type=click.Choice([one.value for one in Shape]),
            default=Shape.PLATEAU.value,
            show_default=True,
            help="How the rate goes over time.",
        ),
        click.option(
            "--rate",
            type=click.FloatRange(0, min_open=True),
            help="Requests a second, all keys together.  [default: 80 % of the limit]",
        ),
        click.option(
            "--peak",
            type=click.FloatRange(0, min_open=True),
            help="Requests a second at the height of a spike.  [default: 4 times rate]",
        ),
        click.option(
            "--seconds",
            type=click.FloatRange(1.0),
            default=60.0,
            show_default=True,
            help="For how long.",
        ),
        click.option(
            "--random", is_flag=True, help="Requests at random, not evenly spaced."
        ),
        click.option(
            "--connections",
            type=click.IntRange(1, 20_000),
            default=200,
            show_default=True,
            help="Most connections, all processes together.",
        ),
        click.option(
            "--processes",
            type=click.IntRange(1, 256),
            default=1,
            show_default=True,
            help="Load processes on this machine.",
        ),
        click.option(
            "--master",
            "expect",
            type=click.IntRange(1, 1000),
            metavar="WORKERS",
            help="Wait for so many workers on other machines, and lead them.",
        ),
        click.option(
            "--bind",
            callback=_place,
            metavar="HOST:PORT",
            default="127.0.0.1:5557",
            show_default=True,
            help="Where a master listens for its workers.",
        ),
        click.option(
            "--worker",
            "join",
            callback=_place,
            metavar="HOST:PORT",
            help="Be a worker of the master at HOST:PORT, with the same profile; how "
            "much load there is, the master says.",
        ),
        click.option(
            "--wait",
            type=click.FloatRange(1.0, 86_400.0),
            default=300.0,
            show_default=True,
            metavar="SECONDS",
            help="How long a worker waits for its master to be there.",
        ),
        click.option(
            "--web",
            callback=_place,
            metavar="HOST:PORT",
            help="Show Locust's pages there.",
        ),
    ]
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


@click.command()
@click.argument("profile", type=click.Path(dir_okay=False, path_type=Path))
@_shape
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="Folder for results.json and the reports.",
)
@click.option("--base-url", metavar="URL", help="Load this address instead.")
@click.option(
    "--compare",
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR",
    help="A former run, to say what was fixed and what is new.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of --random.")
@click.option(
    "--consent-to-production",
    is_flag=True,
    help="Allow load though the target is production.",
)
def load(
    profile: Path,
    output: Path,
    base_url: str | None,
    compare: Path | None,
    seed: int,
    consent_to_production: bool,
    **shape: Any,
) -> int:
    """Put sustained load on a deployment and judge its promises all the while.

    Throughput, latency by status, errors and refusals are held to [promises.load] of
    the profile, and the rate limit to [promises.rate_limit], key by key and window by
    window. Needs `load = true` under [consent].
    """
    if not profile.is_file():
        raise click.UsageError(
            f"{profile}: no such profile; `tollproof init` writes a first one"
        )
    read = load_profile(profile, base_url=base_url, environ=os.environ)
    _require_consent(read, consent_to_production)
    request = _request(shape)
    if request.join is not None:
        return _work(read, request, seed, consent_to_production)
    os.environ[CHANNEL] = request.to_channel()
    asked = running.Request(
        profile=profile,
        output=output,
        tier=Tier.LOAD,
        command="tollproof load",
        only=("load",),
        base_url=base_url,
        compare=compare,
        fail_on=Severity.INFO,
        seed=seed,
        progress=progress_kind(),
        run_id=secrets.token_hex(6),
        production_consent=consent_to_production,
    )
    code = conclude(running.run(asked), asked)
    _show_figures(asked)
    return code


def _show_figures(asked: running.Request) -> None:
    """Show throughput and latency by status, whatever they amount to."""
    try:
        run = read_run(asked.output)
    except RecordError:
        return
    measured = (item.verdict.measurements for item in run.results)
    found = next((one for one in measured if "latency_ms" in one), None)
    if found is not None and run.about.run_id == asked.run_id:
        with contextlib.suppress(BrokenPipeError):
            click.echo("\n" + table(found))


def _request(given: dict[str, Any]) -> LoadRequest:
    set_ = {name: value for name, value in given.items() if value is not None}
    request = LoadRequest(**{**set_, "shape": Shape(given["shape"])})
    if request.expect and request.join is not None:
        raise click.UsageError("a machine is master or worker, not both")
    if request.peak and request.shape is not Shape.SPIKE:
        raise click.UsageError("--peak is of --shape spike")
    return request


def _require_consent(profile: Profile, production_consent: bool) -> None:
    """Refuse to send anything that was not consented to; name all that is missing.

    Raises:
        UsageError: with the lines to add, and the option.
    """
    missing = []
    if not profile.consent.load:
        missing.append(f"{profile.path} does not consent to load; {_lines(profile)}")
    if profile.target.environment == "production" and not production_consent:
        missing.append(
            "the target is production; give --consent-to-production to load it "
            "nevertheless"
        )
    if missing:
        raise UsageError("nothing was sent: " + "\nand ".join(missing))


def _lines(profile: Profile) -> str:
    """Say what to write where, ready to be copied."""
    if "consent" not in profile.model_fields_set:
        return "add this table:\n\n    [consent]\n    load = true\n"
    if "load" in profile.consent.model_fields_set:
        return "change this line of its [consent]:\n\n    load = true\n"
    text = profile.path.read_text(encoding="utf-8")
    if re.search(r"(?m)^\s*\[\s*consent\s*\]", text):
        return "add this line under its [consent]:\n\n    load = true\n"
    if re.search(r"(?m)^\s*consent\s*=", text):
        return "add this to its `consent = { … }`:\n\n    load = true\n"
    if re.search(r"(?m)^\s*consent\s*\.", text):
        return (
            "add this beside its other `consent.` lines:\n\n    consent.load = true\n"
        )
    # Only [consent.budget] is there: the table that it is in may still be written.
    return "add this table:\n\n    [consent]\n    load = true\n"


def _work(
    profile: Profile, request: LoadRequest, seed: int, production_consent: bool
) -> int:
    """Be a worker: send a share of the load, and leave the judging to the master."""

    def unrecorded(_: Exchange) -> None:
        """The master's run has the record."""

    deployment = open_deployment(
        profile,
        options=Options(
            tier=Tier.LOAD, seed=seed, production_consent=production_consent
        ),
        environ=os.environ,
        record=unrecorded,
    )
    # The master says how much load there is; this is only what it is made with.
    least = replace(request, shape=Shape.PLATEAU, rate=1.0, seconds=1.0)
    try:
        with deployment:
            job = job_of(Target(deployment, "load"), least)
    except Undetermined as error:
        raise UsageError(error.sentence) from None
    with tempfile.TemporaryDirectory(prefix="tollproof-load-") as folder:
        host, port = request.join or ("", 0)
        click.echo(f"waits for the master at {host}:{port}, {request.wait:g} s at most")
        told = threading.Event()
        with heeding(told):
            outcome = run_load(
                job,
                folder=Path(folder) / "load",
                progress=_show,
                stop=told.is_set,
                cluster=request.cluster,
            )
    if told.is_set():
        click.echo("interrupted; the master has what was seen, if it was there")
        return Exit.INTERRUPTED
    if outcome.fault:
        click.echo(f"tollproof: {outcome.fault}", err=True)
        return Exit.UNDETERMINED
    click.echo("done; the master has the observations")
    return Exit.PASSED


def _show(progress: Progress) -> None:
    if progress.said:
        click.echo(progress.said)
    if progress.lost:
        click.echo(f"{len(progress.lost)} load processes were lost", err=True)
