"""Scripted servers on loopback: any answer, to the byte, and every way to misbehave.

`scripted(handler)` runs a handler for each connection, in a thread of its own, and
leaves neither threads nor sockets behind. The handlers below are the misbehaviours
that a client has to survive. Knows sockets; must not know the package under test.
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import ipaddress
import re
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Connection:
    """One accepted connection, as its handler sees it."""

    sock: socket.socket
    server: Server
    _buffer: bytearray = field(default_factory=bytearray)

    def request(self) -> bytes:
        """Read the next request, head and body; empty at the end of the connection."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not self._more():
                return b""
        length = _LENGTH.search(self._buffer, 0, end + 2)
        end += 4 + (int(length[1]) if length else 0)
        while len(self._buffer) < end and self._more():
            pass
        request = bytes(self._buffer[:end])
        del self._buffer[:end]
        self.server.requests.append(request)
        return request

    def unread(self, request: bytes) -> None:
        """Put a request back, for another handler to read."""
        self._buffer[:0] = request

    def _more(self) -> bool:
        data = self.sock.recv(65_536)
        self._buffer += data
        return bool(data)

    def send(self, data: bytes) -> None:
        """Write all of it; the handler ends here when the client has gone."""
        self.sock.sendall(data)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, but not beyond the end of the server; true when that has come."""
        return self.server.stopped.wait(seconds)

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        linger = struct.pack("ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


Handler = Callable[[Connection], None]


@dataclass(slots=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        requests: every request read so far, to the byte.
        accepted: how many connections were made.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    requests: list[bytes] = field(default_factory=list)
    accepted: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> str:
        """The URL to send requests to, without a path."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


@contextmanager
def scripted(
    handler: Handler, *, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Serve every connection with `handler` until the block ends.

    A handler that is cut off by its client simply ends; the connection is closed
    after it. With `tls` (see :func:`tls_contexts`) it sees the decrypted stream.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = Server(host="127.0.0.1", port=listener.getsockname()[1], tls=tls)
        open_sockets: set[socket.socket] = set()
        threads: list[threading.Thread] = []
        lock = threading.Lock()

        def serve(sock: socket.socket) -> None:
            with contextlib.suppress(OSError), sock:
                if tls is None:
                    handler(Connection(sock=sock, server=server))
                    return
                # Wrapping gives the descriptor to another socket: the set follows.
                with tls.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                ) as secured:
                    with lock:
                        open_sockets.add(secured)
                    secured.do_handshake()
                    handler(Connection(sock=secured, server=server))

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with lock:
                    server.accepted += 1
                    open_sockets.add(sock)
                    thread = threading.Thread(target=serve, args=(sock,), daemon=True)
                    threads.append(thread)
                thread.start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield server
        finally:
            server.stopped.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for sock in open_sockets:
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown: it would drop TLS under the handler.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


@cache
def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's TLS settings for 127.0.0.1 and a client's that trust them."""
    server, authority = certified()
    return server, ssl.create_default_context(cadata=authority)


def certified(
    *, name: str = "127.0.0.1", since: int = -1, until: int = 1
) -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS settings and its certificate, PEM, which signs itself.

    Args:
        name: a host name or an address that it is for, beside `localhost`.
        since, until: days from now between which it is valid.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    today = datetime.datetime.now(datetime.UTC)
    other: x509.GeneralName = (
        x509.IPAddress(ipaddress.ip_address(name))
        if name[0].isdigit()
        else x509.DNSName(name)
    )
    names = [x509.DNSName("localhost"), other]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + datetime.timedelta(days=since))
        .not_valid_after(today + datetime.timedelta(days=until))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_bytes(certificate + private)
        server.load_cert_chain(chain)
    return server, certificate.decode()


# -- handlers ------------------------------------------------------------------------


def answer(
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"{}",
) -> bytes:
    """Put a well-formed response together; `Content-Length` is added."""
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
    lines += (f"{name}: {value}" for name, value in headers)
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answers(*responses: bytes) -> Handler:
    """Give the responses in turn to each request of a connection, then the last."""

    def handle(connection: Connection) -> None:
        for response in responses[:-1]:
            if not connection.request():
                return
            connection.send(response)
        while connection.request():
            connection.send(responses[-1])

    return handle


def says(*parts: bytes, then: Handler | None = None) -> Handler:
    """Read one request, send the parts, then close or do something else."""

    def handle(connection: Connection) -> None:
        connection.request()
        for part in parts:
            connection.send(part)
        if then is not None:
            then(connection)

    return handle


def silent(connection: Connection) -> None:
    """Accept, and never say a word."""
    connection.wait()


def closes(connection: Connection) -> None:
    """Read the request and close without an answer."""
    connection.request()


def resets(connection: Connection) -> None:
    """Read the request and reset the connection."""
    connection.request()
    connection.reset()


def garbage(connection: Connection) -> None:
    """Speak, but not HTTP."""
    connection.request()
    connection.send(b"220 mail.example ESMTP ready\r\n" + bytes(range(256)) * 4)


def endless_body(connection: Connection) -> None:
    """Send a body without an end, as fast as it is read."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not connection.wait(0):
        connection.send(b"x" * 65_536)


def endless_chunks(connection: Connection) -> None:
    """Send chunks without an end, as fast as they are read."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not connection.wait(0):
        connection.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def endless_headers(connection: Connection) -> None:
    """Send header fields without an end."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not connection.wait(0):
        connection.send(b"X-More: and more\r\n" * 100)


def interim_flood(connection: Connection) -> None:
    """Send 1xx responses without an end."""
    connection.request()
    while not connection.wait(0):
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50)


def huge_header(size: int) -> Handler:
    """Answer with one header field of `size` bytes."""
    return answers(answer(headers=[("X-Huge", "x" * size)]))


def trickle(prefix: bytes, *, every: float) -> Handler:
    """Send `prefix`, then a byte each `every` seconds for ever: never quite silent."""

    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(prefix)
        while not connection.wait(every):
            connection.send(b"x")

    return handle


def slow_handshake(*, every: float) -> Handler:
    """Trickle a TLS record that never ends, so that the handshake never does."""

    def handle(connection: Connection) -> None:
        connection.send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
        while not connection.wait(every):
            connection.send(b"\0")

    return handle


def gzip_bomb(size: int) -> Handler:
    """Answer with zeros that become `size` bytes when they are decompressed."""
    body = gzip.compress(bytes(size))
    headers = [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]
    return answers(answer(200, headers, body))


def redirects(location: str, status: int = 302) -> Handler:
    """Redirect every request: in a loop for a relative location, or elsewhere."""
    return answers(answer(status, [("Location", location)], b""))


def wrong_length(announced: int, body: bytes) -> Handler:
    """Announce another length than is sent, then close."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % announced
    return says(head + body)


def refuses_early(response: bytes, after: int) -> Handler:
    """Answer after so many bytes of the request and close without reading the rest."""

    def handle(connection: Connection) -> None:
        left = after
        while left > 0 and (data := connection.sock.recv(min(left, 65_536))):
            left -= len(data)
        connection.send(response)

    return handle
