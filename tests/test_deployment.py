"""What all checks of a run share: asked once, of a deployment that really answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import servers
from tests.deploying import (
    ALPHA,
    KEY,
    THINGS,
    deployment_of,
    identity,
    profile_at,
)
from tests.guarded import Answer, Asked, Told, guarded
from tollproof.deployment import Deployment, Once
from tollproof.errors import NotAsked, Undetermined
from tollproof.model import Exchange, Reason

WRITING = """
[[target.operations]]
method = "POST"
path = "/things"
"""


def opened(
    folder: Path, *parts: str, alter: Answer | None = None, record: list[Exchange]
) -> Iterator[Deployment]:
    """Open a deployment at a small API that is really there."""
    with guarded(KEY, alter) as server:
        profile = profile_at(folder / "p.toml", server.origin, *parts)
        with deployment_of(profile, record=record.append) as deployment:
            yield deployment


# -- asked once ----------------------------------------------------------------------


def test_whoever_asks_first_asks_for_all() -> None:
    once, asked = Once(), []
    together = threading.Barrier(8)

    def compute() -> int:
        asked.append(1)
        return len(asked)

    def ask(_: int) -> int:
        together.wait(10)
        return once.get("key", compute)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert list(pool.map(ask, range(8))) == [1] * 8
    assert once.get("another", compute) == 2


def test_what_could_not_be_determined_is_not_asked_again() -> None:
    once, asked = Once(), []

    def fail() -> int:
        asked.append(1)
        raise Undetermined(Reason.PRECONDITION, "No.")

    for _ in range(3):
        with pytest.raises(Undetermined, match="No"):
            once.get("key", fail)
    assert len(asked) == 1


def test_that_nobody_was_asked_is_forgotten() -> None:
    """The target may be back by the time the next check wants to know."""
    once = Once()
    results: list[int | None] = [None, 7]

    def compute() -> int:
        found = results.pop(0)
        if found is None:
            raise NotAsked(Reason.UNREACHABLE, "It is left alone for a while.")
        return found

    with pytest.raises(NotAsked):
        once.get("key", compute)
    assert once.get("key", compute) == 7


# -- controls ------------------------------------------------------------------------


def test_a_control_is_sent_once_after_its_preflight(tmp_path: Path) -> None:
    record: list[Exchange] = []
    for deployment in opened(tmp_path, THINGS, ALPHA, record=record):
        (operation,) = deployment.operations
        first = deployment.control(operation, "a.b")
        assert deployment.control(operation, "c.d") is first
    assert [item.purpose for item in record] == ["preflight", "control"]
    assert {(item.status, item.identity) for item in record} == {(200, "alpha")}


def test_a_stranger_is_refused_and_sends_nothing(tmp_path: Path) -> None:
    record: list[Exchange] = []
    for deployment in opened(tmp_path, THINGS, ALPHA, record=record):
        stranger = deployment.stranger(deployment.operations[0], "a.b")
        assert (stranger.status, stranger.identity) == (401, "anonymous")
    names = {name.lower() for name, _ in record[0].request.headers}
    assert "authorization" not in names


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_control_that_is_refused_determines_nothing(
    tmp_path: Path, status: int
) -> None:
    record: list[Exchange] = []

    def alter(asked: Asked, told: Told) -> Told:
        later = len(record) > 0
        return Told(status=status) if later and told.status == 200 else told

    for deployment in opened(tmp_path, THINGS, ALPHA, alter=alter, record=record):
        with pytest.raises(Undetermined, match=f"answers {status} even to alpha"):
            deployment.control(deployment.operations[0], "a.b")


def test_an_operation_granted_to_nobody_has_no_control(tmp_path: Path) -> None:
    reader = identity("alpha", 'grants = ["GET /other"]')
    for deployment in opened(tmp_path, THINGS, reader, record=[]):
        with pytest.raises(Undetermined, match="No live identity") as caught:
            deployment.control(deployment.operations[0], "a.b")
        assert caught.value.reason is Reason.PRECONDITION


# -- preflight -----------------------------------------------------------------------


def preflight(folder: Path, parts: Sequence[str], alter: Answer | None = None) -> str:
    for deployment in opened(folder, *parts, alter=alter, record=[]):
        with pytest.raises(Undetermined) as caught:
            deployment.preflight(next(iter(deployment.identities.values())), "a.b")
        assert caught.value.reason is Reason.PRECONDITION
    return caught.value.sentence


def test_a_wrong_key_is_asked_about(tmp_path: Path) -> None:
    """The commonest mistake of all: whoever reads it must know what to look at."""
    said = preflight(tmp_path, (THINGS, identity("beta")))
    assert said.endswith("(GET /things: 401); is its credential right?")


def test_what_is_known_of_a_refusal_is_a_sentence_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "The token expired an hour ago."
    monkeypatch.setattr("tollproof.deployment.why_refused", lambda *_: why)
    said = preflight(tmp_path, (THINGS, identity("beta")))
    assert said.endswith(f"(GET /things: 401). {why}")


def test_without_consent_to_write_none_is_written(tmp_path: Path) -> None:
    said = preflight(tmp_path, (WRITING, ALPHA))
    assert "no protected operation with which to show that alpha works" in said


def test_silence_is_no_refusal(tmp_path: Path) -> None:
    with servers.scripted(servers.closes) as server:
        profile = profile_at(tmp_path / "p.toml", server.origin, THINGS, ALPHA)
        with deployment_of(profile) as deployment:
            alpha = deployment.identities["alpha"]
            with pytest.raises(Undetermined) as caught:
                deployment.preflight(alpha, "a.b")
    assert caught.value.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, Reason.THROTTLED),
        (502, Reason.UNREACHABLE),
        (503, Reason.UNREACHABLE),
        (504, Reason.UNREACHABLE),
    ],
)
def test_who_answers_in_the_deployments_place_determines_nothing(
    tmp_path: Path, status: int, reason: Reason
) -> None:
    def alter(asked: Asked, told: Told) -> Told:
        return Told(status=status)

    for deployment in opened(tmp_path, THINGS, ALPHA, alter=alter, record=[]):
        with pytest.raises(Undetermined, match=str(status)) as caught:
            deployment.stranger(deployment.operations[0], "a.b")
        assert caught.value.reason is reason


# -- what was created ----------------------------------------------------------------


def test_what_was_created_is_removed_newest_first_and_once(tmp_path: Path) -> None:
    gone: list[str] = []

    def removing(name: str, left: str = "") -> None:
        def undo() -> str:
            gone.append(name)
            return left

        deployment.cleanup[name] = undo

    for deployment in opened(tmp_path, THINGS, ALPHA, record=[]):
        removing("client")
        removing("key", "The key sk_… is still there.")
        assert deployment.undo() == ("The key sk_… is still there.",)
        assert gone == ["key", "client"]
        assert deployment.undo() == ()
        assert gone == ["key", "client"]


def test_an_identity_rests_from_when_it_was_last_used(tmp_path: Path) -> None:
    for deployment in opened(tmp_path, THINGS, ALPHA, record=[]):
        assert deployment.rested(["alpha"], 0.0) == 0.0
        before = deployment.rested(["alpha"], 1000.0)
        deployment.stranger(deployment.operations[0], "a.b")
        assert deployment.rested(["alpha"], 1000.0) <= before
        deployment.preflight(deployment.identities["alpha"], "a.b")
        assert deployment.rested(["alpha"], 1000.0) >= before
        assert deployment.rested([], 1000.0) == 0.0
