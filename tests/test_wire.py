"""The raw prober reads what can be read and survives every hostile peer."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import servers
from tests.servers import Handler, Server, answer, answers, says, scripted
from tollproof.model import Failure, FailureKind
from tollproof.wire import Address, Limits, RawAnswer, request_bytes, send_raw

#: Patient enough for a busy machine; a test that waits it out has found a fault.
PATIENT = Limits(connect=20, total=30, header_bytes=16_384, body_bytes=100_000)
#: For peers that never finish: the deadline is what is tested.
HASTY = Limits(connect=0.4, total=0.4, header_bytes=16_384, body_bytes=100_000)
GET = request_bytes(b"GET", b"/", b"loopback")


def plain(server: Server) -> Address:
    return Address(host=server.host, port=server.port)


def probe(
    handler: Handler,
    payload: bytes = GET,
    *,
    limits: Limits = PATIENT,
    method: str = "GET",
) -> RawAnswer | Failure:
    with scripted(handler) as server:
        return send_raw(plain(server), payload, limits=limits, method=method)


def answered(outcome: RawAnswer | Failure) -> RawAnswer:
    assert isinstance(outcome, RawAnswer), outcome
    return outcome


def failed(outcome: RawAnswer | Failure) -> Failure:
    assert isinstance(outcome, Failure), outcome
    return outcome


@contextmanager
def in_time(limits: Limits) -> Iterator[None]:
    """Allow an exchange three of its deadlines, for a machine that is busy."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 3 * limits.total + 2


class TestRequestBytes:
    def test_the_caller_decides_every_byte(self) -> None:
        request = request_bytes(
            b"G\x00T",
            b"/a b?\xff",
            b"h",
            [(b"X\r\nInjected", b"a\x01"), (b"x", b"1"), (b"x", b"2")],
            version=b"HTTP/9",
        )
        assert request == (
            b"G\x00T /a b?\xff HTTP/9\r\nHost: h\r\n"
            b"X\r\nInjected: a\x01\r\nx: 1\r\nx: 2\r\n\r\n"
        )

    def test_a_body_is_framed_unless_the_headers_frame_it(self) -> None:
        assert b"Content-Length: 3\r\n" in request_bytes(
            b"POST", b"/", b"h", (), b"abc"
        )
        for name in (b"content-length", b"Transfer-Encoding ", b"CONTENT-LENGTH"):
            request = request_bytes(b"POST", b"/", b"h", [(name, b"9")], b"abc")
            assert b"Content-Length: 3" not in request
            assert request.endswith(b"\r\n\r\nabc")

    def test_host_can_be_left_out(self) -> None:
        assert request_bytes(b"GET", b"/", None) == b"GET / HTTP/1.1\r\n\r\n"

    @given(st.binary(max_size=300))
    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    def test_what_is_sent_is_what_arrives(self, junk: bytes) -> None:
        payload = b"GET /\r\nX: " + junk.replace(b"\r\n\r\n", b"") + b"\r\n\r\n"
        with scripted(says(answer())) as server:
            send_raw(plain(server), payload, limits=PATIENT)
        (seen,) = server.requests
        assert seen == payload[: payload.find(b"\r\n\r\n") + 4]


class TestAddress:
    def test_of_an_origin(self) -> None:
        context = ssl.create_default_context()
        assert Address.of("http://a:81", context) == Address(host="a", port=81)
        secure = Address.of("https://[::1]", context)
        assert (secure.host, secure.port, secure.tls) == ("::1", 443, context)

    @pytest.mark.parametrize("origin", ["ftp://a", "a:80", "http://", ""])
    def test_refuses_what_is_no_origin(self, origin: str) -> None:
        with pytest.raises(ValueError, match="origin"):
            Address.of(origin, ssl.create_default_context())


class TestReading:
    def test_everything_of_a_response(self) -> None:
        headers = [("X-Twice", "a"), ("x-twice", "\xe9")]
        seen = answered(probe(answers(answer(418, headers, b"tea"))))
        assert (seen.http_version, seen.status, seen.reason) == (
            "HTTP/1.1",
            418,
            "Scripted",
        )
        assert seen.headers == (("Content-Length", "3"), *headers)
        assert (seen.body, seen.truncated) == (b"tea", False)

    @pytest.mark.parametrize(
        ("raw", "status", "body"),
        [
            (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
            (b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old"),
            (b"HTTP/1.1 400\r\nContent-Length: 0\r\n\r\n", 400, b""),
            (b"HTTP/1.1 400 Bad\nContent-Length: 2\n\nhi", 400, b"hi"),
            (b"HTTP/1.1 204 None\r\n\r\n", 204, b""),
            (b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", 304, b""),
            (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
                200,
                b"!",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
                200,
                b"abcde",
            ),
        ],
    )
    def test_odd_but_readable(self, raw: bytes, status: int, body: bytes) -> None:
        seen = answered(probe(says(raw)))
        assert (seen.status, seen.body, seen.truncated) == (status, body, False)

    def test_byte_by_byte(self) -> None:
        raw = answer(200, [("A", "b")], b"body")
        parts = [bytes((code,)) for code in raw]
        assert answered(probe(says(*parts))).body == b"body"

    def test_an_answer_to_head_has_no_body(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
        payload = request_bytes(b"HEAD", b"/", b"h")
        seen = answered(probe(says(head, then=servers.silent), payload, method="HEAD"))
        assert (seen.status, seen.body, seen.truncated) == (200, b"", False)

    def test_an_opened_tunnel_has_no_body(self) -> None:
        said = says(b"HTTP/1.1 200 OK\r\n\r\n", then=servers.silent)
        assert answered(probe(said, method="CONNECT")).status == 200

    def test_redirects_are_not_followed(self) -> None:
        with scripted(servers.redirects("/again")) as server:
            seen = answered(send_raw(plain(server), GET, limits=PATIENT))
        assert (seen.status, len(server.requests)) == (302, 1)

    def test_an_early_refusal_of_a_large_request_is_read(self) -> None:
        payload = request_bytes(b"GET", b"/", b"h", [(b"X", b"x" * 5_000_000)])
        refusal = servers.refuses_early(answer(431, body=b"too large"), after=10_000)
        outcome = probe(refusal, payload)
        # The reset that follows may overtake the answer; a hang or a raise may not.
        if isinstance(outcome, RawAnswer):
            assert outcome.status == 431
        else:
            assert outcome.kind is FailureKind.CLOSED

    def test_a_refusal_is_read_while_the_request_cannot_be_written(self) -> None:
        payload = request_bytes(b"GET", b"/", b"h", [(b"X", b"x" * 20_000_000)])

        def refuse(connection: servers.Connection) -> None:
            connection.send(answer(431))
            connection.wait()

        assert answered(probe(refuse, payload)).status == 431


class TestBounds:
    @pytest.mark.parametrize("handler", [servers.endless_body, servers.endless_chunks])
    def test_endless_bodies_are_cut(self, handler: Handler) -> None:
        seen = answered(probe(handler))
        assert seen.truncated
        assert seen.body == b"x" * PATIENT.body_bytes

    def test_a_body_of_just_the_limit_is_whole(self) -> None:
        body = b"x" * PATIENT.body_bytes
        seen = answered(probe(answers(answer(body=body))))
        assert (seen.body, seen.truncated) == (body, False)

    @pytest.mark.parametrize(
        "handler",
        [servers.endless_headers, servers.interim_flood, servers.huge_header(50_000)],
    )
    def test_endless_headers_are_refused(self, handler: Handler) -> None:
        assert failed(probe(handler)).kind is FailureKind.PROTOCOL

    def test_compressed_bodies_stay_compressed(self) -> None:
        seen = answered(probe(servers.gzip_bomb(10_000_000)))
        assert seen.body.startswith(b"\x1f\x8b")
        assert len(seen.body) < 50_000

    @pytest.mark.parametrize(
        "prefix",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n",
        ],
    )
    def test_a_trickle_does_not_prolong_the_exchange(self, prefix: bytes) -> None:
        handler = servers.trickle(prefix, every=HASTY.total / 8)
        with in_time(HASTY):
            outcome = failed(probe(handler, limits=HASTY))
        assert outcome.kind is FailureKind.TIMEOUT

    def test_a_peer_that_never_reads(self) -> None:
        payload = request_bytes(b"GET", b"/", b"h", [(b"X", b"x" * 20_000_000)])
        with in_time(HASTY):
            outcome = failed(probe(servers.silent, payload, limits=HASTY))
        assert outcome.kind is FailureKind.TIMEOUT

    def test_silence(self) -> None:
        with in_time(HASTY):
            outcome = failed(probe(servers.silent, limits=HASTY))
        assert outcome.kind is FailureKind.TIMEOUT


class TestFailures:
    @pytest.mark.parametrize("handler", [servers.closes, servers.resets])
    def test_closed_without_an_answer(self, handler: Handler) -> None:
        assert failed(probe(handler)).kind is FailureKind.CLOSED

    @pytest.mark.parametrize("raw", [b"H", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nA: b"])
    def test_closed_in_the_middle_of_the_head(self, raw: bytes) -> None:
        outcome = failed(probe(says(raw)))
        assert outcome.kind is FailureKind.CLOSED
        assert "middle" in outcome.detail

    @pytest.mark.parametrize(
        "raw",
        [
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"no line end",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
            b"\0" * 100_000,
        ],
    )
    def test_not_http(self, raw: bytes) -> None:
        assert failed(probe(says(raw))).kind is FailureKind.PROTOCOL

    def test_garbage(self) -> None:
        assert failed(probe(servers.garbage)).kind is FailureKind.PROTOCOL

    @pytest.mark.parametrize(
        "handler",
        [
            servers.wrong_length(100, b"short"),
            says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort"),
            says(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nZ"
            ),
        ],
        ids=["length", "chunk", "chunk-end"],
    )
    def test_a_body_cut_short_is_still_an_answer(self, handler: Handler) -> None:
        seen = answered(probe(handler))
        assert (seen.status, seen.body, seen.truncated) == (200, b"short", True)

    def test_more_than_announced_is_not_read(self) -> None:
        seen = answered(probe(servers.wrong_length(2, b"abcdef")))
        assert (seen.body, seen.truncated) == (b"ab", False)

    def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = Address(host="127.0.0.1", port=unused.getsockname()[1])
            outcome = failed(send_raw(address, GET, limits=PATIENT))
        assert outcome.kind is FailureKind.CONNECT

    @pytest.mark.parametrize("host", ["host.invalid", "a" * 70 + ".invalid", "a..b"])
    def test_no_such_host(self, host: str) -> None:
        outcome = failed(send_raw(Address(host=host, port=80), GET, limits=HASTY))
        assert outcome.kind is FailureKind.CONNECT

    @given(st.binary(max_size=400))
    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    def test_nothing_a_peer_says_raises(self, said: bytes) -> None:
        for raw in (said, b"HTTP/1.1 200 OK\r\n" + said):
            assert isinstance(probe(says(raw)), RawAnswer | Failure)


class TestTls:
    def test_an_exchange(self) -> None:
        serving, trusting = servers.tls_contexts()
        body = b"x" * PATIENT.body_bytes
        payload = request_bytes(b"POST", b"/", b"h", (), b"y" * 2_000_000)
        with scripted(answers(answer(201, body=body)), tls=serving) as server:
            address = Address.of(server.origin, trusting)
            seen = answered(send_raw(address, payload, limits=PATIENT))
        assert (seen.status, seen.body) == (201, body)
        assert server.requests == [payload]

    def test_a_body_until_the_end_of_the_connection(self) -> None:
        serving, trusting = servers.tls_contexts()
        said = says(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        with scripted(said, tls=serving) as server:
            address = Address.of(server.origin, trusting)
            assert answered(send_raw(address, GET, limits=PATIENT)).body == (
                b"until the end"
            )

    def test_a_certificate_for_another_name(self) -> None:
        serving, trusting = servers.tls_contexts()
        with scripted(servers.silent, tls=serving) as server:
            address = Address(
                host=server.host,
                port=server.port,
                tls=trusting,
                server_name="api.example",
            )
            outcome = failed(send_raw(address, GET, limits=PATIENT))
        assert outcome.kind is FailureKind.TLS
        assert "api.example" in outcome.detail

    def test_an_untrusted_certificate(self) -> None:
        serving, _ = servers.tls_contexts()
        with scripted(servers.silent, tls=serving) as server:
            address = Address.of(server.origin, ssl.create_default_context())
            outcome = failed(send_raw(address, GET, limits=PATIENT))
        assert outcome.kind is FailureKind.TLS

    @pytest.mark.parametrize(
        "handler",
        [says(b"HTTP/1.1 400 Bad\r\n\r\n"), servers.resets, servers.closes],
        ids=["http", "resets", "closes"],
    )
    def test_a_peer_that_speaks_no_tls(self, handler: Handler) -> None:
        _, trusting = servers.tls_contexts()
        limits = Limits(connect=0.4, total=30)
        with scripted(handler) as server, in_time(Limits(total=limits.connect)):
            address = Address(host=server.host, port=server.port, tls=trusting)
            outcome = failed(send_raw(address, GET, limits=limits))
        assert outcome.kind is FailureKind.TLS

    @pytest.mark.parametrize(
        "handler", [servers.silent, servers.slow_handshake(every=0.05)]
    )
    def test_a_handshake_that_never_ends(self, handler: Handler) -> None:
        _, trusting = servers.tls_contexts()
        limits = Limits(connect=0.4, total=30)
        with scripted(handler) as server, in_time(Limits(total=limits.connect)):
            address = Address(host=server.host, port=server.port, tls=trusting)
            outcome = failed(send_raw(address, GET, limits=limits))
        assert outcome.kind is FailureKind.TLS
        assert "within the time allowed" in outcome.detail
