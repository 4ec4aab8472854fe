"""What is answered before there is a request: uvicorn's protocol, made to speak JSON.

A message that cannot be read is answered with the same envelope and header fields as
any other error, and then the connection is closed, for nobody knows where the next
message would begin (RFC 9112, 9.3 and 11.2). Who is still sending when it is answered
gets the answer nevertheless: a connection is closed in stages (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tollproof.reference.sparkient.errors import envelope
from tollproof.reference.sparkient.messages import Answer, Call

Finish = Callable[[Call, Answer], None]

#: Bytes of request line and header fields that are held in memory at all; what the
#: application allows is much less, and it can tell who sent them.
MOST_HELD = 256 * 1024
#: Bytes of a request target that the URL parser is given; it counts to 65,535.
MOST_PARSED = 60_000
#: Seconds that the rest of a request line or header is waited for.
PATIENCE = 5.0
#: Seconds that a peer is given to stop sending, once it has its last answer.
LINGER = 2.0
#: Bytes that are read and dropped after an answer that did not wait for the body.
MOST_DRAINED = 16 * 1024 * 1024


class _Unreadable(Exception):
    """Raised inside the parser's callbacks, which stops it."""


class _Exit:
    """What a request's handling sees of the transport: it leaves closing to us."""

    def __init__(self, transport: asyncio.Transport, leave: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = leave


def protocol(finish: Finish, most_held: int = MOST_HELD) -> type[HttpToolsProtocol]:
    """Return a protocol class that lets `finish` complete its own answers."""

    class EnvelopeProtocol(HttpToolsProtocol):
        _reading = ""  # which part of a message is being read
        _held = 0
        _drained = 0
        _later: Answer | None = None
        _waiting: asyncio.TimerHandle | None = None
        _leaving = False

        def data_received(self, data: bytes) -> None:
            if self._later is not None or self.transport.is_closing():
                return  # nothing after an unreadable message is a message
            if self._leaving:
                self._drop(len(data))
                return
            self._unset_keepalive_if_required()
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                # Upgrade is an offer (RFC 9110, 7.8): it is not taken, and the rest
                # of the connection cannot be told from the other protocol.
                self.cycle.keep_alive = False
                return
            except httptools.HttpParserError:
                self._refuse(400, "The request is not valid HTTP/1.1")
                return
            if self._reading in ("request line", "header"):
                self._hold(len(data))

        def _hold(self, size: int) -> None:
            """Keep part of a header, within bounds of size and time."""
            self._held += size
            if self._held > most_held:
                status = 414 if self._reading == "request line" else 431
                self._refuse(status, "The request is too long")
            elif self._waiting is None:
                self._waiting = self.loop.call_later(
                    PATIENCE, self._refuse, 408, "The request did not arrive in time"
                )

        def _stop_waiting(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._reading = "request line"
            self._held = 0

        def on_header(self, name: bytes, value: bytes) -> None:
            self._reading = "header"
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            # What is longer is refused anyway, but by the application, which can tell
            # who sent it. RFC 9112, 3.2: a target has no fragment.
            self.url = self.url[:MOST_PARSED]
            if b"#" in self.url:
                self._reading = "request line"
                raise _Unreadable
            if self.parser.get_http_version() not in ("1.0", "1.1"):
                self._reading = "request line"
                raise _Unreadable
            hosts = sum(name == b"host" for name, _ in self.headers)
            # RFC 9112, 3.2: 400 to any HTTP/1.1 message without Host, or with two.
            if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
                raise _Unreadable
            super().on_headers_complete()
            leaving = _Exit(self.transport, self._leave)
            self.cycle.transport = cast("asyncio.Transport", leaving)
            self._reading = "body"
            self._drained = 0

        def on_body(self, body: bytes) -> None:
            if self.cycle.response_complete:
                self._drop(len(body))
            super().on_body(body)

        def _drop(self, size: int) -> None:
            self._drained += size
            if self._drained > MOST_DRAINED:
                self.transport.close()

        def _leave(self) -> None:
            """Close, but not while the peer sends: a reset would eat the answer."""
            if self._reading and self.transport.can_write_eof():
                self._leaving = True
                self.transport.write_eof()
                self._waiting = self.loop.call_later(LINGER, self.transport.close)
            else:
                self.transport.close()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self._reading = ""

        def on_response_complete(self) -> None:
            if self._leaving:
                self.flow.resume_reading()
                return
            waiting = bool(self.pipeline)
            super().on_response_complete()
            if self._later is not None and not waiting:
                self._write(self._later)

        def _refuse(self, status: int, message: str) -> None:
            self._stop_waiting()
            call = Call(
                method="-",
                path="-",
                secure=self.scheme == "https",
                unread=self._reading or "request line",
            )
            answer = envelope(status, message)
            finish(call, answer)
            cycle = self.cycle
            if self._reading == "body" and self.pipeline:
                self.pipeline.popleft()  # the unreadable one is the last that came
                self._later = answer
            elif cycle is None or cycle.response_complete:
                self._write(answer)
            elif self._reading == "body":
                # The request that is being handled is the unreadable one.
                cycle.disconnected = True
                cycle.message_event.set()
                if not cycle.response_started:
                    self._write(answer)
                else:
                    self.transport.close()
            else:
                # Answers go out in the order of requests (RFC 9112, 9.3.2).
                self._later = answer

        def _write(self, answer: Answer) -> None:
            if self.transport.is_closing() or self._leaving:
                return
            lines = [STATUS_LINE[answer.status]]
            fields = [*self.server_state.default_headers, *answer.encoded()]
            for name, value in [*fields, (b"connection", b"close")]:
                lines += (name, b": ", value, b"\r\n")
            self.transport.write(b"".join([*lines, b"\r\n", answer.body]))
            self._reading = self._reading or "request line"
            self._leave()

    return EnvelopeProtocol
