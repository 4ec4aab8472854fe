"""One worker of a reference deployment: what the launcher starts in a process.

`python -m tollproof.reference.worker SETTINGS SOCKET [PLAIN_SOCKET]`: a JSON file and
the numbers of inherited sockets. It says `ready` on its output, and leaves when its
input ends: a launcher that dies, however it dies, takes its workers along.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tollproof.reference.server import Listener, run, server_context
from tollproof.reference.sparkient.build import Settings, build
from tollproof.reference.sparkient.protocol import MOST_HELD, protocol


async def work(
    settings: Settings,
    sockets: Sequence[socket.socket],
    leaving: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Serve a deployment on one socket, or over TLS with its plain twin on a second."""
    built = build(settings)
    unbounded = {"target-unbounded", "headers-unbounded"} & built.app.faults
    kind = protocol(built.app.finish, MOST_HELD * 64 if unbounded else MOST_HELD)
    tls = None
    if len(sockets) > 1:
        folder = Path(settings.folder)
        tls = server_context(str(folder / "server.pem"), str(folder / "server.key"))
    listeners = [Listener(app=built.app, socket=sockets[0], protocol=kind, tls=tls)]
    listeners += [
        Listener(app=built.twin, socket=plain, protocol=kind) for plain in sockets[1:]
    ]
    try:
        await run(listeners, leaving, ready)
    finally:
        built.close()


def read_settings(path: Path) -> Settings:
    """Read what the launcher wrote."""
    document = json.loads(path.read_text())
    return Settings(**{**document, "faults": tuple(document["faults"])})


async def _main(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, leaving.set)
    loop.add_reader(0, _leave_at_end, leaving)
    await work(settings, sockets, leaving, _say_ready)


def _leave_at_end(leaving: asyncio.Event) -> None:
    if not os.read(0, 64):
        asyncio.get_running_loop().remove_reader(0)
        leaving.set()


def _say_ready() -> None:
    os.write(1, b"ready\n")


if __name__ == "__main__":
    # Ctrl-C reaches the launcher too, which then ends this worker's input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(
        _main(
            read_settings(Path(sys.argv[1])),
            [socket.socket(fileno=int(number)) for number in sys.argv[2:]],
        )
    )
