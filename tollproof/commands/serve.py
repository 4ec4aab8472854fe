"""`serve`: a reference deployment to learn and test on, sound or with faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tollproof.reference.algorithms import ALGORITHMS, USUAL
from tollproof.reference.deployed import DEPLOYED
from tollproof.reference.faults import Fault
from tollproof.reference.launch import NAMES
from tollproof.reference.launch import serve as run_deployment
from tollproof.reference.sparkient.miscounts import SCOPES


def _list_faults(context: click.Context, option: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    width = max(len(fault.name) for fault in DEPLOYED)
    for fault in DEPLOYED:
        options = " --".join(need.replace("=", " ") for need in fault.needs)
        needs = f" (with --{options})" if options else ""
        click.echo(
            f"{fault.name:<{width}}  {fault.check}: {fault.title}{needs}{_whose(fault)}"
        )
    context.exit()


def _whose(fault: Fault) -> str:
    return "" if fault.of == NAMES[0] else f" [{fault.of}]"


@click.command()
@click.argument("name", type=click.Choice(NAMES), default=NAMES[0])
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME",
    help="Break one promise; --list-faults names them. Repeatable.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: any free.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes.",
)
@click.option(
    "--replicas",
    type=click.IntRange(0, 8),
    default=0,
    show_default=True,
    help="Further addresses with the same keys, each a process of its own.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=600, show_default=True, help="A window."
)
@click.option(
    "--window",
    type=click.FloatRange(0.1),
    default=60.0,
    show_default=True,
    help="Seconds of the rate-limit window.",
)
@click.option("--redis", metavar="URL", help="Count in Redis instead of SQLite.")
@click.option(
    "--algorithm",
    type=click.Choice(tuple(ALGORITHMS)),
    default=USUAL,
    show_default=True,
    help="How requests are counted.",
)
@click.option(
    "--per",
    type=click.Choice(SCOPES),
    default="key",
    show_default=True,
    help="What has an allowance of its own.",
)
@click.option(
    "--failures",
    type=click.IntRange(0),
    default=0,
    help="Wrong credentials an address may show in a window; 0: any number.",
)
@click.option(
    "--sustained",
    is_flag=True,
    help="A second limit: half as many requests again, in five windows.",
)
@click.option("--tls", is_flag=True, help="HTTPS, with a CA of its own.")
@click.option(
    "--write-profile",
    "profile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write a ready profile.",
)
@click.option(
    "--list-faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    help="Name every fault, the check that notices it, and exit.",
)
def serve(**given: Any) -> None:
    """Start a reference deployment: sound, or with as many faults as are named.

    It is a target to learn and to test on. Its keys are made anew each time and are
    gone when it ends.
    """
    run_deployment(**given, say=click.echo)
