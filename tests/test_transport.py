"""Every exchange ends by its deadline, at whatever stage the target dawdles."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import httpcore
import httpx
import pytest

from tests import servers
from tollproof.transport import DeadlineTransport, tls_context

#: Seconds an exchange is given here, and how much later than that it may end: a hang
#: would last for ever.
GIVEN, AMPLE = 0.4, 20.0


def transport(**more: object) -> DeadlineTransport:
    return DeadlineTransport(context=tls_context(), connections=2, **more)  # type: ignore[arg-type]


def request(url: str) -> httpx.Request:
    return httpx.Request("GET", url)


@pytest.mark.parametrize(
    "handler",
    [
        servers.silent,
        servers.trickle(b"HTTP/1.1 200 OK\r\nX: ", every=0.05),
        servers.trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", every=0.05),
    ],
    ids=["silence", "a header by the byte", "a body by the byte"],
)
def test_no_exchange_outlasts_its_deadline(handler: servers.Handler) -> None:
    """A byte now and then passes every bound of a single read."""
    one = transport()

    def exchange(url: str) -> None:
        with one.deadline(GIVEN):
            list(one.handle_request(request(url)).iter_raw())

    with servers.scripted(handler) as server:
        started = time.monotonic()
        with pytest.raises(httpcore.TimeoutException):
            exchange(server.origin)
        assert GIVEN <= time.monotonic() - started < GIVEN + AMPLE
        one.close()


def test_a_handshake_by_the_byte_ends_too() -> None:
    one = transport()
    with servers.scripted(servers.slow_handshake(every=0.05)) as server:
        secure = server.origin.replace("http:", "https:")
        with (
            one.deadline(GIVEN),
            pytest.raises((httpcore.TimeoutException, httpcore.NetworkError)),
        ):
            one.handle_request(request(secure))
        one.close()


def test_a_deadline_is_over_with_its_block() -> None:
    """The next exchange of the same thread has its own time, on the same connection."""
    fine = servers.answer(200, [], b"fine")
    one = transport()
    with servers.scripted(servers.answers(fine, fine)) as server:
        for _ in range(2):
            with one.deadline(AMPLE):
                response = one.handle_request(request(server.origin))
                assert b"".join(response.iter_raw()) == b"fine"
                response.close()
        assert server.accepted == 1
        one.close()


def test_a_proxy_is_shown_its_own_credentials_and_no_others() -> None:
    fine = servers.answer(200, [], b"fine")
    with servers.scripted(servers.answers(fine)) as proxy:
        one = transport(proxy=f"http://user:secret@{proxy.host}:{proxy.port}")
        with one.deadline(AMPLE):
            response = one.handle_request(request("http://api.invalid/x"))
            assert b"".join(response.iter_raw()) == b"fine"
        one.close()
    (sent,) = proxy.requests
    assert sent.startswith(b"GET http://api.invalid/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in sent


def test_an_authority_of_ones_own_is_trusted_where_it_is_given(tmp_path: Path) -> None:
    server_side, authority = servers.certified()
    (tmp_path / "ca.pem").write_text(authority)
    fine = servers.answers(servers.answer(200, [], b"fine"))
    for context, trusted in (
        (tls_context(ca=tmp_path / "ca.pem"), True),
        (tls_context(verify=False), True),
        (tls_context(), False),
    ):
        one = DeadlineTransport(context=context, connections=2)
        with servers.scripted(fine, tls=server_side) as server, one.deadline(AMPLE):
            if trusted:
                assert one.handle_request(request(server.origin)).status_code == 200
            else:
                with pytest.raises(httpcore.ConnectError, match="self-signed"):
                    one.handle_request(request(server.origin))
        one.close()


def test_files_that_are_no_certificates_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        tls_context(ca=bad)
    with pytest.raises(OSError, match="No such file"):
        tls_context(ca=tmp_path / "nowhere.pem")
