"""`init`: a first profile, drafted from an OpenAPI document."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tollproof.documents import parse_document
from tollproof.opening import fetch_document
from tollproof.profile.draft import draft_profile


@click.command()
@click.option(
    "--openapi",
    "source",
    required=True,
    metavar="FILE|URL",
    help="OpenAPI 3.0 or 3.1, JSON or YAML.",
)
@click.option("--base-url", metavar="URL", help="Where the deployment answers.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="profile.toml",
    show_default=True,
    help="The file to write; `-` prints it.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
def init(source: str, base_url: str | None, output: Path, force: bool) -> None:
    """Write a first profile from an OpenAPI document, with comments that teach.

    It says what the document says and leaves the rest to be filled in: run
    `tollproof doctor` on it next.
    """
    document = parse_document(fetch_document(source), source)
    text = draft_profile(document, source=source, base_url=base_url)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(output, flags, 0o644)
    except FileExistsError as error:
        raise click.UsageError(f"{output} exists; --force overwrites it") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    click.echo(f"Wrote {output}. Next: tollproof doctor {output}")
