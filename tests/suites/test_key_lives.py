"""Rotation at services whose keys live strangely: what is said, and what is written.

Each test is a whole run against a server, which counts what was written to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.keyed import ADMIN, PROFILE, Keys, Life, Told, keyed
from tests.suites.test_rotation import judged, outcomes
from tollproof.model import Outcome, Run

#: Keys that one course of the suite creates.
COURSE = 11


@pytest.fixture(autouse=True)
def _admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", ADMIN)


def run_at(keys: Keys, folder: Path, **changes: str) -> Run:
    with keyed(keys) as server:
        profile = PROFILE % server.origin
        for setting, other in changes.items():
            assert setting in profile
            profile = profile.replace(setting, other)
        return judged(profile, folder, "rotation")


def summary(run: Run, check: str) -> str:
    (found,) = (item for item in run.results if item.check == f"rotation.{check}")
    return found.verdict.summary


def texts(folder: Path) -> bytes:
    files = [path for path in (folder / "run").rglob("*") if path.is_file()]
    assert len(files) > 3
    return b"".join(path.read_bytes() for path in files)


def at(number: int, other: Told) -> Callable[[Life, Told], tuple[Life, Told]]:
    """Answer one creation otherwise."""
    return lambda life, told: (life, other if life.number == number else told)


# -- a step that fails ---------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(1, 429), (4, 500)])
def test_nothing_is_written_after_a_creation_that_failed(
    tmp_path: Path, number: int, status: int
) -> None:
    keys = Keys(create=at(number, Told(status=status, document={})))
    run = run_at(keys, tmp_path)
    found = outcomes(run)

    assert found[Outcome.FAILED] == found[Outcome.PASSED] == set()
    assert len(found[Outcome.INCONCLUSIVE]) > 10
    # Only what had been created is removed.
    assert keys.writes == ["POST"] * number + ["DELETE"] * (number - 1)


def test_a_key_in_another_place_is_neither_recorded_nor_left(tmp_path: Path) -> None:
    number = 2
    seen: list[str] = []

    def elsewhere(life: Life, told: Told) -> tuple[Life, Told]:
        if life.number != number:
            return life, told
        seen.append(life.value)
        return life, replace(told, document={"id": life.id, "data": {"k": life.value}})

    keys = Keys(create=elsewhere)
    run = run_at(keys, tmp_path)

    assert outcomes(run)[Outcome.FAILED] == set()
    assert keys.writes == ["POST"] * number + ["DELETE"] * number
    assert (keys.left, run.about.notes) == (0, ())
    assert seen[0].encode() not in texts(tmp_path)


def test_a_key_without_an_id_is_listed_as_left(tmp_path: Path) -> None:
    seen: list[str] = []

    def nameless(life: Life, told: Told) -> tuple[Life, Told]:
        seen.append(life.value)
        return life, replace(told, document={"key": life.value})

    keys = Keys(create=nameless)
    run = run_at(keys, tmp_path)

    assert outcomes(run)[Outcome.FAILED] == set()
    assert keys.writes == ["POST"]
    assert "whose id is not at /id" in "".join(run.about.notes)
    assert seen[0].encode() not in texts(tmp_path)


@pytest.mark.parametrize("what", ["id", "value"])
def test_the_same_twice_fails_once_and_ends_it(tmp_path: Path, what: str) -> None:
    first: list[Life] = []

    def again(life: Life, told: Told) -> tuple[Life, Told]:
        first.append(life)
        if life.number == 3:
            life = replace(life, **{what: getattr(first[0], what)})
        return life, replace(told, document={"id": life.id, "key": life.value})

    keys = Keys(create=again)
    run = run_at(keys, tmp_path)
    found = outcomes(run)

    assert found[Outcome.FAILED] == {"rotation.unique-keys"}
    assert found[Outcome.PASSED] == set()
    assert keys.writes[:4] == ["POST", "POST", "POST", "DELETE"]
    assert Counter(keys.writes)["POST"] == 3
    assert keys.left == 0


def test_a_revocation_that_fails_ends_it_and_leftovers_are_listed(
    tmp_path: Path,
) -> None:
    keys = Keys(revoke=lambda told: Told(status=500, document={}))
    run = run_at(keys, tmp_path)
    found = outcomes(run)

    assert found[Outcome.FAILED] == set()
    assert len(found[Outcome.INCONCLUSIVE]) > 8
    # One revocation in the course, and one attempt for each key in the end.
    assert Counter(keys.writes) == {"POST": COURSE, "DELETE": COURSE + 1}
    assert keys.left == COURSE
    assert len(run.about.notes) == COURSE
    assert all("answered 500" in note for note in run.about.notes)


def test_a_sound_service_keeps_every_promise_and_no_key(tmp_path: Path) -> None:
    keys = Keys()
    run = run_at(keys, tmp_path)
    found = outcomes(run)

    assert found[Outcome.FAILED] == found[Outcome.INCONCLUSIVE] == set()
    assert (keys.left, run.about.notes) == (0, ())
