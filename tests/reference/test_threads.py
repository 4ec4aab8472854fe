"""A deployment in a thread starts, ends, and says when it cannot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from tollproof.reference.threads import LaunchError, in_a_thread


def test_it_serves_until_the_block_ends() -> None:
    log: list[str] = []

    async def serve(leaving: asyncio.Event, ready: Callable[[], None]) -> None:
        log.append("ready")
        ready()
        await leaving.wait()
        log.append("left")

    before = threading.active_count()
    with in_a_thread(serve):
        assert log == ["ready"]
        assert threading.active_count() == before + 1
    assert log == ["ready", "left"]
    assert threading.active_count() == before


async def breaks(leaving: asyncio.Event, ready: Callable[[], None]) -> None:
    raise OSError("no such place")


async def leaves(leaving: asyncio.Event, ready: Callable[[], None]) -> None:
    """End at once, without a word."""


@pytest.mark.parametrize("serve", [breaks, leaves])
def test_what_does_not_start_is_told(
    serve: Callable[[asyncio.Event, Callable[[], None]], asyncio.Future[None]],
) -> None:
    with pytest.raises(LaunchError, match="did not start"), in_a_thread(serve):
        raise AssertionError("it was said to serve")
