"""The process of a run: it says nothing of its own, and ends as Python would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: The thread goes on once pytest is done: it is seen only where it is waited for.
SUITE = """\
import atexit
import threading
import time

done = threading.Event()


def late():
    done.wait()
    time.sleep(0.2)
    print("a thread that was left", flush=True)


def test_leaves_things_behind(request):
    request.config.add_cleanup(done.set)
    threading.Thread(target=late).start()
    atexit.register(print, "called at the end")
    assert {holds}
"""


def hermetic(folder: Path, *, holds: bool) -> subprocess.CompletedProcess[str]:
    suite = folder / "test_left.py"
    suite.write_text(SUITE.format(holds=holds))
    options = ["-q", "-s", "-p", "no:cacheprovider", "-c", os.devnull]
    return subprocess.run(
        [sys.executable, "-P", "-m", "tollproof.hermetic", *options, str(suite)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("holds", "code"), [(True, 0), (False, 1)])
def test_what_a_suite_left_is_waited_for_and_pytest_decides_the_exit_code(
    tmp_path: Path, holds: bool, code: int
) -> None:
    done = hermetic(tmp_path, holds=holds)

    assert done.returncode == code, done.stdout + done.stderr
    assert "a thread that was left" in done.stdout
    assert "called at the end" in done.stdout


def test_nothing_is_said_that_is_not_of_the_run(tmp_path: Path) -> None:
    assert hermetic(tmp_path, holds=True).stderr == ""
