"""A deployment with a right rate limit, which can meet with a mishap under load.

Run as a program (`python limited.py LIMIT WINDOW MISHAP AFTER KEY…`) it prints its
port, serves until its standard input ends, and prints as JSON how often each key asked.
After AFTER requests it `dies`, `refuses` everybody, answers `slowly`, or its clock is
put `ahead` or `back`; `nothing` is for none.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import time
from collections import Counter
from email.utils import formatdate

LIMIT, WINDOW = int(sys.argv[1]), float(sys.argv[2])
MISHAP, AFTER = sys.argv[3], int(sys.argv[4])
KEYS = frozenset(sys.argv[5:])
ASKED: Counter[str] = Counter()
WINDOWS: dict[str, tuple[float, int]] = {}


#: Seconds by which the clock is put ahead or back: it decides, and it is told.
JUMP = {"ahead": 17.0, "back": -17.0}


def clock() -> float:
    """Return Unix time as this deployment has it."""
    return time.time() + (JUMP.get(MISHAP, 0.0) if ASKED.total() > AFTER else 0.0)


def answer(key: str) -> bytes:
    """Decide about a request: a window begins with a key's first request."""
    if key not in KEYS:
        return response(401, "WWW-Authenticate: Bearer")
    ASKED[key] += 1
    now = clock()
    ends, used = WINDOWS.get(key, (0.0, 0))
    if now >= ends:
        ends, used = now + WINDOW, 0
    if MISHAP == "refuses" and ASKED.total() > AFTER:
        used = LIMIT
    admitted = used < LIMIT
    used += admitted
    WINDOWS[key] = ends, used
    fields = [
        f"X-RateLimit-Limit: {LIMIT}",
        f"X-RateLimit-Remaining: {LIMIT - used}",
        f"X-RateLimit-Reset: {math.ceil(ends)}",
    ]
    if admitted:
        return response(200, *fields)
    return response(429, *fields, f"Retry-After: {math.ceil(ends - now)}")


def response(status: int, *fields: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status} X",
        f"Date: {formatdate(clock(), usegmt=True)}",
        "Content-Type: application/json",
        "Content-Length: 2",
        *fields,
    )
    return "\r\n".join((*lines, "", "{}")).encode()


class Connection(asyncio.Protocol):
    """One connection; requests have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            key = ""
            for line in head.decode("latin-1").split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "authorization":
                    key = value.strip().removeprefix("Bearer ")
            reply = answer(key)
            if MISHAP == "dies" and ASKED.total() > AFTER:
                sys.stdout.write(json.dumps(ASKED))
                sys.stdout.flush()
                os._exit(0)
            slow = MISHAP == "slowly" and ASKED.total() > AFTER
            if slow:
                loop = asyncio.get_running_loop()
                loop.call_later(0.4 * WINDOW, self.transport.write, reply)
            elif head.startswith(b"HEAD"):
                self.transport.write(reply[:-2])
            else:
                self.transport.write(reply)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    sys.stdout.write(json.dumps(ASKED))


if __name__ == "__main__":
    asyncio.run(main())
