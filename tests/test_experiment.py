"""A refused write and what is seen of its effect, where others write as well."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploying import ALPHA, KEYS, deployment_of, identity, profile_at
from tests.guarded import Asked, Told, guarded
from tollproof.access import Cell
from tollproof.errors import Undetermined
from tollproof.experiment import REPEATS, attempt, without_effect
from tollproof.model import Outcome, Reason
from tollproof.target import Target

OPERATIONS = """
[[target.operations]]
method = "GET"
path = "/things"
[[target.operations]]
method = "POST"
path = "/things"
body = { name = "x" }
"""
READER = identity("beta", 'grants = ["GET /things"]')
CONSENT = "[consent]\nwrites = true\n"

#: What becomes of the listing when the write is refused for the n-th time, from 1.
Effect = Callable[[int], bool]


def watched(
    folder: Path, effect: Effect, *, notes_use: bool = False
) -> tuple[Outcome, Reason | None, int]:
    """Judge a write that is refused; return the verdict and how often it was made.

    Args:
        notes_use: whether the listing tells how often `beta` has asked for anything.
    """
    things: list[dict[str, str]] = []
    writes = asked_by_beta = 0

    def answer(asked: Asked, told: Told) -> Told:
        nonlocal writes, asked_by_beta
        key = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in KEYS.values():
            return told
        asked_by_beta += key == KEYS["beta"]
        if asked.method == "POST":
            writes += 1
            if effect(writes):
                things.append({"id": f"thing-{len(things)}"})
            return Told(status=403, body=b'{"error": "forbidden"}')
        listing = {"things": things, "used": asked_by_beta if notes_use else 0}
        return Told(status=200, body=json.dumps(listing).encode())

    with guarded(KEYS["alpha"], answer) as server:
        profile = profile_at(
            folder / "p.toml", server.origin, OPERATIONS, ALPHA, READER, CONSENT
        )
        with deployment_of(profile) as deployment:
            (operation,) = (
                item for item in deployment.operations if item.method == "POST"
            )
            cell = Cell(operation=operation, identity=deployment.identities["beta"])
            target = Target(deployment=deployment, check="a.b")
            try:
                verdict = without_effect(target, cell, "authorization.refused")
            except Undetermined as undetermined:
                pytest.fail(undetermined.sentence)
            assert attempt(target, cell).exchange.status == 403
    return verdict.outcome, verdict.reason, writes


def test_a_write_that_has_its_effect_each_time_is_seen(tmp_path: Path) -> None:
    found = watched(tmp_path, lambda number: True)

    assert found == (Outcome.FAILED, None, 1 + REPEATS)


def test_what_changes_nothing_is_made_once(tmp_path: Path) -> None:
    assert watched(tmp_path, lambda number: False) == (Outcome.PASSED, None, 1)


@pytest.mark.parametrize("seen", [{1}, {1, 2}])
def test_what_others_write_meanwhile_is_not_held_against_it(
    tmp_path: Path, seen: set[int]
) -> None:
    """Nor does it pass: it may be a creation that happens only once."""
    found = watched(tmp_path, lambda number: number in seen)

    assert found == (Outcome.INCONCLUSIVE, Reason.NOISE, 1 + len(seen))


@pytest.mark.parametrize(
    ("done", "outcome"), [(False, Outcome.PASSED), (True, Outcome.FAILED)]
)
def test_a_listing_that_tells_when_a_key_was_used_still_tells_what_was_added(
    tmp_path: Path, done: bool, outcome: Outcome
) -> None:
    found = watched(tmp_path, lambda number: done, notes_use=True)

    assert found[0] is outcome
