"""A token is acquired once, shared, renewed in time; a bad endpoint is not stormed."""

from __future__ import annotations

import json
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest

from tests.servers import Connection, Server, scripted
from tollproof.errors import Undetermined
from tollproof.identity import oauth
from tollproof.identity.fetching import Fetcher
from tollproof.identity.oauth import Client, ClientCredentials, basic
from tollproof.model import Reason
from tollproof.redaction import Redactor

Answering = Callable[[int], bytes]


def answer(
    document: object, status: str = "200 OK", kind: str = "application/json"
) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def grant(number: int, **more: object) -> bytes:
    token = f"at-{number:04}-abcdefghijklmnop"
    return answer(
        {"access_token": token, "token_type": "Bearer", "expires_in": 300, **more}
    )


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def endpoint(
    answering: Answering,
    *,
    method: oauth.Method = "client_secret_post",
    wait: float = 5,
) -> Iterator[tuple[ClientCredentials, Server, Clock]]:
    lock = threading.Lock()
    count = 0

    def handler(connection: Connection) -> None:
        nonlocal count
        while connection.request():
            with lock:
                count += 1
                number = count
            connection.send(answering(number))

    clock = Clock()
    with scripted(handler) as server:
        fetcher = Fetcher(ssl.create_default_context(), seconds=wait)
        yield (
            ClientCredentials(
                name="svc",
                client=Client(
                    url=f"{server.origin}/token",
                    id="id",
                    secret="s3cr3t-of-the-client",
                    scope=("read", "write"),
                    method=method,
                ),
                fetcher=fetcher,
                redactor=Redactor(),
                clock=clock,
            ),
            server,
            clock,
        )
        fetcher.close()


def _form(request: bytes) -> dict[str, list[str]]:
    return parse_qs(request.partition(b"\r\n\r\n")[2].decode())


def test_the_request_is_as_the_specification_says() -> None:
    with endpoint(grant) as (mechanism, server, _):
        mechanism.credential()
        assert server.requests[0].startswith(b"POST /token HTTP/1.1\r\n")
        assert _form(server.requests[0]) == {
            "grant_type": ["client_credentials"],
            "scope": ["read write"],
            "client_id": ["id"],
            "client_secret": ["s3cr3t-of-the-client"],
        }


def test_basic_carries_the_secret_and_the_body_does_not() -> None:
    with endpoint(grant, method="client_secret_basic") as (mechanism, server, _):
        mechanism.credential()
        request = server.requests[0].decode()
        assert basic("id", "s3cr3t-of-the-client") in request
        assert "client_secret" not in request


def test_basic_encodes_what_would_be_misread() -> None:
    assert b64decode(basic("a:b", "c d").split()[1]) == b"a%3Ab:c+d"


def test_one_token_is_shared_by_many_threads() -> None:
    with endpoint(grant) as (mechanism, server, _):
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.append(mechanism.credential().value))
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(found) == {"at-0001-abcdefghijklmnop"}
        assert len(found) == 16
        assert len(server.requests) == 1


def test_it_is_renewed_before_it_expires_and_no_sooner() -> None:
    with endpoint(grant) as (mechanism, server, clock):
        first = mechanism.credential()
        clock.now += 289
        assert mechanism.credential() == first
        clock.now += 2
        assert mechanism.credential() != first
        assert len(server.requests) == 2


def test_a_short_life_is_used_for_half_of_it() -> None:
    with endpoint(lambda number: grant(number, expires_in=3)) as (mechanism, _, clock):
        first = mechanism.credential()
        clock.now += 1.4
        assert mechanism.credential() == first
        clock.now += 0.2
        assert mechanism.credential() != first


def test_a_token_that_says_no_life_is_kept() -> None:
    with endpoint(lambda n: answer({"access_token": f"token-{n}-abcdef"})) as (
        mechanism,
        server,
        clock,
    ):
        mechanism.credential()
        clock.now += 1e9
        mechanism.credential()
        assert len(server.requests) == 1


def test_after_a_401_it_is_renewed_once_for_all() -> None:
    with endpoint(grant) as (mechanism, server, _):
        refused = mechanism.credential()
        renewed = {mechanism.renew(refused).value for _ in range(5)}
        assert renewed == {"at-0002-abcdefghijklmnop"}
        assert len(server.requests) == 2


BAD: dict[str, tuple[bytes, str, Reason]] = {
    "html": (
        answer(b"<h1>hello</h1>", kind="text/html"),
        "text/html that is not JSON",
        Reason.PRECONDITION,
    ),
    "429": (answer({}, "429 Too Many"), "answers 429", Reason.THROTTLED),
    "503": (answer({}, "503 Busy"), "answers 503", Reason.UNREACHABLE),
    "redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: /token\r\nContent-Length: 0\r\n\r\n",
        "redirects",
        Reason.PRECONDITION,
    ),
    "refusal": (
        answer({"error": "invalid_client"}, "401 Unauthorized"),
        r"401 \(invalid_client\)",
        Reason.PRECONDITION,
    ),
    "a list": (answer([1]), "not an object", Reason.PRECONDITION),
    "nothing": (answer({}), "no access_token", Reason.PRECONDITION),
    "no text": (answer({"access_token": 7}), "no access_token", Reason.PRECONDITION),
    "a line break": (
        answer({"access_token": "a\r\nX: y"}),
        "no header field can carry",
        Reason.PRECONDITION,
    ),
    "mac": (
        answer({"access_token": "abc", "token_type": "mac"}),
        "not a bearer token",
        Reason.PRECONDITION,
    ),
    "negative": (grant(1, expires_in=-1), "not a positive", Reason.PRECONDITION),
    "never": (grant(1, expires_in="soon"), "not a positive", Reason.PRECONDITION),
    "huge": (
        answer(b'{"access_token": "' + b"x" * 300_000 + b'"}'),
        "more than 262144 bytes",
        Reason.PRECONDITION,
    ),
    "deep": (answer(b"[" * 100_000), "not JSON", Reason.PRECONDITION),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "cannot be reached", Reason.UNREACHABLE),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_said_and_not_asked_for_again(name: str) -> None:
    raw, says, reason = BAD[name]
    with endpoint(lambda _: raw) as (mechanism, server, clock):
        for _ in range(20):
            with pytest.raises(Undetermined, match=says) as caught:
                mechanism.credential()
        assert caught.value.reason is reason
        assert len(server.requests) == 1
        clock.now += oauth.PAUSE + 1
        with pytest.raises(Undetermined, match=says):
            mechanism.credential()
        assert len(server.requests) == 2


def test_a_slow_endpoint_is_given_up() -> None:
    def dribble(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not connection.wait(0.02):
            connection.send(b" ")

    with scripted(dribble) as server:
        fetcher = Fetcher(ssl.create_default_context(), seconds=0.3)
        mechanism = ClientCredentials(
            name="svc",
            client=Client(url=server.origin, id="i", secret="secret-secret"),
            fetcher=fetcher,
            redactor=Redactor(),
        )
        with pytest.raises(Undetermined, match="no complete answer") as caught:
            mechanism.credential()
        assert caught.value.reason is Reason.UNREACHABLE
        fetcher.close()


def test_the_requests_of_a_run_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "MOST", 4)
    with endpoint(grant) as (mechanism, server, clock):
        for _ in range(4):
            mechanism.credential()
            clock.now += 1000
        with pytest.raises(Undetermined, match="no more") as caught:
            mechanism.credential()
        assert caught.value.reason is Reason.BUDGET
        assert len(server.requests) == 4


def test_neither_secret_nor_token_shows() -> None:
    with endpoint(grant) as (mechanism, _, _clock):
        token = mechanism.credential()
        shown = repr(mechanism) + repr(token) + repr(mechanism.client)
        assert "s3cr3t" not in shown
        assert "at-0001" not in shown
        assert "[redacted" in mechanism.redactor.redact(f"Bearer {token.value}")
