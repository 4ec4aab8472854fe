"""What tests of several areas share: which tools of the machine they may use.

Knows the environment variable TOLLPROOF_REQUIRE. Must not know any one test.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["lacking", "require"]

_MODULES = Path(__file__).resolve().parents[1] / "node_modules"
_PLACES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "sarif-multitool": (
        "Sarif.Multitool",
        str(_MODULES / "@microsoft/sarif-multitool-linux/Sarif.Multitool"),
    ),
}


def require(name: str) -> Path:
    """Return the path of a program, or skip the test when the machine has none.

    With TOLLPROOF_REQUIRE=all in the environment a missing tool fails the test, so
    that a continuous build cannot turn green by lacking what it should test with.
    """
    for program in _PLACES.get(name, (name,)):
        if found := shutil.which(program):
            return Path(found)
    lacking(name)


def lacking(name: str) -> NoReturn:
    """Skip for want of a tool, or fail where TOLLPROOF_REQUIRE=all forbids that."""
    if os.environ.get("TOLLPROOF_REQUIRE") == "all":
        pytest.fail(f"{name} is missing, and TOLLPROOF_REQUIRE=all wants every tool")
    pytest.skip(f"{name} is not installed")
