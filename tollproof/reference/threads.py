"""Runs a deployment in a thread of this process.

Knows event loops and threads. Must not know what is served.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator

from tollproof.errors import TollproofError

#: Seconds in which a deployment must start, and end.
PATIENCE = 30.0

#: Serves until the event is set, and says once that it is ready.
Serve = Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]


class LaunchError(TollproofError):
    """A reference deployment that could not be started, or ended by itself."""


@contextlib.contextmanager
def in_a_thread(serve: Serve) -> Iterator[None]:
    """Serve for the length of a `with` block.

    Raises:
        LaunchError: it is not ready in time, or ends before it is.
    """
    started = threading.Event()
    problems: list[BaseException] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        leaving = asyncio.Event()
        loops.append((asyncio.get_running_loop(), leaving))
        await serve(leaving, started.set)

    def body() -> None:
        try:
            asyncio.run(main())
        except (OSError, RuntimeError, ValueError, LookupError) as problem:
            problems.append(problem)
        finally:
            started.set()

    thread = threading.Thread(target=body, name="reference deployment", daemon=True)
    thread.start()
    ready = started.wait(PATIENCE)
    if problems or not ready or not thread.is_alive():
        raise LaunchError(f"the deployment did not start: {problems or 'no sign'}")
    try:
        yield
    finally:
        for loop, leaving in loops:
            with contextlib.suppress(RuntimeError):  # it has left by itself
                loop.call_soon_threadsafe(leaving.set)
        thread.join(PATIENCE)
