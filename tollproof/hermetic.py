"""The process that runs the checks: pytest, which ends at once when it is done.

Started by :mod:`tollproof.running` with pytest's arguments. Must not know what they
mean. A run leaves some hundred thousand values in memory; to take them apart one by
one, as Python does at its end, takes a tenth of a gate's time and is of use to nobody.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading

from tollproof.openapi.drawer import start_ahead


def main() -> None:
    """Run pytest on the arguments of this process and end the process."""
    start_ahead()
    # What is imported stays: to look for cycles in it again and again is in vain.
    gc.set_threshold(50_000, 20, 20)
    import pytest  # while the other process gets ready

    _end(int(pytest.main()))


def _end(code: int) -> None:
    """End as Python does, only without taking apart what is in memory.

    Suites of others may have left threads and functions to be called at the end.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):  # closed; nobody reads it
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
