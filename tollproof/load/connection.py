"""One connection to the target: non-blocking, plain or TLS, one request at a time.

A request goes out once. Bytes may be put on the wire early and the last of the head
kept back (*held*), so that a whole burst can be released by writing one short piece on
each connection. Knows sockets and TLS. Must not know schedules, records or verdicts.
"""

from __future__ import annotations

import errno
import socket as names
import ssl
from _socket import socket as Socket
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

# `_socket.socket` is the C socket itself: the same in a process whose `socket` module
# gevent has replaced, and cheaper to call than the class built on it.

#: As much as is asked of the kernel in one read.
PIECE = 65_536

#: Seconds to wait for one of several addresses of a target.
KNOCK = 2.0

READ, WRITE = 1, 4  # EPOLLIN and EPOLLOUT, and POLLIN and POLLOUT alike


class State(IntEnum):
    """Where a connection stands."""

    OPENING = 0
    IDLE = 1
    HELD = 2
    BUSY = 3
    CLOSED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where connections go, resolved once so that no name service can move the load.

    Attributes:
        name: the server name for TLS (SNI and verification).
        source: local address to connect from, or empty for the system's choice.
    """

    family: int
    host: str
    port: int
    name: str
    source: str = ""


def resolve(host: str, port: int, *, source: str = "") -> Address:
    """Look the target up; of several addresses, take the first that is listening.

    Raises:
        OSError: there is no such host.
    """
    found = names.getaddrinfo(host, port, type=names.SOCK_STREAM)
    chosen = found[0]
    for one in found if len(found) > 1 else ():
        with names.socket(one[0], names.SOCK_STREAM) as knock:
            knock.settimeout(KNOCK)
            if knock.connect_ex(one[4]) == 0:
                chosen = one
                break
    family, where = chosen[0], chosen[4]
    return Address(
        family=int(family), host=str(where[0]), port=port, name=host, source=source
    )


class Closed(Exception):
    """The connection ended. The message says how, in a word or two."""


class Connection:
    """A connection and the request it carries.

    Attributes:
        id: number of the connection, never used twice in a process.
        group: whatever the owner files the connection under.
        load: whatever the owner attached to the request under way.
        written: whether all of the request under way has been given to the kernel.
    """

    __slots__ = (
        "_held",
        "_out",
        "_tls",
        "fd",
        "group",
        "id",
        "load",
        "sock",
        "state",
        "stream",
        "written",
    )

    def __init__(
        self, number: int, address: Address, *, context: ssl.SSLContext | None
    ) -> None:
        """Start connecting.

        Raises:
            OSError: the system has no socket left, or refuses at once.
        """
        self.id = number
        self.group: Any = None
        self.load: Any = None
        self.stream: Any = None
        self.written = True
        self.state = State.OPENING
        self._held = self._out = b""
        self.sock = Socket(address.family, names.SOCK_STREAM, 0)
        self.fd = self.sock.fileno()
        try:
            self.sock.setblocking(False)
            self.sock.setsockopt(names.IPPROTO_TCP, names.TCP_NODELAY, 1)
            if address.source:
                self.sock.bind((address.source, 0))
            code = self.sock.connect_ex((address.host, address.port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, errno.errorcode.get(code, "connect"))
        except OSError:
            self.sock.close()
            raise
        self._tls = _Tls(context, address.name) if context else None

    # -- opening -----------------------------------------------------------------------

    def advance(self) -> int:
        """Go on opening; return the event to wait for next, or 0 when open.

        Raises:
            Closed: the target refused, or the handshake failed.
        """
        code = self.sock.getsockopt(names.SOL_SOCKET, names.SO_ERROR)
        if code:
            raise Closed(errno.errorcode.get(code, "connect"))
        if self._tls is None:
            self.state = State.IDLE
            return 0
        if not self._tls.started:
            self._tls.started = True
        else:
            self._tls.incoming.write(self._receive())
        finished = self._tls.handshake()
        self._push(self._tls.outgoing.read())
        if finished and not self._out:
            self.state = State.IDLE
            return 0
        return WRITE if self._out else READ

    # -- sending -----------------------------------------------------------------------

    def send(self, request: bytes) -> None:
        """Write a request, once.

        Raises:
            Closed: the connection had already ended, and nothing was written.
        """
        self.state = State.BUSY
        if self._tls is None:
            try:
                sent = self.sock.send(request)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise Closed(errno.errorcode.get(error.errno or 0, "send")) from None
            if sent != len(request):
                self._out, self.written = request[sent:], False
        else:
            self._push(self._tls.seal(request))
            self.written = not self._out

    def hold(self, request: bytes) -> None:
        """Write a request up to the last byte of its head and keep the rest back.

        The target can decide nothing before it has the whole head, so the request is
        sent, for every purpose, when :meth:`release` is called.

        Raises:
            Closed: the connection had already ended.
        """
        cut = request.index(b"\r\n\r\n") + 3
        if self._tls is None:
            self.send(request[:cut])
            self._held = request[cut:]
        else:
            # Both records are sealed now: the release costs one write, no cipher.
            self.send(request[:cut])
            self._held = self._tls.seal(request[cut:])
        self.state = State.HELD

    def release(self) -> None:
        """Write what was kept back.

        Raises:
            Closed: the connection had already ended, and the target has no whole head.
        """
        self.state = State.BUSY
        if self._out:
            self._out += self._held
            return
        try:
            sent = self.sock.send(self._held)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Closed(errno.errorcode.get(error.errno or 0, "send")) from None
        if sent != len(self._held):
            self._out, self.written = self._held[sent:], False

    def flush(self) -> bool:
        """Write more of what the kernel would not take; return whether all is out.

        Raises:
            Closed: the connection ended with part of the request written.
        """
        self._push(b"")
        self.written = not self._out
        return self.written

    def _push(self, data: bytes) -> None:
        pending = self._out + data
        if not pending:
            return
        try:
            sent = self.sock.send(pending)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Closed(errno.errorcode.get(error.errno or 0, "send")) from None
        self._out = pending[sent:]

    # -- receiving ---------------------------------------------------------------------

    def receive(self) -> bytes:
        """Read what has arrived; empty when that was only part of a TLS record.

        Raises:
            Closed: the connection ended.
        """
        data = self._receive()
        if self._tls is None:
            return data
        plain = self._tls.open(data)
        self._push(self._tls.outgoing.read())  # an answer to a key update, at most
        return plain

    def _receive(self) -> bytes:
        try:
            data = self.sock.recv(PIECE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise Closed(errno.errorcode.get(error.errno or 0, "recv")) from None
        if not data:
            raise Closed("end")
        return data

    def close(self) -> None:
        """End the connection; may be called again."""
        self.state = State.CLOSED
        self.sock.close()


class _Tls:
    """TLS over bytes in memory, so that a record can be sealed before it is sent."""

    __slots__ = ("_engine", "incoming", "outgoing", "started")

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self.started = False
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._engine = context.wrap_bio(
            self.incoming, self.outgoing, server_hostname=name
        )

    def handshake(self) -> bool:
        try:
            self._engine.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise Closed(error.reason or "TLS") from None
        return True

    def seal(self, data: bytes) -> bytes:
        try:
            self._engine.write(data)
        except ssl.SSLError as error:
            raise Closed(error.reason or "TLS") from None
        return self.outgoing.read()

    def open(self, data: bytes) -> bytes:
        self.incoming.write(data)
        pieces = []
        try:
            while piece := self._engine.read(PIECE):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces)
        except ssl.SSLError as error:
            if not pieces:
                raise Closed(error.reason or "TLS") from None
            return b"".join(pieces)
        if not pieces:
            raise Closed("end")
        return b"".join(pieces)
