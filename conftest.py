"""Loads tollproof's plugin, and gives suites without a profile something to judge.

`pytest suites` in a checkout starts the reference deployment and judges that; with
`--tollproof-profile=FILE` it judges what the profile names. `pytest` alone runs the
tests of the harness itself.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest_plugins = ["tollproof.pytest_plugin"]

SUITES = Path(__file__).parent / "suites"
STARTED = pytest.StashKey[ExitStack]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the reference deployment when suites are to run and nothing is named."""
    if config.getoption("tollproof_profile") or hasattr(config, "workerinput"):
        return
    paths = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    if not any(path == SUITES or SUITES in path.parents for path in paths):
        return
    from tollproof.reference.launch import serving

    stack = config.stash[STARTED] = ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tollproof-"))
    deployment = stack.enter_context(serving("sparkient"))
    profile = deployment.write_profile(Path(folder) / "profile.toml")
    config.option.tollproof_profile = str(profile)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the deployment that was started here."""
    if stack := config.stash.get(STARTED, None):
        stack.close()
