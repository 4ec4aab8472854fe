"""A counting target on loopback: logs each request with the moment it was read.

Run as a program (`python server.py [CERT KEY [CLIENT_CA]]`) it prints its port, serves
until its standard input ends, and prints its log as JSON. What it answers is told by
the path; a request counts only when its whole head has arrived.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from email.utils import formatdate


@dataclass
class Log:
    """What was seen: arrivals in ns of the monotonic clock, and who sent what."""

    at: list[int] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    id: list[str] = field(default_factory=list)
    connection: list[int] = field(default_factory=list)
    connections: int = 0
    used: dict[str, int] = field(default_factory=dict)


LOG = Log()


class Target(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.data = b""
        self.served = 0
        LOG.connections += 1
        self.number = LOG.connections

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, rest = self.data.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            length = int(fields.get("content-length", "0"))
            if len(rest) < length:
                return
            self.data = rest[length:]
            path = lines[0].split(" ")[1]
            key = fields.get("authorization", "")
            LOG.at.append(now)
            LOG.path.append(path)
            LOG.key.append(key)
            LOG.id.append(fields.get("x-request-id", ""))
            LOG.connection.append(self.number)
            self.served += 1
            self.answer(path, key)

    def answer(self, path: str, key: str) -> None:
        what, _, argument = path.strip("/").partition("/")
        number = int(argument or 0)
        write = self.transport.write
        if what == "limit":
            self.limit(key, number)
        elif what == "close":
            write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
            )
            self.transport.close()
        elif what == "die" or (what == "dielater" and self.served > number):
            self.transport.abort()
        elif what == "garbage":
            write(b"\x00\x01 this is not HTTP\r\n\r\n")
        elif what == "cut":
            write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            self.transport.close()
        elif what == "eof":
            write(b"HTTP/1.1 200 OK\r\nX-RateLimit-Remaining: 7\r\n\r\nsome text")
            self.transport.close()
        elif what == "chunked":
            write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
            asyncio.get_running_loop().call_later(0.01, write, b"0\r\n\r\n")
        elif what == "slow":
            reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            asyncio.get_running_loop().call_later(number / 1000, write, reply)
        elif what == "never":
            pass
        elif what == "drip":
            self.drip(b"HTTP/1.1 200 OK\r\n")
        elif what == "flood":
            write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000)
        else:
            write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def drip(self, piece: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(piece)
            asyncio.get_running_loop().call_later(0.05, self.drip, b"X: y\r\n")

    def limit(self, key: str, limit: int) -> None:
        """A window that begins with the first request and lasts a second."""
        used = LOG.used[key] = LOG.used.get(key, 0) + 1
        if used == 1:
            asyncio.get_running_loop().call_later(1.0, LOG.used.pop, key)
        left = max(0, limit - used)
        status = b"200 OK" if used <= limit else b"429 Too Many Requests"
        more = b"" if used <= limit else b"Retry-After: 1\r\n"
        self.transport.write(
            b"HTTP/1.1 %s\r\nX-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\n"
            b"Date: %s\r\n%sContent-Length: 2\r\n\r\nok"
            % (status, limit, left, formatdate(usegmt=True).encode(), more)
        )


async def main() -> None:
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        if len(sys.argv) > 3:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(sys.argv[3])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Target, "127.0.0.1", 0, ssl=context, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    sys.stdout.write(json.dumps(asdict(LOG)))


if __name__ == "__main__":
    asyncio.run(main())
