"""HTTP/1.1 written byte by byte: sends what no HTTP library agrees to send.

Knows sockets, TLS and how to read an answer within bounds. Must not know profiles,
credentials or budgets. Whatever the peer does ends in an answer or a
:class:`~tollproof.model.Failure`, at the latest when the total time is up.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

from tollproof.model import Failure, FailureKind

#: Bytes asked of a socket at once: small, so that no limit is overrun by much.
_CHUNK = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a target's answer is waited for and read.

    Attributes:
        connect: seconds for the connection, its TLS handshake included.
        total: seconds for the whole exchange, a bound of the wall clock: a peer that
            sends a byte now and then does not prolong it.
        header_bytes: status line and header section, interim responses included.
        body_bytes: body as it travels; what exceeds it is left unread.
        decompressed_bytes: body after its content coding was undone.
    """

    connect: float = 5.0
    total: float = 15.0
    header_bytes: int = 65_536
    body_bytes: int = 4_194_304
    decompressed_bytes: int = 4_194_304


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to connect.

    Attributes:
        tls: the settings of the TLS handshake, or None for plain TCP.
        server_name: the name sent and verified in the handshake; `host` when empty.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    server_name: str = ""

    @classmethod
    def of(cls, origin: str, context: ssl.SSLContext) -> Address:
        """Take apart `scheme://host[:port]`; `context` serves for `https` only.

        Raises:
            ValueError: not an http or https origin.
        """
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an http(s) origin: {origin}")
        secure = parts.scheme == "https"
        return cls(
            host=parts.hostname,
            port=parts.port or (443 if secure else 80),
            tls=context if secure else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """The final response to a raw request, as it arrived.

    Attributes:
        headers: in order and in the peer's spelling, decoded as latin-1.
        body: transfer coding undone, content coding left in place.
        truncated: the body is not all of it: a limit was reached, or the peer closed
            the connection before the end it had announced.
    """

    http_version: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    truncated: bool = False


def request_bytes(
    method: bytes,
    target: bytes,
    host: bytes | None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """Put a request together without looking at any of its parts.

    `Host` comes first unless `host` is None. `Content-Length` is added only to a body
    for which the headers say nothing of its framing.
    """
    lines = [b"%s %s %s" % (method, target, version)]
    if host is not None:
        lines.append(b"Host: " + host)
    lines += (b"%s: %s" % header for header in headers)
    framing = {b"content-length", b"transfer-encoding"}
    if body and not framing & {name.strip().lower() for name, _ in headers}:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def send_raw(
    address: Address, payload: bytes, *, limits: Limits, method: str = "GET"
) -> RawAnswer | Failure:
    """Write `payload` on a connection of its own and read the one answer to it.

    Args:
        method: what the peer will take the request for: an answer to HEAD has no
            body, one to CONNECT none when it is 2xx (RFC 9112, 6.3).
    """
    deadline = time.monotonic() + limits.total
    connected = min(deadline, time.monotonic() + limits.connect)
    try:
        sock = _connect(address, connected)
    except _Failed as failed:
        return failed.failure
    with sock:
        try:
            return _exchange(sock, payload, _Reader(method, limits), deadline)
        except _Failed as failed:
            return failed.failure


class _Failed(Exception):
    def __init__(self, kind: FailureKind, detail: str) -> None:
        self.failure = Failure(kind=kind, detail=detail)
        super().__init__(detail)


# -- connection ----------------------------------------------------------------------


def _connect(address: Address, deadline: float) -> socket.socket:
    sock = _dial(address, deadline)
    if address.tls is None:
        return sock
    try:
        secured = address.tls.wrap_socket(
            sock,
            server_hostname=address.server_name or address.host,
            do_handshake_on_connect=False,
        )
    except (OSError, ValueError) as error:
        sock.close()
        raise _Failed(FailureKind.TLS, _text(error)) from None
    try:
        _handshake(secured, deadline)
    except _Failed:
        secured.close()
        raise
    return secured


def _dial(address: Address, deadline: float) -> socket.socket:
    """Try each of the host's addresses until one answers or the time is up."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Failed(FailureKind.CONNECT, _text(error)) from None
    reason = "no connection within the time allowed"
    for family, kind, protocol, _, place in found:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left)
            sock.connect(place)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        except TimeoutError:
            sock.close()
        except OSError as error:
            sock.close()
            reason = _text(error)
        else:
            return sock
    raise _Failed(FailureKind.CONNECT, reason)


def _handshake(sock: ssl.SSLSocket, deadline: float) -> None:
    while True:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            mask = select.POLLIN
        except ssl.SSLWantWriteError:
            mask = select.POLLOUT
        except (OSError, ValueError) as error:
            raise _Failed(FailureKind.TLS, _text(error)) from None
        else:
            return
        if not _ready(sock, mask, deadline):
            detail = "no TLS handshake within the time allowed"
            raise _Failed(FailureKind.TLS, detail)


def _ready(sock: socket.socket, mask: int, deadline: float) -> bool:
    """Wait until the socket is ready; False when the deadline comes first."""
    left = deadline - time.monotonic()
    if left <= 0:
        return False
    poll = select.poll()
    poll.register(sock, mask)
    return bool(poll.poll(left * 1000))


# -- exchange ------------------------------------------------------------------------


def _exchange(
    sock: socket.socket, payload: bytes, reader: _Reader, deadline: float
) -> RawAnswer:
    """Write and read at the same time: a peer may refuse before it has read it all."""
    unsent = memoryview(payload)
    while True:
        if time.monotonic() >= deadline:
            detail = "no complete answer in the time allowed"
            raise _Failed(FailureKind.TIMEOUT, detail)
        mask = select.POLLIN
        if unsent:
            try:
                unsent = unsent[sock.send(unsent) :]
                mask |= select.POLLOUT if unsent else 0
            except (BlockingIOError, ssl.SSLWantWriteError):
                mask |= select.POLLOUT
            except ssl.SSLWantReadError:
                pass
            except OSError:
                # The peer has stopped reading. What it said before is still readable.
                unsent = unsent[:0]
        try:
            data = sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            _ready(sock, mask, deadline)
            continue
        except ssl.SSLWantWriteError:
            _ready(sock, mask | select.POLLOUT, deadline)
            continue
        except OSError as error:
            return reader.end(_text(error))
        answer = reader.feed(data) if data else reader.end("")
        if answer is not None:
            return answer


class _Reader:
    """Reads one final response out of bytes, within the limits."""

    def __init__(self, method: str, limits: Limits) -> None:
        self._limits = limits
        self._http = h11.Connection(
            h11.CLIENT, max_incomplete_event_size=limits.header_bytes
        )
        # h11 only has to know which rules of framing hold for the answer.
        known = method.upper() if method.upper() in {"HEAD", "CONNECT"} else "GET"
        self._http.send(h11.Request(method=known, target="/", headers=[("Host", "-")]))
        self._http.send(h11.EndOfMessage())
        self._head: h11.Response | None = None
        self._header_bytes = 0
        self._start = b""
        self._body = bytearray()

    def feed(self, data: bytes) -> RawAnswer | None:
        """Take bytes; return the answer once it is complete or long enough."""
        self._start = self._start or data[:5]
        return self._read(data)

    def end(self, detail: str) -> RawAnswer:
        """Take the end of the connection, with the error that was its cause."""
        if not detail and (answer := self._read(b"")) is not None:
            return answer
        if self._head is not None:
            return self._answer(truncated=True)
        if self._start and not b"HTTP/".startswith(self._start[:5]):
            raise _Failed(FailureKind.PROTOCOL, "the answer is not HTTP")
        if self._start:
            detail = "the connection was closed in the middle of the header section"
        raise _Failed(
            FailureKind.CLOSED, detail or "the connection was closed without an answer"
        )

    def _read(self, data: bytes) -> RawAnswer | None:
        try:
            self._http.receive_data(data)
            while True:
                event = self._http.next_event()
                match event:
                    case h11.NEED_DATA:
                        return None
                    case h11.InformationalResponse():
                        self._count(event)
                    case h11.Response():
                        self._count(event)
                        self._head = event
                    case h11.Data():
                        self._body += event.data
                        if len(self._body) > self._limits.body_bytes:
                            return self._answer(truncated=True)
                    case h11.EndOfMessage() | h11.PAUSED if self._head:
                        return self._answer()
                    case _:
                        return None
        except h11.RemoteProtocolError as error:
            if self._head is not None:
                return self._answer(truncated=True)
            if not data:
                return None
            raise _Failed(FailureKind.PROTOCOL, str(error)) from None

    def _count(self, head: h11.Response | h11.InformationalResponse) -> None:
        items = head.headers.raw_items()
        self._header_bytes += 16 + len(head.reason)
        self._header_bytes += sum(len(name) + len(value) + 4 for name, value in items)
        if self._header_bytes > self._limits.header_bytes:
            raise _Failed(FailureKind.PROTOCOL, "the header section is too long")

    def _answer(self, truncated: bool = False) -> RawAnswer:
        head = self._head
        if head is None:
            raise _Failed(FailureKind.PROTOCOL, "there is no response")
        return RawAnswer(
            http_version="HTTP/" + head.http_version.decode("latin-1"),
            status=head.status_code,
            reason=bytes(head.reason).decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in head.headers.raw_items()
            ),
            body=bytes(self._body[: self._limits.body_bytes]),
            truncated=truncated,
        )


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
