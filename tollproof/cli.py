"""The command line: names, options and help; each command's work is elsewhere.

Knows which commands there are. Imports a command's module only when it is called, so
that `--help` is instant.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Any

import click
from platformdirs import user_cache_path

from tollproof.version import __version__

#: Command → (module below `tollproof.commands`, what it does in a line).
COMMANDS = {
    "gate": ("judge", "Judge everything that can be judged in seconds. For CI."),
    "audit": ("judge", "Judge everything: rate limits under load, rotation, secrets."),
    "load": ("load", "Put sustained load on a deployment; judge it all the while."),
    "doctor": ("doctor", "Show whether a profile is right and what would be judged."),
    "init": ("init", "Write a first profile from an OpenAPI document."),
    "report": ("report", "Make reports of a run again, or compare it with a former."),
    "catalogue": ("catalogue", "List every check there is."),
    "explain": ("catalogue", "Say everything about one check."),
    "serve": ("serve", "Start a reference deployment to learn and test on."),
    "token": ("token", "Mint and inspect signed tokens by hand."),
    "prove": ("prove", "Show that every seeded fault is noticed, and nothing else."),
}

EPILOG = """\b
Exit codes
  0  everything that was promised was seen to hold
  1  a promise was seen not to hold, or a waiver is stale
  2  nothing failed, but something could not be determined
  3  the command, profile or a suite is wrong; nothing was sent
  4  interrupted; what was finished is on disk
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"tollproof.commands.{module}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG)
@click.version_option(__version__, package_name="tollproof")
def cli() -> None:
    """Prove, from the outside, that a deployed HTTP API keeps its promises.

    \b
    A first look, without any configuration:
      tollproof audit            judges a reference deployment on loopback
    \b
    Then your own:
      tollproof init --openapi https://staging.example.com/openapi.json
      tollproof doctor profile.toml
      tollproof gate profile.toml
    """  # noqa: D301 - \b is click's mark for lines to be left as they are


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the code that EPILOG explains."""
    _open_standard_streams()
    # Hypothesis would make a folder for its tables wherever this is run.
    tables = user_cache_path("tollproof", appauthor=False) / "hypothesis"
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(tables))
    sys.exit(run(arguments))


def _open_standard_streams() -> None:
    """Let nothing else get the number of a standard stream that was closed."""
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Where the terminal's encoding has no dash, a plain spelling will do.
            stream.reconfigure(errors="backslashreplace")
    try:
        code: Any = cli.main(arguments, prog_name="tollproof", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 4
    except click.ClickException as error:
        error.show()
        return 3
    except BrokenPipeError:
        # As if SIGPIPE had ended us; the interpreter must not flush into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except _tollproof_error() as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


def _tollproof_error() -> type[Exception]:
    from tollproof.errors import TollproofError

    return TollproofError


def _explain(error: Exception) -> int:
    """Say what is wrong, inert whoever wrote it, and return the exit code."""
    from tollproof.errors import Undetermined
    from tollproof.reporting.text import visible

    click.echo(f"tollproof: {visible(str(error))}", err=True)
    return 2 if isinstance(error, Undetermined) else 3
