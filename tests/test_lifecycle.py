"""Keys are created, listed and revoked; what fails is said, and nothing follows it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploying import ALPHA, KEY, THINGS, deployment_of, identity, profile_at
from tests.servers import Connection, scripted
from tollproof import lifecycle
from tollproof.deployment import Deployment
from tollproof.errors import Undetermined
from tollproof.model import Exchange, to_json

CALLS = """
[lifecycle]
by = "alpha"
create = { method = "POST", path = "/keys", body = { name = "x" } }
list = { method = "GET", path = "/keys", items = "/keys", shown = "/shown" }
revoke = { method = "DELETE", path = "/keys/{id}" }
[consent]
key_lifecycle = true
"""
NEW = "tp_live_Bn5Qs8Wd2Fg7Hj4Kl9Zx3Cv6"
Answers = Callable[[str, str], tuple[int, object]]


@contextmanager
def deployed(
    folder: Path, answers: Answers, *parts: str
) -> Iterator[tuple[Deployment, list[Exchange], list[bytes]]]:
    """Open a deployment whose answers are a function of method and path."""

    def handler(connection: Connection) -> None:
        while request := connection.request():
            method, path, _ = request.split(b"\r\n")[0].decode().split(" ")
            status, document = answers(method, path)
            body = json.dumps(document).encode()
            connection.send(
                b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (status, len(body), body)
            )

    recorded: list[Exchange] = []
    with scripted(handler) as server:
        profile = profile_at(
            folder / "p.toml", server.origin, THINGS, ALPHA, *(parts or (CALLS,))
        )
        with deployment_of(profile, record=recorded.append) as deployment:
            yield deployment, recorded, server.requests


def numbered() -> Answers:
    made = iter(range(1000))

    def answers(method: str, path: str) -> tuple[int, object]:
        if method == "POST":
            number = next(made)
            return 201, {"id": number, "key": f"{NEW}{number:03}"}
        if method == "GET":
            return 200, {"keys": [{"id": 0, "shown": "tp_…000"}, {"id": "b"}, {}]}
        return 200, None

    return answers


def test_a_key_is_never_recorded(tmp_path: Path) -> None:
    with deployed(tmp_path, numbered()) as (deployment, recorded, _):
        key = lifecycle.create(deployment, "some.check")
        assert (key.id, key.value) == ("0", f"{NEW}000")
        assert NEW not in json.dumps(to_json(recorded))
        assert NEW not in repr(key)
        assert deployment.redactor.holds(f"x {key.value} y")
        assert ("Authorization", f"Bearer {key.value}") in lifecycle.showing(
            deployment, key
        )


def test_listing_reads_ids_of_any_kind(tmp_path: Path) -> None:
    with deployed(tmp_path, numbered()) as (deployment, _, _):
        found = lifecycle.listing(deployment, "")
    assert not found.partial
    assert [(item.id, item.shown) for item in found.keys] == [
        ("0", "tp_…000"),
        ("b", None),
    ]


def test_what_was_created_and_not_revoked_is_removed_in_the_end(tmp_path: Path) -> None:
    with deployed(tmp_path, numbered()) as (deployment, _, requests):
        first, second = (lifecycle.create(deployment, "") for _ in range(2))
        lifecycle.revoke(deployment, first, "")
        assert deployment.undo() == ()
        gone = [item.split(b" ")[1] for item in requests if item[:6] == b"DELETE"]
    assert gone == [f"/keys/{first.id}".encode(), f"/keys/{second.id}".encode()]


def test_what_cannot_be_removed_is_listed(tmp_path: Path) -> None:
    answers = numbered()

    def stubborn(method: str, path: str) -> tuple[int, object]:
        return (500, {}) if method == "DELETE" else answers(method, path)

    with deployed(tmp_path, stubborn) as (deployment, _, _):
        lifecycle.create(deployment, "")
        (left,) = deployment.undo()
    assert "created key 1 (id 0)" in left
    assert "answered 500" in left
    assert NEW not in left


@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_creation_without_an_answer_may_have_left_a_key(
    tmp_path: Path, status: int
) -> None:
    def answers(method: str, path: str) -> tuple[int, object]:
        if method == "POST" and not status:
            raise ConnectionResetError
        return status if method == "POST" else 200, None

    with deployed(tmp_path, answers) as (deployment, _, requests):
        with pytest.raises(Undetermined):
            lifecycle.create(deployment, "some.check")
        (left,) = deployment.undo()
        assert "may be left" in left
        assert len(requests) == 1


@pytest.mark.parametrize("status", [400, 403, 409, 429])
def test_a_creation_that_is_refused_leaves_nothing(tmp_path: Path, status: int) -> None:
    with deployed(tmp_path, lambda method, path: (status, None)) as (deployment, _, __):
        with pytest.raises(Undetermined):
            lifecycle.create(deployment, "some.check")
        assert deployment.undo() == ()


def test_a_key_that_is_gone_already_is_not_left_over(tmp_path: Path) -> None:
    answers = numbered()
    deletions = iter((200, 404, 404))

    def forgetful(method: str, path: str) -> tuple[int, object]:
        return (next(deletions), {}) if method == "DELETE" else answers(method, path)

    with deployed(tmp_path, forgetful) as (deployment, _, _):
        for _ in range(3):
            lifecycle.create(deployment, "")
        assert deployment.undo() == ()


def test_a_call_that_never_worked_removes_nothing(tmp_path: Path) -> None:
    answers = numbered()

    def wrong(method: str, path: str) -> tuple[int, object]:
        return (404, {}) if method == "DELETE" else answers(method, path)

    with deployed(tmp_path, wrong) as (deployment, _, _):
        lifecycle.create(deployment, "")
        (left,) = deployment.undo()
    assert "answered 404" in left


def test_a_throttled_removal_waits_for_the_end_of_the_window(tmp_path: Path) -> None:
    answers = numbered()
    deletions = iter((429, 200, 200))
    limit = "[promises.rate_limit]\nlimit = 5\nwindow = 0.2\n"

    def busy(method: str, path: str) -> tuple[int, object]:
        return (next(deletions), {}) if method == "DELETE" else answers(method, path)

    with deployed(tmp_path, busy, CALLS, limit) as (deployment, _, _):
        for _ in range(2):
            lifecycle.create(deployment, "")
        assert deployment.undo() == ()


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (500, {}, "answered 500"),
        (201, {"id": "1"}, "holds none"),
        (201, {"id": True, "key": NEW}, "holds none"),
        (201, [], "holds none"),
        (429, {}, "throttled"),
    ],
)
def test_after_a_step_that_fails_nothing_is_written(
    tmp_path: Path, status: int, document: object, said: str
) -> None:
    with deployed(tmp_path, lambda *_: (status, document)) as (deployment, _, requests):
        for _ in range(3):
            with pytest.raises(Undetermined, match=said):
                lifecycle.create(deployment, "")
        with pytest.raises(Undetermined, match=said):
            lifecycle.listing(deployment, "")
        assert len(requests) == 1


@pytest.mark.parametrize("same", ["id", "key"])
def test_the_same_key_twice_ends_it(tmp_path: Path, same: str) -> None:
    made = iter(range(100))

    def answers(method: str, path: str) -> tuple[int, object]:
        number = next(made)
        fresh = {"id": number, "key": f"{NEW}{number:03}"}
        return 201, {**fresh, same: "x" if same == "id" else NEW}

    with deployed(tmp_path, answers) as (deployment, _, requests):
        lifecycle.create(deployment, "")
        with pytest.raises(Undetermined, match="given out twice"):
            lifecycle.create(deployment, "")
        with pytest.raises(Undetermined, match="given out twice"):
            lifecycle.create(deployment, "")
        (repeated,) = lifecycle.book(deployment).repeated
        assert (repeated.what, repeated.former) == (same, "created key 1")
        assert len(requests) == 2


def test_keys_that_any_probe_creates_are_known_and_removed(tmp_path: Path) -> None:
    posts = '[[target.operations]]\nmethod = "POST"\npath = "/keys"\n'
    with deployed(tmp_path, numbered(), posts, CALLS) as (deployment, recorded, _):
        (operation,) = (item for item in deployment.operations if item.method == "POST")
        alpha = deployment.identities["alpha"]
        deployment.client.send(deployment.probe(operation, alpha))
        assert NEW not in json.dumps(to_json(recorded))
        assert len(deployment.cleanup) == 1
        assert deployment.undo() == ()


def test_the_creator_removes_what_it_created(tmp_path: Path) -> None:
    posts = '[[target.operations]]\nmethod = "POST"\npath = "/keys"\n'
    with deployed(tmp_path, numbered(), posts, CALLS, identity("beta")) as (
        deployment,
        recorded,
        _,
    ):
        (operation,) = (item for item in deployment.operations if item.method == "POST")
        beta = deployment.identities["beta"]
        deployment.client.send(deployment.probe(operation, beta))
        assert deployment.undo() == ()
    assert [item.identity for item in recorded] == ["beta", "beta"]


def test_without_consent_they_are_listed_and_left(tmp_path: Path) -> None:
    calls = CALLS.replace("key_lifecycle = true", "writes = true")
    posts = '[[target.operations]]\nmethod = "POST"\npath = "/keys"\n'
    with deployed(tmp_path, numbered(), posts, calls) as (deployment, _, requests):
        (operation,) = (item for item in deployment.operations if item.method == "POST")
        alpha = deployment.identities["alpha"]
        deployment.client.send(deployment.probe(operation, alpha))
        (left,) = deployment.undo()
        assert "consent.key_lifecycle" in left
        assert len(requests) == 1


def test_commands_do_as_well_as_calls(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(
        f"import json; print(json.dumps({{'id': 'k1', 'key': {NEW!r}}}))"
    )
    (tmp_path / "end.py").write_text(
        "import pathlib, sys; pathlib.Path('ended').write_text(sys.argv[1])"
    )
    python = json.dumps(sys.executable)
    commands = f"""
[lifecycle]
create = {{ command = [{python}, "make.py"] }}
revoke = {{ command = [{python}, "end.py", "{{id}}"] }}
[consent]
key_lifecycle = true
"""
    with deployed(tmp_path, numbered(), commands) as (deployment, _, requests):
        key = lifecycle.create(deployment, "")
        assert key.value == NEW
        assert deployment.redactor.holds(NEW)
        lifecycle.revoke(deployment, key, "")
        assert requests == []
    assert (tmp_path / "ended").read_text() == "k1"


@pytest.mark.parametrize(
    ("document", "left"),
    [({"id": "k1", "data": NEW}, 0), ({"key": NEW}, 1), ({"a": {"b": [NEW]}}, 1)],
)
@pytest.mark.parametrize("by_command", [False, True])
def test_a_key_that_is_elsewhere_is_redacted_and_removed_or_listed(
    tmp_path: Path, document: object, left: int, by_command: bool
) -> None:
    (tmp_path / "make.py").write_text(f"print({json.dumps(document)!r})")
    (tmp_path / "end.py").write_text("")
    python = json.dumps(sys.executable)
    commands = f"""
[lifecycle]
create = {{ command = [{python}, "make.py"] }}
revoke = {{ command = [{python}, "end.py", "{{id}}"] }}
[consent]
key_lifecycle = true
"""

    def answers(method: str, path: str) -> tuple[int, object]:
        return (201 if method == "POST" else 200), document

    part = commands if by_command else CALLS
    with deployed(tmp_path, answers, part) as (deployment, recorded, _):
        with pytest.raises(Undetermined, match="holds none"):
            lifecycle.create(deployment, "")
        assert deployment.redactor.holds(f"x {NEW} y")
        sentences = deployment.undo()
        assert len(sentences) == left
        assert all("revoke it by hand" in sentence for sentence in sentences)
        assert NEW not in json.dumps(to_json(recorded))


def test_what_a_refusal_says_is_no_credential(tmp_path: Path) -> None:
    """An error says the same each time: it must not be taken for a leak."""
    document = {"code": "ERR_Too_Many_Keys_1234567890", "key": NEW}
    with deployed(tmp_path, lambda *_: (403, document)) as (deployment, _, _):
        with pytest.raises(Undetermined, match="answered 403"):
            lifecycle.create(deployment, "")
        assert deployment.redactor.holds(json.dumps(document)) is None
        assert deployment.undo() == ()


def test_a_command_that_fails_does_not_show_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(f"import sys; print({NEW!r}); sys.exit(3)")
    python = json.dumps(sys.executable)
    commands = f"""
[lifecycle]
create = {{ command = [{python}, "make.py"] }}
revoke = {{ command = [{python}, "{{id}}"] }}
"""
    with (
        deployed(tmp_path, numbered(), commands) as (deployment, _, _),
        pytest.raises(Undetermined, match="ended with code 3") as raised,
    ):
        lifecycle.create(deployment, "")
    assert NEW not in str(raised.value)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(("pages", "partial"), [(3, False), (90, True)])
def test_a_listing_is_followed_from_page_to_page(
    tmp_path: Path, pages: int, partial: bool
) -> None:
    def handler(connection: Connection) -> None:
        while request := connection.request():
            path = request.split(b" ")[1].decode()
            page = int(path.partition("page=")[2] or 1)
            body = json.dumps({"keys": [{"id": page}]}).encode()
            more = b'Link: </keys?page=%d>; rel="next"\r\n' % (page + 1)
            connection.send(
                b"HTTP/1.1 200 X\r\n%sContent-Length: %d\r\n\r\n%s"
                % (more if page < pages else b"", len(body), body)
            )

    with scripted(handler) as server:
        profile = profile_at(tmp_path / "p.toml", server.origin, THINGS, ALPHA, CALLS)
        with deployment_of(profile) as deployment:
            found = lifecycle.listing(deployment, "")
    assert found.partial is partial
    assert [item.id for item in found.keys][:3] == ["1", "2", "3"]
    assert len(found.keys) == min(pages, 50)
