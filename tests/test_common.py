"""Processes forked from one another: one at a time, whatever becomes of the others.

Each test forks in a program of its own: the process of the tests has threads.
"""

from __future__ import annotations

import subprocess
import sys

from tollproof.common import Common, Place

COUNTING = """
import os
from tollproof.common import Common, Place

common = Common()
children = []
for number in range(3):
    if (pid := os.fork()) == 0:
        for _ in range(2000):
            with common.held(Place.ACCOUNT) as figures:
                figures.count += 1
                figures.moment += 0.5
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
with common.held(Place.ACCOUNT) as figures:
    print(figures.count, figures.moment)
"""

DYING = """
import os, signal
from tollproof.common import Common, Place

common = Common()
reading, writing = os.pipe()
if (pid := os.fork()) == 0:
    with common.held(Place.TURN) as figures:
        figures.count = 7
        os.write(writing, b"!")
        signal.pause()
os.read(reading, 1)
with common.held(Place.DRAWER) as figures:
    print(figures.count)  # another place is free
os.kill(pid, signal.SIGKILL)
with common.held(Place.TURN) as figures:
    print(figures.count)
os.waitpid(pid, 0)
"""


def said(program: str) -> list[str]:
    finished = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return finished.stdout.split()


def test_nothing_that_is_counted_is_lost() -> None:
    assert said(COUNTING) == ["6000", "3000.0"]


def test_one_that_dies_lets_go_and_has_changed_nothing() -> None:
    assert said(DYING) == ["0", "0"]


def test_what_is_changed_is_there_next_time() -> None:
    common = Common()
    with common.held(Place.DRAWER) as figures:
        figures.count, figures.moment = -(2**40), 1.25
    with common.held(Place.DRAWER) as figures:
        assert (figures.count, figures.moment) == (-(2**40), 1.25)
    with common.held(Place.TURN) as figures:
        assert (figures.count, figures.moment) == (0, 0.0)
    common.close()


WATCHING = """
import os, threading
from tollproof.common import Common, Place

common = Common()
began, ended = os.pipe(), os.pipe()
if (pid := os.fork()) == 0:
    os.read(began[0], 1)
    for _ in range(500):
        with common.entered(Place.STATE), common.held(Place.TURN) as figures:
            figures.count += 1
    os._exit(0)

def count():
    with common.held(Place.TURN) as figures:
        return figures.count

os.write(began[1], b"!")
wrong = 0
while count() < 500:
    with common.held(Place.STATE):
        before = count()
        with common.entered(Place.STATE):
            pass
        wrong += count() != before
os.waitpid(pid, 0)
print(wrong, count())
"""


def test_who_holds_a_place_sees_nobody_else_enter_it() -> None:
    assert said(WATCHING) == ["0", "500"]


ENTERED = """
import os, select
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from tollproof.common import Common, Place

common = Common()
asked, told = os.pipe(), os.pipe()
if (pid := os.fork()) == 0:
    os.read(asked[0], 1)
    with common.held(Place.STATE):
        os.write(told[1], b"!")
    os._exit(0)
first, last = Barrier(2), Barrier(2)

def short():
    with common.entered(Place.STATE):
        first.wait()

def long():
    with common.entered(Place.STATE):
        first.wait()
        last.wait()

with ThreadPoolExecutor(2) as pool:
    staying, going = pool.submit(long), pool.submit(short)
    going.result()
    os.write(asked[1], b"!")
    ready, _, _ = select.select([told[0]], [], [], 0.3)
    print("held while one was inside" if ready else "waits")
    last.wait()
    staying.result()
os.waitpid(pid, 0)
print(os.read(told[0], 1).decode())
"""


def test_a_thread_that_leaves_does_not_let_in_who_waits_for_another() -> None:
    assert said(ENTERED) == ["waits", "!"]


TELLING = """
import os
from tollproof.common import Common

common = Common()
common.tell(b"before")
print(common.news(), common.news())
if (pid := os.fork()) == 0:
    common.tell(b"there")
    os._exit(0)
os.waitpid(pid, 0)
common.tell(b"here")
print(common.news())
"""


def test_what_one_tells_all_hear_once() -> None:
    assert said(TELLING) == ["[b'before']", "[]", "[b'there',", "b'here']"]
