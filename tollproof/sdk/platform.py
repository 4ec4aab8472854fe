"""The scripted platform: answers by a scenario and writes down all that arrives.

On loopback, two listeners: the platform itself and a stranger's host, where nothing
that is secret should ever arrive. Everything is bounded: requests in all, bytes of
each, connections, time. Knows HTTP/1.1 and one scenario. Must not know which arrivals
are right, nor any SDK.
"""

from __future__ import annotations

import contextlib
import json
import math
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal, NamedTuple

import h11

from tollproof.sdk.scenario import Answer, Grant, Headers, Scenario

#: Bytes of a request's body that are kept; of its head, h11 has a limit of its own.
BODY = 1 << 16
#: Seconds that a connection may be idle.
IDLE = 30.0
#: Connections in all, per listener: the storm limit counts requests, this one sockets.
CONNECTIONS = 400
#: Where a page in a browser tells what came of it.
REPORT = "/tollproof/report"

Place = Literal["platform", "elsewhere"]
Kind = Literal["api", "token", "page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request as it came in, and what was answered.

    Attributes:
        at: when it had arrived, on the monotonic clock, in seconds.
        wall: the same by the time of day, Unix seconds.
        place: at the platform, or at the stranger's host.
        kind: a call of the API, a request for a token, or a page of ours.
        status: what was answered; 0 when the connection was cut instead.
        reply: header fields and body of the answer.
        answered: when the answer was sent, on the monotonic clock.
        expired: it showed an access token whose life had ended.
        token: the access token that it was granted.
    """

    number: int
    at: float
    wall: float
    place: Place
    kind: Kind
    method: str
    target: str
    headers: Headers
    body: bytes
    status: int
    reply: tuple[Headers, bytes]
    answered: float
    expired: bool = False
    token: str = field(default="", repr=False)

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a header field."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key.lower() == wanted)


class _Request(NamedTuple):
    method: str
    target: str
    headers: Headers
    body: bytes


class _Reply(NamedTuple):
    status: int
    headers: Headers
    body: bytes
    token: str = ""


class Platform:
    """Answers for the length of a `with` block.

    Args:
        scenario: what is answered.
        token_path: where access tokens are granted.
        known: header fields, name and value, that count as a live credential.
        granted: told each access token before it is sent, so that it can be redacted.
        stormed: called once when there were too many requests.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        token_path: str,
        known: Headers = (),
        granted: Callable[[str], None] = lambda _: None,
        stormed: Callable[[], None] = lambda: None,
    ) -> None:
        self._scenario = scenario
        self._token_path = token_path
        self._known = {(name.lower(), value) for name, value in known}
        self._granted, self._stormed = granted, stormed
        self._lock = threading.Lock()
        self._arrivals: list[Arrival] = []
        self._count = self._numbers = self._api = self._tokens = 0
        self._lives: dict[str, float] = {}
        self._revoked: set[str] = set()
        self._reported = threading.Event()
        self._report = ""
        self._listeners: list[_Listener] = []

    def __enter__(self) -> Platform:
        self._listeners = [
            _Listener(self._serve("platform"), ("127.0.0.1",)),
            # The same machine under another name, by whichever address it has it.
            _Listener(self._serve("elsewhere"), ("127.0.0.1", "::1")),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.close()

    @property
    def url(self) -> str:
        """Where the platform is."""
        return f"http://127.0.0.1:{self._listeners[0].port}"

    @property
    def elsewhere(self) -> str:
        """The stranger's host."""
        return f"http://localhost:{self._listeners[1].port}"

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Everything that has been answered so far, in order of arrival."""
        with self._lock:
            return tuple(sorted(self._arrivals, key=lambda item: item.number))

    @property
    def storm(self) -> bool:
        """Whether more requests came than the scenario allows."""
        with self._lock:
            return self._count > self._scenario.limit

    def report(self, seconds: float) -> str | None:
        """Wait for a page to tell what came of it; None when it never does."""
        return self._report if self._reported.wait(seconds) else None

    # -- answering -------------------------------------------------------------------

    def _serve(self, place: Place) -> Callable[[_Request], _Reply | None]:
        def answer(request: _Request) -> _Reply | None:
            at, wall = time.monotonic(), time.time()
            with self._lock:
                kind = self._kind(request)
                if kind != "page":
                    self._count += 1
                over = self._count - self._scenario.limit
                self._numbers += 1
                number = self._numbers
                expired = self._is_expired(request, at)
                planned = None if over > 0 else self._plan(request, kind, place, at)
            if over == 1:
                self._stormed()
            if over > 0:
                return None
            delay, reply = planned if planned else (0.0, None)
            if delay:
                time.sleep(delay)
            with self._lock:
                self._arrivals.append(
                    Arrival(
                        number=number,
                        at=at,
                        wall=wall,
                        place=place,
                        kind=kind,
                        method=request.method,
                        target=request.target,
                        headers=request.headers,
                        body=request.body,
                        status=reply.status if reply else 0,
                        reply=(reply.headers, reply.body) if reply else ((), b""),
                        answered=time.monotonic(),
                        expired=expired,
                        token=reply.token if reply else "",
                    )
                )
            return reply

        return answer

    def _kind(self, request: _Request) -> Kind:
        path = request.target.partition("?")[0]
        if path == REPORT or any(path == page for page, *_ in self._scenario.pages):
            return "page"
        return "token" if path == self._token_path else "api"

    def _plan(
        self, request: _Request, kind: Kind, place: Place, at: float
    ) -> tuple[float, _Reply | None] | None:
        """Choose the answer; the lock is held."""
        if place == "elsewhere":
            return 0.0, _json(200, {"status": "ok"})
        if kind == "page":
            return 0.0, self._page(request)
        chosen: Answer | Grant
        if kind == "token":
            answers = self._scenario.tokens
            chosen = answers[min(self._tokens, len(answers) - 1)]
            self._tokens += 1
        elif self._scenario.guarded and not self._is_known(request):
            return 0.0, _json(401, {"error": "a valid credential is needed"})
        else:
            chosen = self._scenario.api[min(self._api, len(self._scenario.api) - 1)]
            self._api += 1
        if isinstance(chosen, Grant):
            return chosen.delay, self._grant(chosen, at)
        return chosen.delay, self._answer(chosen, request)

    def _grant(self, grant: Grant, at: float) -> _Reply:
        token = f"tp.{secrets.token_hex(16)}.{secrets.token_urlsafe(18)}"
        self._granted(token)
        # Counted from the arrival of the answer at the latest: never too early.
        self._lives[token] = at + grant.delay + grant.expires_in
        document = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": grant.expires_in,
            "refresh_expires_in": 0,
            "not-before-policy": 0,
            "scope": "spark",
        }
        reply = _json(200, document)
        return reply._replace(
            token=token, headers=(*reply.headers, ("Cache-Control", "no-store"))
        )

    def _answer(self, answer: Answer, request: _Request) -> _Reply | None:
        if answer.reset:
            return None
        if answer.revokes:
            self._revoked |= set(_bearers(request))
        headers = [*answer.headers]
        if answer.body:
            headers.append(("Content-Type", "application/json"))
        if answer.redirect:
            headers.append(("Location", f"{self.elsewhere}/moved"))
        if answer.retry_after is not None:
            form, seconds = answer.retry_after
            headers.append(("Retry-After", _retry_after(form, seconds)))
        if answer.status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        return _Reply(answer.status, tuple(headers), answer.body)

    def _page(self, request: _Request) -> _Reply:
        path = request.target.partition("?")[0]
        if path == REPORT:
            self._report = request.body.decode("utf-8", "replace")
            self._reported.set()
            return _json(200, {})
        found = {name: (kind, text) for name, kind, text in self._scenario.pages}
        kind, text = found[path]
        return _Reply(200, (("Content-Type", kind),), text.encode())

    def _is_known(self, request: _Request) -> bool:
        if any((name.lower(), value) in self._known for name, value in request.headers):
            return True
        return any(
            token in self._lives and token not in self._revoked
            for token in _bearers(request)
        )

    def _is_expired(self, request: _Request, at: float) -> bool:
        return any(at >= self._lives.get(token, at + 1) for token in _bearers(request))


def _bearers(request: _Request) -> Iterator[str]:
    for name, value in request.headers:
        if name.lower() == "authorization" and value[:7].lower() == "bearer ":
            yield value[7:].strip()


def _json(status: int, document: object) -> _Reply:
    fields: Headers = (("Content-Type", "application/json"),)
    if status == 401:
        fields += (("WWW-Authenticate", "Bearer"),)
    return _Reply(status, fields, json.dumps(document).encode())


def _retry_after(form: str, seconds: int) -> str:
    """Write a delay (RFC 9110, 10.2.3); a date is rounded up, so never too early."""
    if form == "seconds":
        return str(seconds)
    return formatdate(math.ceil(time.time() + seconds), usegmt=True)


# -- sockets -------------------------------------------------------------------------


class _Listener:
    """Accepts on one port, of several addresses, and serves each connection apart."""

    def __init__(
        self, answer: Callable[[_Request], _Reply | None], hosts: tuple[str, ...]
    ) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        first = socket.create_server((hosts[0], 0))
        self.port: int = first.getsockname()[1]
        self._servers = [first]
        for host in hosts[1:]:
            with contextlib.suppress(OSError):  # no IPv6, or the port is taken there
                self._servers.append(
                    socket.create_server(
                        (host, self.port), family=socket.AF_INET6, dualstack_ipv6=False
                    )
                )
        self._threads = [
            threading.Thread(target=self._accept, args=(server,), daemon=True)
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End every connection and thread of the listener."""
        with self._lock:
            self._closed = True
            rest = [*self._open]
        for server in self._servers:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            server.close()
        for one in rest:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self, server: socket.socket) -> None:
        for _ in range(CONNECTIONS):
            try:
                connection, _address = server.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._open.add(connection)
            threading.Thread(
                target=self._converse, args=(connection,), daemon=True
            ).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError, h11.ProtocolError):
                connection.settimeout(IDLE)
                self._exchange(connection)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _exchange(self, connection: socket.socket) -> None:
        wire = h11.Connection(h11.SERVER)
        while (request := _read(connection, wire)) is not None:
            reply = self._answer(request)
            if reply is None:
                _reset(connection)
                return
            _write(connection, wire, request, reply)
            if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
                return
            wire.start_next_cycle()


def _read(connection: socket.socket, wire: h11.Connection) -> _Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(connection.recv(1 << 16))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data[: BODY - len(body)]
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _Request(
                method=head.method.decode("ascii"),
                target=head.target.decode("ascii"),
                headers=tuple(
                    (name.decode("ascii"), value.decode("latin-1"))
                    for name, value in head.headers.raw_items()
                ),
                body=bytes(body),
            )
        else:
            return None


def _write(
    connection: socket.socket, wire: h11.Connection, request: _Request, reply: _Reply
) -> None:
    headers = [*reply.headers, ("Content-Length", str(len(reply.body)))]
    connection.sendall(
        wire.send(h11.Response(status_code=reply.status, headers=headers)) or b""
    )
    if request.method != "HEAD":
        connection.sendall(wire.send(h11.Data(data=reply.body)) or b"")
    connection.sendall(wire.send(h11.EndOfMessage()) or b"")


def _reset(connection: socket.socket) -> None:
    """Cut the connection with a RST instead of closing it in good order."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
