"""A credential that was withdrawn is watched until all refuse it, or time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.deploying import ALPHA, THINGS, deployment_of, profile_at
from tests.servers import Connection, Server, scripted
from tollproof import withdrawal
from tollproof.errors import Undetermined
from tollproof.model import Reason
from tollproof.target import Target
from tollproof.withdrawal import ROW, Withdrawn, watch


@contextmanager
def watched(
    folder: Path, statuses: Callable[[int], int]
) -> Iterator[tuple[Callable[[float], Withdrawn], Server]]:
    """Watch a target whose n-th answer has a status of the n-th, counted from 1."""
    numbers = count(1)

    def handler(connection: Connection) -> None:
        while connection.request():
            status = statuses(next(numbers))
            connection.send(
                b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\n\r\n{}" % status
            )

    with scripted(handler) as server:
        profile = profile_at(folder / "p.toml", server.origin, THINGS, ALPHA)
        with deployment_of(profile) as deployment:
            target = Target(deployment=deployment, check="some.check")
            (operation,) = target.operations
            probe = target.probe(operation, deployment.identities["alpha"])
            yield lambda within: watch(target, lambda: probe, within), server


def test_what_is_refused_at_once_is_refused_by_all(tmp_path: Path) -> None:
    with watched(tmp_path, lambda _: 401) as (run, server):
        seen = run(5.0)
    assert (seen.refused, seen.last.status) == (True, 401)
    # Each on a connection of its own: another worker may answer it.
    assert len(server.requests) == server.accepted == ROW


def test_what_works_a_little_longer_is_refused_in_time(tmp_path: Path) -> None:
    with watched(tmp_path, lambda n: 200 if n < 3 else 403) as (run, _):
        seen = run(30.0)
    assert seen.refused
    assert 0 < seen.seconds < 30.0


def test_what_works_after_the_promised_time_has_failed(tmp_path: Path) -> None:
    with watched(tmp_path, lambda _: 200) as (run, server):
        seen = run(0.3)
    assert (seen.refused, seen.last.status) == (False, 200)
    assert seen.seconds > 0.3
    assert len(server.requests) < 20


def test_one_worker_of_several_that_lets_it_in_is_enough(tmp_path: Path) -> None:
    with watched(tmp_path, lambda n: 200 if n % 4 == 0 else 401) as (run, _):
        seen = run(0.1)
    assert not seen.refused


def test_a_worker_that_is_told_late_is_waited_for(tmp_path: Path) -> None:
    with watched(tmp_path, lambda n: 200 if n in (1, 4) else 401) as (run, server):
        seen = run(60.0)
    assert seen.refused
    assert len(server.requests) == 4 + ROW


@pytest.mark.parametrize("status", [301, 404, 500])
def test_another_answer_tells_nothing(tmp_path: Path, status: int) -> None:
    with (
        watched(tmp_path, lambda _: status) as (run, server),
        pytest.raises(Undetermined, match=f"answered {status}") as caught,
    ):
        run(1.0)
    assert caught.value.reason is Reason.PRECONDITION
    assert len(server.requests) == 1


def test_being_throttled_tells_nothing(tmp_path: Path) -> None:
    with (
        watched(tmp_path, lambda n: 200 if n == 1 else 429) as (run, _),
        pytest.raises(Undetermined) as caught,
    ):
        run(5.0)
    assert caught.value.reason is Reason.THROTTLED


def test_a_promise_of_hours_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withdrawal, "LONGEST", 0.3)
    with (
        watched(tmp_path, lambda _: 200) as (run, _),
        pytest.raises(Undetermined, match="which nobody waits for"),
    ):
        run(3600.0)
