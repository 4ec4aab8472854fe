"""Applications on sockets, through uvicorn's protocol, until told to leave.

uvicorn's own `Server` looks ten times a second whether to leave and waits a tenth of a
second when it does. A hundred deployments are started and ended to prove the checks, so
here both happen at once. Knows nothing of what is served.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

#: Seconds that requests in flight are given when the server leaves.
GRACE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One application on one bound socket.

    Attributes:
        tls: the settings of TLS, or None for plain HTTP.
    """

    app: ASGIApp
    socket: socket.socket
    protocol: type[HttpToolsProtocol]
    tls: ssl.SSLContext | None = None


async def run(
    listeners: Sequence[Listener], leaving: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Serve until `leaving` is set; `ready` is called once all sockets listen."""
    state = ServerState()
    servers = [await _listen(listener, state) for listener in listeners]
    ticking = asyncio.create_task(_tick(state))
    try:
        ready()
        await leaving.wait()
    finally:
        ticking.cancel()
        for server in servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=GRACE)
        for connection in list(state.connections):
            if transport := getattr(connection, "transport", None):
                transport.abort()
        # Lets the loop close what was aborted before it is closed itself.
        await asyncio.sleep(0)


async def _listen(listener: Listener, state: ServerState) -> asyncio.Server:
    config = Config(
        listener.app,
        http=listener.protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    config.load()
    state.default_headers = [_date()]
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: listener.protocol(config, state, {}, _loop=loop),
        sock=listener.socket,
        ssl=listener.tls,
        backlog=2048,
    )


async def _tick(state: ServerState) -> None:
    while True:
        state.default_headers = [_date()]
        await asyncio.sleep(1.0)


def _date() -> tuple[bytes, bytes]:
    return (b"date", formatdate(time.time(), usegmt=True).encode())


def bind(host: str, port: int, count: int) -> list[socket.socket]:
    """Bind sockets to one address, one for each worker.

    With SO_REUSEPORT the kernel spreads connections over the workers; where it does
    not, one socket is shared by all.

    Raises:
        OSError: the address is not free, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    spread = count > 1 and hasattr(socket, "SO_REUSEPORT")
    sockets: list[socket.socket] = []
    try:
        for _ in range(count if spread else 1):
            # Named as TCP, or asyncio does not switch Nagle's algorithm off.
            one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if spread:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, port))
            port = one.getsockname()[1]
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets if spread else sockets * count


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return the settings of a TLS server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context
