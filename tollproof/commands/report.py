"""`report`: every report again from the record of a run, finished or not."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import click

from tollproof.judgement import as_judged, exit_code
from tollproof.model import Severity
from tollproof.record import read_run, write_artefact
from tollproof.redaction import Redactor
from tollproof.reporting import FORMATS, terminal
from tollproof.salvage import salvaged


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS, "terminal"]),
    help="Print this one to standard output instead of writing all of them.",
)
@click.option(
    "--compare",
    type=click.Path(exists=True, path_type=Path),
    help="A former run: the HTML report then says what was fixed and what is new.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; that of the run by default.",
)
@click.option(
    "--fail-on",
    type=click.Choice([item.value for item in Severity]),
    default=Severity.INFO.value,
    show_default=True,
)
def report(
    source: Path,
    form: str | None,
    compare: Path | None,
    output: Path | None,
    fail_on: str,
) -> int:
    """Make the reports of a run again. SOURCE is its folder or its results.json.

    A run that was killed can be reported on too: what it did not decide is
    inconclusive, with the figures of a load as far as it came. The exit code is that
    of the run.
    """
    place = source if source.is_dir() else source.parent
    read = salvaged(read_run(source), place)
    run = as_judged(read, datetime.now().astimezone().date())
    previous = read_run(compare) if compare else None
    if form == "terminal":
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        click.echo(terminal.render(run, colour=colour))
    elif form is not None:
        click.echo(FORMATS[form].render(run, previous), nl=False)
    else:
        folder = output or place
        for made in FORMATS.values():
            # The record was redacted when it was written; no credential is known here.
            write_artefact(folder / made.file, made.render(run, previous), Redactor())
            click.echo(folder / made.file)
    return exit_code(run, Severity(fail_on))
