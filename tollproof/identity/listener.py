"""A listener that records who calls it, and hands out keys of ours.

A verifier that follows `jku`, `x5u` or a `kid` that is a URL comes here: the call is
the proof, whatever it then does with the key. Knows HTTP to the extent of a GET. Must
not know what is judged by its calls.
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from textwrap import wrap
from urllib.parse import urlsplit

#: Calls that are kept; a target gone wild must not fill the memory.
MOST = 1000
#: Seconds a caller may take over its request.
PATIENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that reached the listener.

    Attributes:
        path: as it stood on the request line, at most 500 characters.
        address: the caller's IP address.
    """

    method: str
    path: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the listener hands out.

    Attributes:
        jwks: a JWK set, for every path but those under `/x5u/`.
        chain: certificates in base64 DER, as PEM for paths under `/x5u/`.
    """

    jwks: object
    chain: tuple[str, ...] = ()

    def answer(self, path: str) -> tuple[str, bytes]:
        """Return media type and body for a path."""
        if path.startswith("/x5u/"):
            return "application/pem-certificate-chain", "".join(
                map(_pem, self.chain)
            ).encode("ascii")
        return "application/json", json.dumps(self.jwks).encode()


def _pem(der: str) -> str:
    b64decode(der, validate=True)
    lines = "\n".join(wrap(der, 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


@dataclass(slots=True)
class Listener:
    """A running listener.

    Attributes:
        url: `http://host:port`, without a path.
    """

    url: str
    _calls: list[Call] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def calls(self, beginning: str = "/") -> tuple[Call, ...]:
        """Return the calls so far to paths that begin so."""
        with self._arrived:
            return tuple(
                item for item in self._calls if item.path.startswith(beginning)
            )

    def wait(self, seconds: float, beginning: str = "/") -> tuple[Call, ...]:
        """Return the calls to such paths, waiting for the first one if need be."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: any(item.path.startswith(beginning) for item in self._calls),
                seconds,
            )
        return self.calls(beginning)

    def _record(self, call: Call) -> None:
        with self._arrived:
            if len(self._calls) < MOST:
                self._calls.append(call)
            self._arrived.notify_all()


@contextmanager
def listening(
    offer: Offer, *, host: str = "127.0.0.1", port: int = 0, name: str = ""
) -> Iterator[Listener]:
    """Listen until the block ends.

    Args:
        host: the address to bind.
        port: 0 for any free one.
        name: the host under which the target reaches it, when not the address.

    Raises:
        OSError: the address cannot be bound.
    """
    with _Server((host, port), offer) as server:
        bound = server.server_address[1]
        shown = name or host
        listener = Listener(f"http://{f'[{shown}]' if ':' in shown else shown}:{bound}")
        server.listener = listener
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], offer: Offer) -> None:
        self.offer = offer
        self.listener = Listener("")
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a caller that hangs up is not our business."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server_version = "tollproof"
    sys_version = ""

    def do_GET(self) -> None:
        server = self.server
        if not isinstance(server, _Server):
            return
        server.listener._record(
            Call(
                method=self.command,
                path=self.path[:500],
                address=str(self.client_address[0]),
            )
        )
        kind, body = server.offer.answer(urlsplit(self.path).path)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing on the terminal."""
