"""Clients are created and revoked, their secrets never recorded, none left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.deploying import ALPHA, KEY, THINGS, deployment_of, profile_at
from tests.servers import Connection, Server, closes, scripted, silent
from tollproof import client_lifecycle as lifecycle
from tollproof.client import Probe
from tollproof.deployment import Deployment
from tollproof.errors import Undetermined
from tollproof.model import Exchange, Reason, to_json

CALLS = """
[client_lifecycle]
by = "alpha"
create = { method = "POST", path = "/clients", body = { client_name = "x" } }
revoke = { method = "POST", path = "/gone", body = { ids = ["{id}"] } }
[consent]
key_lifecycle = true
"""
SECRET = "Bn5Qs8Wd2Fg7Hj4Kl9Zx3Cv6"
Answers = Callable[[str], tuple[int, object]]


def fine(path: str) -> tuple[int, object]:
    if path == "/clients":
        return 201, {"client_id": "c 1/2", "client_secret": SECRET}
    return 204, None


@contextmanager
def deployed(
    folder: Path, answers: Answers, calls: str = CALLS
) -> Iterator[tuple[Deployment, list[Exchange], Server]]:
    """Open a deployment whose answers are a function of the path."""

    def handler(connection: Connection) -> None:
        while request := connection.request():
            status, document = answers(request.split(b" ")[1].decode())
            body = b"" if document is None else json.dumps(document).encode()
            connection.send(
                b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (status, len(body), body)
            )

    recorded: list[Exchange] = []
    with scripted(handler) as server:
        profile = profile_at(folder / "p.toml", server.origin, THINGS, ALPHA, calls)
        with (
            deployment_of(profile, record=recorded.append) as deployment,
            closing(deployment.fetcher),
        ):
            yield deployment, recorded, server


def test_a_client_is_created_and_revoked_and_its_secret_never_recorded(
    tmp_path: Path,
) -> None:
    with deployed(tmp_path, fine) as (deployment, recorded, server):
        made = lifecycle.create(deployment)
        lifecycle.revoke(deployment, made)
        assert deployment.undo() == ()
        assert deployment.redactor.holds(f"x {SECRET} y")
    assert (made.id, made.secret) == ("c 1/2", SECRET)
    assert SECRET not in repr(made)
    assert recorded == []
    first, second = server.requests
    assert first.startswith(b"POST /clients HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".encode() in first
    assert first.endswith(b'{"client_name": "x"}')
    assert second.endswith(b'{"ids": ["c 1/2"]}')


def test_a_client_that_was_not_revoked_is_removed_in_the_end(tmp_path: Path) -> None:
    with deployed(tmp_path, fine) as (deployment, _, server):
        lifecycle.create(deployment)
        assert deployment.undo() == ()
        assert [item.split(b" ")[1] for item in server.requests] == [
            b"/clients",
            b"/gone",
        ]


def test_one_that_cannot_be_removed_is_listed(tmp_path: Path) -> None:
    def stubborn(path: str) -> tuple[int, object]:
        return fine(path) if path == "/clients" else (500, {})

    with deployed(tmp_path, stubborn) as (deployment, _, _):
        made = lifecycle.create(deployment)
        with pytest.raises(Undetermined, match="revoke a client was answered 500"):
            lifecycle.revoke(deployment, made)
        (left,) = deployment.undo()
    assert "Client c 1/2 was created by this run and is still there" in left
    assert "answered 500" in left
    assert SECRET not in left


@pytest.mark.parametrize(
    ("status", "document", "says", "reason"),
    [
        (403, {}, "was answered 403", Reason.PRECONDITION),
        (429, {}, "was answered 429", Reason.THROTTLED),
        (302, {}, "was answered 302", Reason.PRECONDITION),
    ],
)
def test_a_creation_that_fails_is_said_and_not_tried_again(
    tmp_path: Path, status: int, document: object, says: str, reason: Reason
) -> None:
    with deployed(tmp_path, lambda _: (status, document)) as (deployment, _, server):
        with pytest.raises(Undetermined, match=says) as caught:
            lifecycle.create(deployment)
        assert deployment.undo() == ()
    assert caught.value.reason is reason
    assert len(server.requests) == 1


def test_a_client_whose_secret_is_elsewhere_is_removed_by_its_id(
    tmp_path: Path,
) -> None:
    def otherwise(path: str) -> tuple[int, object]:
        return (201, {"client_id": "a", "x": SECRET}) if "clients" in path else fine("")

    with deployed(tmp_path, otherwise) as (deployment, recorded, server):
        with pytest.raises(Undetermined, match="holds none where the profile says"):
            lifecycle.create(deployment)
        assert deployment.undo() == ()
        assert server.requests[-1].endswith(b'{"ids": ["a"]}')
        # Made by another check, its answer is recorded, whose secret nobody can name.
        deployment.client.send(Probe(method="POST", target="/clients"), check="x.y")
        assert SECRET not in json.dumps(to_json(recorded))


@pytest.mark.parametrize("document", [{"client_secret": SECRET}, [], {}, None])
def test_one_whose_id_is_elsewhere_is_listed(tmp_path: Path, document: object) -> None:
    with deployed(tmp_path, lambda _: (201, document)) as (deployment, _, server):
        with pytest.raises(Undetermined, match="holds none where the profile says"):
            lifecycle.create(deployment)
        (left,) = deployment.undo()
    assert "not at /client_id of the answer" in left
    assert SECRET not in left
    assert len(server.requests) == 1


@pytest.mark.parametrize("handler", [silent, closes])
def test_silence_is_said(tmp_path: Path, handler: Callable[[Connection], None]) -> None:
    with scripted(handler) as server:
        profile = profile_at(tmp_path / "p.toml", server.origin, THINGS, ALPHA, CALLS)
        with (
            deployment_of(profile) as deployment,
            pytest.raises(Undetermined, match="The call to create a client") as caught,
            closing(deployment.fetcher),
        ):
            lifecycle.create(deployment)
    assert caught.value.reason is Reason.UNREACHABLE


def test_commands_are_run_instead_of_calls(tmp_path: Path) -> None:
    document = json.dumps({"i": 7, "s": SECRET})
    printing = f"print({document!r})"
    writing = "import sys; open('gone', 'w').write(sys.argv[1])"
    calls = f"""
[client_lifecycle.create]
command = {json.dumps([sys.executable, "-c", printing])}
id = "/i"
secret = "/s"
[client_lifecycle.revoke]
command = {json.dumps([sys.executable, "-c", writing, "{id}"])}
[consent]
key_lifecycle = true
"""
    with deployed(tmp_path, fine, calls) as (deployment, _, server):
        made = lifecycle.create(deployment)
        lifecycle.revoke(deployment, made)
    assert (made.id, made.secret) == ("7", SECRET)
    assert (tmp_path / "gone").read_text() == "7"
    assert server.requests == []


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    calls = """
[client_lifecycle]
create = { command = ["false"] }
revoke = { command = ["true", "{id}"] }
"""
    with (
        deployed(tmp_path, fine, calls) as (deployment, _, _),
        pytest.raises(Undetermined, match=r"command to create a client: .* code 1"),
    ):
        lifecycle.create(deployment)


def test_a_client_that_another_check_creates_is_kept_secret_and_removed(
    tmp_path: Path,
) -> None:
    with deployed(tmp_path, fine) as (deployment, recorded, server):
        deployment.client.send(Probe(method="POST", target="/clients"), check="x.y")
        assert SECRET not in json.dumps(to_json(recorded))
        assert deployment.undo() == ()
        assert server.requests[-1].startswith(b"POST /gone")
