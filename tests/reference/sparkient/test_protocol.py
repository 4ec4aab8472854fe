"""What cannot be read is answered in the envelope, in order, and ends it there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.sparkient.caller import Caller, json_of
from tollproof.reference.launch import serving

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /api/v1/decide HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def call() -> Iterator[Caller]:
    with serving(limit=100_000, in_process=True) as deployment:
        caller = Caller(deployment)
        yield caller
        caller.close()


def live(call: Caller) -> bytes:
    return b"Authorization: Bearer %s\r\n" % call.keys["alpha"].encode()


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /health\r\n\r\n", 400),
        (b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"G@T /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health#top HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
        (
            POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /" + b"a" * 300_000, 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 300_000, 431),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (CLOSING.replace(b"/health", b"http://x/health"), 200),
        (HEALTH + CLOSING, 200),
    ],
)
def test_messages_by_the_byte(call: Caller, payload: bytes, status: int) -> None:
    reply = call.raw(payload)
    assert reply.status == status
    assert reply.fields["connection"] == "close"
    assert reply.fields["content-type"] == "application/json"
    assert reply.fields["x-content-type-options"] == "nosniff"
    assert reply.fields["x-request-id"]
    assert "server" not in reply.fields
    if status >= 400:
        assert reply.fields["cache-control"] == "no-store"
        assert set(json_of(reply)["error"]) == {"code", "message"}


def test_answers_go_out_in_the_order_of_requests(call: Caller) -> None:
    assert call.raw(HEALTH + HEALTH + b"nonsense\r\n\r\n").count == 3
    queued = HEALTH + POST + live(call) + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    reply = call.raw(queued)
    assert (reply.count, reply.status) == (2, 400)


def test_nothing_after_an_unreadable_message_is_a_message(call: Caller) -> None:
    reply = call.raw(b"nonsense\r\n\r\n" + HEALTH)
    assert (reply.count, reply.status) == (1, 400)


def test_a_body_that_breaks_off_within_is_refused_once(call: Caller) -> None:
    request = POST + live(call) + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
    parts = urlparts(call)
    with socket.create_connection(parts, 20) as connection:
        connection.sendall(request)
        connection.sendall(b"zz\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 400 ")


def test_a_body_too_large_is_refused_before_it_is_asked_for(call: Caller) -> None:
    fields = b"Expect: 100-continue\r\nContent-Length: 9999999\r\nConnection: close\r\n"
    reply = call.raw(POST + live(call) + fields + b"\r\n")
    assert (reply.count, reply.status) == (1, 413)


def test_who_is_still_sending_gets_the_answer_too(call: Caller) -> None:
    fields = b"Content-Length: 4000000\r\nConnection: close\r\n\r\n"
    for who, status in ((live(call), 413), (b"", 401)):
        reply = call.raw(POST + who + fields + b" " * 4_000_000)
        assert (reply.count, reply.status) == (1, status)


def urlparts(call: Caller) -> tuple[str, int]:
    host, port = call.deployment.base_url.removeprefix("http://").split(":")
    return host, int(port)


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_an_offer_to_upgrade_is_not_taken(call: Caller, upgrade: bytes) -> None:
    fields = b"Connection: Upgrade\r\nUpgrade: %s\r\n" % upgrade
    reply = call.raw(b"GET /health HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
    assert reply.status == 200


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_no_bytes_make_the_server_fail(call: Caller, noise: bytes) -> None:
    # The line break ends what might be the beginning of a request.
    reply = call.raw(noise + b"\r\n\r\nX\r\n\r\n")
    assert 400 <= reply.status < 500
