"""The listener records who calls, hands out keys, and survives its callers."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from tollproof.identity import listener as listening_module
from tollproof.identity.listener import Offer, listening

OFFER = Offer(jwks={"keys": []}, chain=("AAAA",))


def test_a_call_is_recorded_with_its_path() -> None:
    with listening(OFFER) as listener:
        answer = httpx.get(f"{listener.url}/jwks/jku?x=1")
        assert answer.json() == {"keys": []}
        (call,) = listener.calls("/jwks")
        assert (call.method, call.path) == ("GET", "/jwks/jku?x=1")
        assert call.address == "127.0.0.1"
        assert listener.calls("/x5u") == ()


def test_certificates_are_handed_out_as_pem() -> None:
    with listening(OFFER) as listener:
        answer = httpx.get(f"{listener.url}/x5u/chain")
        assert answer.text.startswith("-----BEGIN CERTIFICATE-----\nAAAA\n")


def test_nobody_called() -> None:
    with listening(OFFER) as listener:
        assert listener.wait(0.01) == ()


def test_waiting_ends_when_somebody_calls() -> None:
    with listening(OFFER) as listener:
        caller = threading.Thread(target=httpx.get, args=(f"{listener.url}/late",))
        caller.start()
        assert [call.path for call in listener.wait(10.0)] == ["/late"]
        caller.join()


@pytest.mark.filterwarnings("error")
def test_a_caller_that_sends_nonsense_or_hangs_up_is_survived() -> None:
    with listening(OFFER) as listener:
        address = urlsplit(listener.url)
        for payload in (b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n"):
            with socket.create_connection((address.hostname, address.port)) as sock:
                sock.sendall(payload)
        assert httpx.head(f"{listener.url}/alive").status_code == 200


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "MOST", 3)
    with listening(OFFER) as listener, httpx.Client() as client:
        for number in range(5):
            client.get(f"{listener.url}/{number}")
        assert len(listener.calls()) == 3


def test_a_taken_address_is_an_error() -> None:
    with listening(OFFER) as listener:
        port = urlsplit(listener.url).port or 0
        # The server lets an address be used again, so it is taken by another kind.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            busy = taken.getsockname()[1]
            with (
                pytest.raises(OSError, match=r"."),
                listening(OFFER, port=busy),
            ):
                pass
        assert port
