"""What the hooks share: where pytest keeps our state, and which process this is.

Knows pytest's stash and xdist's names of processes. Must not know what is done there.
"""

from __future__ import annotations

import sys

import pytest

from tollproof.cases import Case
from tollproof.model import CheckSpec, Result
from tollproof.session import Session

SESSION = pytest.StashKey[Session]()
CASE = pytest.StashKey[tuple[CheckSpec, Case]]()
RESULT = pytest.StashKey[Result]()


def usage_error(config: pytest.Config, text: str) -> pytest.UsageError:
    """Return what ends the run before it begins, said in the voice of the program.

    Where ours is the display, pytest says nothing: it would call our name ERROR.
    """
    if not config.getoption("tollproof_progress"):
        return pytest.UsageError(text)
    sys.stderr.write(f"tollproof: {text}\n")
    return pytest.UsageError()


def worker_id(config: pytest.Config) -> str:
    """Return xdist's name of this process, `gw0` …, or an empty text."""
    workerinput = getattr(config, "workerinput", None)
    return str(workerinput["workerid"]) if workerinput else ""


def is_controller(config: pytest.Config) -> bool:
    """Whether other processes run the items and this one only listens."""
    return not worker_id(config) and config.pluginmanager.hasplugin("dsession")
