"""The client against real sockets: hostile answers, budgets, the breaker, redaction."""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests import servers
from tollproof.breaker import THRESHOLD
from tollproof.client import (
    LONG_BODY,
    RECORDED_BODY,
    Client,
    ClientSettings,
    Probe,
    origin_of,
)
from tollproof.common import Common, Place
from tollproof.errors import NotAsked, Undetermined, UsageError
from tollproof.model import Exchange, FailureKind, Reason
from tollproof.redaction import Credential, Redactor
from tollproof.transport import tls_context
from tollproof.wire import Limits, request_bytes

TOTAL = 1.0
LIMITS = Limits(
    connect=TOTAL, total=TOTAL, body_bytes=100_000, decompressed_bytes=100_000
)
GET = Probe(method="GET", target="/x")


def make(
    *origins: str,
    record: Callable[[Exchange], None] = lambda _: None,
    redactor: Redactor | None = None,
    **settings: object,
) -> Client:
    given = ClientSettings(origins=origins, context=tls_context(), limits=LIMITS)
    given = replace(given, **settings)  # type: ignore[arg-type]
    return Client(given, redactor=redactor or Redactor(), record=record, worker="t")


def test_an_exchange_is_recorded_as_it_was() -> None:
    kept: list[Exchange] = []
    response = servers.answer(
        201, [("Content-Type", "application/json"), ("X-A", "1"), ("X-A", "2")], b"{}"
    )
    with (
        servers.scripted(servers.answers(response)) as server,
        make(server.origin, record=kept.append, run_id="run-7") as client,
    ):
        probe = Probe(
            method="POST",
            target="/a/../b?x=%20#",
            headers=(("Content-Type", "text/plain"), ("x-own", "v\xfc")),
            body=b"hello",
            identity="alpha",
            operation="POST /b",
            purpose="to see",
        )
        exchange = client.send(probe, check="suite.slug")

    assert kept == [exchange]
    assert (exchange.id, exchange.status, exchange.check) == ("t-1", 201, "suite.slug")
    assert exchange.response is not None
    assert exchange.response.header_list("x-a") == ("1", "2")
    assert (exchange.identity, exchange.operation) == ("alpha", "POST /b")
    sent = server.requests[0]
    assert sent.startswith(b"POST /a/../b?x=%20# HTTP/1.1\r\n")
    for line in (
        b"x-own: v\xfc",
        b"Content-Length: 5",
        b"X-Tollproof-Run: run-7",
        b"User-Agent: tollproof/",
    ):
        assert line.lower() in sent.lower()
    assert sent.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("at", [-40, -17, -5, 0, 1])
@pytest.mark.parametrize("raw", [False, True], ids=["body", "raw"])
def test_a_credential_across_the_end_of_what_is_recorded_is_hidden(
    at: int, raw: bool
) -> None:
    secret = "sk_live_4f9Qz7Lm2Xw8Rt6Vb1Nc"
    redactor = Redactor()
    redactor.add(Credential(label="alpha", value=secret))
    text = b"." * (RECORDED_BODY + at) + secret.encode() + b"." * 100_000
    probe = replace(GET, raw=text) if raw else replace(GET, method="POST", body=text)
    with (
        servers.scripted(servers.answers(servers.answer(200))) as server,
        make(server.origin, redactor=redactor) as client,
    ):
        request = client.send(probe).request

    assert len(request.body) == RECORDED_BODY
    assert request.body_bytes == len(text)
    assert set(request.body[RECORDED_BODY + at :]) <= set("[redacted:alpha].")
    assert "sk_live" not in request.body


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (servers.silent, FailureKind.TIMEOUT),
        (servers.closes, FailureKind.CLOSED),
        (servers.resets, FailureKind.CLOSED),
        (servers.garbage, FailureKind.CLOSED),
        (servers.endless_headers, FailureKind.PROTOCOL),
        (servers.interim_flood, FailureKind.TIMEOUT),
        (servers.trickle(b"", every=0.05), FailureKind.TIMEOUT),
        (servers.trickle(b"HTTP/1.1 200 OK\r\nX: ", every=0.05), FailureKind.TIMEOUT),
        (
            servers.trickle(b"HTTP/1.1 200 OK\r\n\r\n", every=0.05),
            FailureKind.TIMEOUT,
        ),
        (servers.wrong_length(100, b"short"), FailureKind.PROTOCOL),
        (servers.huge_header(200_000), FailureKind.PROTOCOL),
    ],
    ids=[
        "silent",
        "closes",
        "resets",
        "garbage",
        "endless headers",
        "interim flood",
        "trickled nonsense",
        "trickled header",
        "trickled body",
        "wrong length",
        "huge header",
    ],
)
def test_a_hostile_answer_is_a_failure_in_time(
    handler: servers.Handler, kind: FailureKind
) -> None:
    """Whatever the target does, the exchange ends by its deadline, and says how."""
    with servers.scripted(handler) as server, make(server.origin) as client:
        started = time.monotonic()
        exchange = client.send(GET)
        elapsed = time.monotonic() - started

    assert exchange.response is None
    assert exchange.failure is not None
    assert exchange.failure.kind is kind
    assert exchange.failure.detail
    assert elapsed < 10 * TOTAL


@pytest.mark.parametrize(
    "handler",
    [servers.endless_body, servers.endless_chunks, servers.gzip_bomb(50_000_000)],
    ids=["endless body", "endless chunks", "decompression bomb"],
)
def test_a_body_without_end_is_cut(handler: servers.Handler) -> None:
    with servers.scripted(handler) as server, make(server.origin) as client:
        exchange = client.send(GET)

    assert exchange.response is not None
    assert exchange.response.truncated
    assert exchange.response.body_bytes <= LIMITS.body_bytes


def test_compressed_bodies_are_read() -> None:
    body = gzip.compress(b'{"a": "hello"}')
    response = servers.answer(200, [("Content-Encoding", "gzip")], body)
    with (
        servers.scripted(servers.answers(response)) as server,
        make(server.origin) as client,
    ):
        exchange = client.send(GET)

    assert exchange.response is not None
    assert exchange.response.body == '{"a": "hello"}'
    assert not exchange.response.truncated


def test_bad_compression_is_a_failure() -> None:
    response = servers.answer(200, [("Content-Encoding", "gzip")], b"not gzip at all")
    with (
        servers.scripted(servers.answers(response)) as server,
        make(server.origin) as client,
    ):
        exchange = client.send(GET)

    assert exchange.failure is not None
    assert exchange.failure.kind is FailureKind.DECOMPRESSION


def test_redirects_are_shown_and_not_followed() -> None:
    with (
        servers.scripted(servers.answers(servers.answer())) as other,
        servers.scripted(servers.redirects(f"{other.origin}/steal")) as server,
        make(server.origin) as client,
    ):
        exchange = client.send(GET)

    assert exchange.status == 302
    assert other.accepted == 0


def test_only_the_deployment_is_reached() -> None:
    with make("http://127.0.0.1:9") as client:
        probe = replace(GET, origin="http://127.0.0.1:10")
        with pytest.raises(ValueError, match="not an origin"):
            client.send(probe)


def test_a_raw_request_goes_out_to_the_byte() -> None:
    payload = request_bytes(b"GET", b"/\x01", b"h", [(b"A", b"\x00\xff")])
    with (
        servers.scripted(servers.answers(servers.answer(400))) as server,
        make(server.origin) as client,
    ):
        exchange = client.send(replace(GET, raw=payload))

    assert server.requests == [payload]
    assert exchange.request.raw
    assert exchange.status == 400


# -- budgets -------------------------------------------------------------------------


def test_the_budget_of_requests_is_kept_by_many_threads() -> None:
    with (
        servers.scripted(servers.answers(servers.answer())) as server,
        make(server.origin, requests=30, concurrency=8) as client,
    ):
        assert len(client.send_all([GET] * 30)) == 30
        with pytest.raises(Undetermined) as caught:
            client.send(GET)

    assert caught.value.reason is Reason.BUDGET
    assert "30 requests" in caught.value.sentence
    assert len(server.requests) == 30
    assert client.traffic().requests == 30
    assert client.traffic().by_status == {"200": 30}


def test_what_forked_processes_send_is_counted_together() -> None:
    with (
        contextlib.closing(Common()) as common,
        servers.scripted(servers.answers(servers.answer())) as server,
        make(server.origin, requests=5, per_second=20.0) as one,
        make(server.origin, requests=5, per_second=20.0) as other,
    ):
        one.send(GET)
        one.share(common)
        other.share(common)
        with common.held(Place.ACCOUNT) as figures:
            figures.count = 1  # `other` began as a copy of `one`
        other.begin_anew("u")
        started = time.monotonic()
        sent = [client.send(GET).id for client in (other, one, other, one)]
        taken = time.monotonic() - started
        for client in (one, other):
            with pytest.raises(Undetermined, match="5 requests"):
                client.send(GET)

    assert sent == ["u-2", "t-3", "u-4", "t-5"]
    assert taken >= 3 / 20
    assert len(server.requests) == 5


def test_the_budget_of_time_is_kept() -> None:
    with (
        servers.scripted(servers.answers(servers.answer())) as server,
        make(server.origin, seconds=1e-9) as client,
        pytest.raises(Undetermined) as caught,
    ):
        client.send(GET)

    assert caught.value.reason is Reason.BUDGET
    assert not server.requests


def test_pacing_spreads_probes() -> None:
    """20 probes at 40 a second take at least 19/40 of a second, at any concurrency."""
    with (
        servers.scripted(servers.answers(servers.answer())) as server,
        make(server.origin, per_second=40.0, concurrency=8) as client,
    ):
        started = time.monotonic()
        client.send_all([GET] * 20)

        assert time.monotonic() - started >= 19 / 40


def test_a_dead_target_is_not_asked_again_and_again() -> None:
    """After a few silences the rest is inconclusive at once, without a request."""
    with servers.scripted(servers.closes) as server:
        origin = server.origin
    kept: list[Exchange] = []
    with make(origin, record=kept.append) as client:
        for _ in range(THRESHOLD):
            failure = client.send(GET).failure
            assert failure is not None
            assert failure.kind is FailureKind.CONNECT
        with pytest.raises(NotAsked) as caught:
            client.send(GET)

    assert caught.value.reason is Reason.UNREACHABLE
    assert len(kept) == THRESHOLD


def test_one_answer_clears_the_count() -> None:
    with (
        servers.scripted(servers.answers(servers.answer())) as server,
        make(server.origin) as client,
    ):
        for _ in range(5):
            assert client.send(GET).status == 200


# -- redaction -----------------------------------------------------------------------

SECRET = "sk_live_Qm9vN3kTz8XwLr5YpVd2HcJf6GsAeUbK"


def test_a_credential_never_reaches_the_record() -> None:
    """Sent in every part of a request and echoed in every part of a response."""
    kept: list[Exchange] = []
    redactor = Redactor()
    redactor.add(Credential(label="alpha", value=SECRET, public_prefix="sk_live_"))
    echo = servers.answer(
        400,
        [("X-Echo", SECRET), ("Set-Cookie", f"k={SECRET}; Path=/")],
        f'{{"you sent": "{SECRET}"}}'.encode(),
    )
    probe = Probe(
        method="POST",
        target=f"/x?key={SECRET}",
        headers=(("Authorization", f"Bearer {SECRET}"),),
        body=f'{{"key": "{SECRET}"}}'.encode(),
    )
    payload = request_bytes(b"GET", b"/", b"h", [(b"Authorization", SECRET.encode())])
    with (
        servers.scripted(servers.answers(echo)) as server,
        make(server.origin, record=kept.append, redactor=redactor) as client,
    ):
        exchange = client.send(probe)
        client.send(replace(probe, raw=payload))

    assert all(SECRET[8:] not in repr(item) for item in kept)
    assert SECRET.encode() in server.requests[0]
    assert exchange.request.headers[-1] == ("Authorization", "Bearer [redacted:alpha]")
    assert {leak.place for leak in exchange.leaks} >= {"body"}
    assert all(leak.credential == "alpha" for leak in exchange.leaks)


# -- TLS, proxy, documents -----------------------------------------------------------


def test_tls_is_verified_against_the_given_authority() -> None:
    server_side, client_side = servers.tls_contexts()
    handler = servers.answers(servers.answer())
    with servers.scripted(handler, tls=server_side) as server:
        with make(server.origin, context=client_side) as client:
            assert client.send(GET).status == 200
        with make(server.origin) as client:
            failure = client.send(GET).failure

    assert failure is not None
    assert failure.kind is FailureKind.TLS
    assert "certificate" in failure.detail.lower()


def test_a_proxy_is_used_when_one_is_given() -> None:
    with (
        servers.scripted(servers.answers(servers.answer(204, body=b""))) as proxy,
        make("http://target.invalid", proxy=proxy.origin) as client,
    ):
        exchange = client.send(GET)

    assert exchange.status == 204
    assert proxy.requests[0].startswith(b"GET http://target.invalid/x HTTP/1.1")


def test_a_document_is_fetched_without_being_counted() -> None:
    with (
        servers.scripted(servers.answers(servers.answer(body=b"openapi"))) as server,
        make(server.origin, requests=1) as client,
    ):
        assert client.fetch(f"{server.origin}/openapi.json", 1000) == "openapi"
        assert client.traffic().requests == 0
        with pytest.raises(UsageError, match="more than 3 bytes"):
            client.fetch(f"{server.origin}/openapi.json", 3)


def test_a_missing_document_says_so() -> None:
    with (
        servers.scripted(servers.answers(servers.answer(404))) as server,
        make(server.origin) as client,
        pytest.raises(UsageError, match="404"),
    ):
        client.fetch(f"{server.origin}/openapi.json", 1000)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.example/x?y", "http://a.example"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("https://user:pw@a.example/x", "https://a.example"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("length", "kept"), [(LONG_BODY, True), (LONG_BODY + 1, False)]
)
def test_a_connection_with_a_long_body_is_not_used_again(
    length: int, kept: bool
) -> None:
    """It may be answered before it is read, and the connection closed after that."""
    probe = Probe(method="POST", target="/x", body=b"b" * length)
    with (
        servers.scripted(servers.answers(servers.answer())) as server,
        make(server.origin) as client,
    ):
        exchange = client.send(probe)
        client.send(probe)

    assert (("Connection", "close") in exchange.request.headers) is not kept
    assert (b"connection: close" in server.requests[0].lower()) is not kept
    assert server.accepted == (1 if kept else 2)
