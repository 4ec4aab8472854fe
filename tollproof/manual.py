"""The reference page of the command line, made from the commands' own help.

`python -m tollproof.manual` prints it; a test fails when the page in docs/ is
another. Knows click. Must not know what a command does.
"""

from __future__ import annotations

import click

from tollproof.cli import COMMANDS, cli

#: Columns of the help texts on the page.
WIDTH = 88


def manual() -> str:
    """Return the page as Markdown."""
    context = click.Context(cli, info_name="tollproof", max_content_width=WIDTH)
    lines = [
        "# Command line",
        "",
        "Generated from `--help`; do not edit.",
        "",
        *_block(cli.get_help(context)),
    ]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is None:
            continue
        lines += _section(name, command, context)
    return "\n".join(lines) + "\n"


def _section(name: str, command: click.Command, parent: click.Context) -> list[str]:
    """Return what a command says of itself, and then each of its own commands."""
    inner = click.Context(
        command, info_name=name, parent=parent, max_content_width=WIDTH
    )
    lines = ["", f"## {inner.command_path}", "", *_block(command.get_help(inner))]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            lines += _section(below.name or "", below, inner)
    return lines


def _block(text: str) -> list[str]:
    return ["```text", *(line.rstrip() for line in text.splitlines()), "```"]


if __name__ == "__main__":
    click.echo(manual(), nl=False)
