"""Rotation at services whose keys live strangely: what is said, and what is written.

Each test is a whole run against a server, which counts what was written to it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
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


def figures(run: Run, check: str) -> Mapping[str, object]:
    (found,) = (item for item in run.results if item.check == f"rotation.{check}")
    return found.verdict.measurements


def texts(folder: Path) -> bytes:
    files = [path for path in (folder / "run").rglob("*") if path.is_file()]
    assert len(files) > 3
    return b"".join(path.read_bytes() for path in files)


def at(number: int, other: Told) -> Callable[[Life, Told], tuple[Life, Told]]:
    """Answer one creation otherwise."""
    return lambda life, told: (life, other if life.number == number else told)


# -- a step that fails ---------------------------------------------------------------


def test_nothing_is_written_after_a_creation_that_failed(tmp_path: Path) -> None:
    number = 4
    keys = Keys(create=at(number, Told(status=500, document={})))
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


def test_the_same_key_twice_fails_once_and_ends_it(tmp_path: Path) -> None:
    """It has two ids, and both are revoked."""
    first: list[Life] = []

    def again(life: Life, told: Told) -> tuple[Life, Told]:
        first.append(life)
        if life.number == 3:
            life = replace(life, value=first[0].value)
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


# -- lives that are strange, and right or wrong all the same ---------------------------


def worker(number: int, of: int) -> Callable[[Life], bool]:
    """Say whether a key's next request comes to one of several workers.

    Requests do not come in turn, and yet the same way each time.
    """

    def chosen(life: Life) -> bool:
        return (life.number * 31 + life.asked * 17) % of == number

    return chosen


def within(run: Run, *outcome: Outcome) -> set[str]:
    return set().union(*(outcomes(run)[item] for item in outcome))


def test_workers_may_disagree_until_the_promised_time(tmp_path: Path) -> None:
    """A key works here before there, is refused here before there, is listed late."""
    chance = random.Random(1)

    def is_live(life: Life, now: float) -> bool:
        if life.revoked is not None:
            return now < life.revoked + 0.35 and chance.random() < 0.4
        age = now - life.created
        return age > 0.35 or (age > 0.02 and chance.random() < 0.6)

    def listed(live: list[Life], now: float) -> Told:
        keys = [{"id": life.id} for life in live if now > life.created + 0.35]
        return Told(status=200, document={"keys": keys})

    keys = Keys(is_live=is_live, listed=listed)
    run = run_at(keys, tmp_path)

    assert within(run, Outcome.FAILED, Outcome.INCONCLUSIVE) == set()
    assert (keys.left, run.about.notes) == (0, ())


def test_a_key_that_works_late_is_late_and_not_unusable(tmp_path: Path) -> None:
    """The creation is answered 201 long before the key is live."""
    keys = Keys(is_live=lambda life, now: not life.revoked and now > life.created + 1.6)
    quick = {"active_within = 0.5": "active_within = 0.1"}
    run = run_at(keys, tmp_path, **quick)

    assert within(run, Outcome.FAILED) == {"rotation.active-in-time"}
    assert within(run, Outcome.INCONCLUSIVE) == {"rotation.at-once"}
    slowest = figures(run, "active-in-time")["active_max_seconds"]
    assert isinstance(slowest, float)
    assert slowest > 1.0


def test_one_worker_that_has_not_heard_is_late_for_all(tmp_path: Path) -> None:
    """One of eight forgets a key after the others: most answers are right."""
    stale = worker(3, 8)
    keys = Keys(
        is_live=lambda life, now: (
            life.revoked is None or (now < life.revoked + 30 and stale(life))
        )
    )
    run = run_at(keys, tmp_path)

    assert within(run, Outcome.FAILED) & {
        "rotation.revoked-in-time",
        "rotation.stays-revoked",
    }
    assert within(run, Outcome.FAILED) <= {
        "rotation.revoked-in-time",
        "rotation.stays-revoked",
    }


def test_a_key_that_returns_for_a_moment_is_seen(tmp_path: Path) -> None:
    """Beside it, a listing in pages is not taken for one that lacks keys."""

    def listed(live: list[Life], now: float) -> Told:
        keys = [{"id": life.id} for life in live[:10]]
        return Told(status=200, document={"keys": keys, "has_more": len(live) > 10})

    keys = Keys(
        is_live=lambda life, now: (
            life.revoked is None or 1.0 < now - life.revoked < 1.3
        ),
        listed=listed,
    )
    run = run_at(keys, tmp_path)

    assert within(run, Outcome.FAILED) == {"rotation.stays-revoked"}
    assert within(run, Outcome.INCONCLUSIVE) == {"rotation.at-once", "rotation.listed"}
    assert "let in again later" in summary(run, "revoked-in-time")


def test_a_cache_is_watched_until_it_forgets(tmp_path: Path) -> None:
    """How late a key is refused is measured, long after the promised time."""
    keys = Keys(is_live=lambda life, now: not life.revoked or now < life.revoked + 3.5)
    run = run_at(keys, tmp_path, **{"revoked_for = 1.5": "revoked_for = 0.5"})

    assert within(run, Outcome.FAILED) == {"rotation.revoked-in-time"}
    found = figures(run, "revoked-in-time")
    assert found["revoked_settled"] == 3
    slowest = found["revoked_max_seconds"]
    assert isinstance(slowest, float)
    assert slowest > 2.5
