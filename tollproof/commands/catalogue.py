"""`catalogue` and `explain`: what is there to be checked, and why."""

from __future__ import annotations

import difflib

import click

from tollproof import catalogue as contents
from tollproof.running import suite_folders


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
)
@click.option(
    "--suite",
    "only",
    multiple=True,
    metavar="NAME|DIR",
    help="Only this suite; a folder adds the suites in it. Repeatable.",
)
def catalogue(form: str, only: tuple[str, ...]) -> None:
    """List every check: id, severity, tier, and what holds when it passes."""
    specs = contents.load_catalogue(suite_folders(only))
    names = {name for name in only if any(spec.suite == name for spec in specs)}
    chosen = [spec for spec in specs if not names or spec.suite in names]
    write = {
        "text": contents.as_text,
        "json": contents.as_json,
        "markdown": contents.as_markdown,
    }[form]
    click.echo(write(chosen).rstrip("\n"))


@click.command()
@click.argument("check")
@click.option("--suite", "only", multiple=True, metavar="DIR", help="Look here too.")
def explain(check: str, only: tuple[str, ...]) -> None:
    """Say what CHECK proves, why it matters, and what to do when it fails."""
    specs = contents.load_catalogue(suite_folders(only))
    spec = contents.find_check(specs, check)
    if spec is None:
        near = difflib.get_close_matches(check, [item.id for item in specs], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise click.UsageError(f"there is no check {check!r}{hint}")
    click.echo(contents.explain(spec))
