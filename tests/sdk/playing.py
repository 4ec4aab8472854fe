"""SDK profiles opened for tests, and checks called on them by id.

Knows how a suite is loaded by path. Must not know any one check.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tollproof.catalogue import load_entries
from tollproof.declare import spec_of
from tollproof.evaluate import verdict_of
from tollproof.model import Exchange, Tier, Verdict
from tollproof.opening import Options, open_deployment
from tollproof.profile.load import load_profile
from tollproof.resources import bundled
from tollproof.target import Target


@cache
def checks() -> dict[str, Callable[[Target], Verdict]]:
    """Return the function of every check of the suite `sdk`, by id."""
    found: dict[str, Callable[[Target], Verdict]] = {}
    for entry in load_entries([bundled("suites") / "sdk"]):
        module = sys.modules[f"tollproof_catalogue_{entry.file.stem}"]
        for value in vars(module).values():
            if callable(value) and spec_of(value) == entry.spec:
                found[entry.spec.id] = value
    return found


@contextmanager
def opened(
    profile: Path, record: Callable[[Exchange], None] = lambda _: None
) -> Iterator[Callable[[str], Target]]:
    """Open a profile; gives the target that a check sees."""
    deployment = open_deployment(
        load_profile(profile, environ={}),
        options=Options(tier=Tier.AUDIT),
        environ={},
        record=record,
    )
    with deployment:
        yield lambda check: Target(deployment=deployment, check=check)


def verdict(target: Callable[[str], Target], check: str) -> Verdict:
    """Return the verdict of a check."""
    function: Any = checks()[check]
    return verdict_of(lambda: function(target(check)))


def profile_of(path: Path, *command: str, more: str = "") -> Path:
    """Write the shortest profile of an SDK with a driver."""
    words = ", ".join(json.dumps(word) for word in command)
    path.write_text(
        f'name = "An SDK"\n[sdk]\ncommand = [{words}]\n{more}\n'
        '[sdk.api_key]\nheader = "X-Sample-Key"\n',
        encoding="utf-8",
    )
    return path
