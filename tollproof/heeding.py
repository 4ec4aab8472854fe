"""Being told to end, while a measurement goes on that is worth judging as it is.

Knows signals. Must not know what is measured.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeding(told: threading.Event) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM set `told` and interrupt nothing.

    Once told, both are ignored afterwards as well: what follows is the record, and a
    second Ctrl-C must not spoil it. Elsewhere than in the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, lambda *_: told.set())
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_IGN if told.is_set() else handler)
