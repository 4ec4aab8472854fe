"""Forked processes: what they say arrives whole, and their death is noticed.

Each test forks in a program of its own: the process of the tests has threads.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGINNING = """
import os, signal, sys, threading, time
from tollproof.forks import Fork, beside, can_fork, some_speak

def all_of(*forks, until=None):
    told = []
    while some_speak(forks, until=until):
        for fork in forks:
            told += fork.heard()
    return told
"""


def said(program: str) -> list[str]:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGINNING + program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split("\n")[:-1]


def test_every_line_arrives_whole() -> None:
    told = said(
        """
def work(say):
    print("nobody hears this")
    for number in range(3000):
        say(f"{number} " + "x" * 2000)

forks = [Fork(work), Fork(work)]
told = all_of(*forks)
for fork in forks:
    fork.end()
print(len(told), {len(line.split()[1]) for line in told})
print(sorted(int(line.split()[0]) for line in told) == sorted([*range(3000)] * 2))
"""
    )

    assert told == ["6000 {2000}", "True"]


def test_one_that_fails_says_no_more_and_ends() -> None:
    told = said(
        """
def work(say):
    say("first")
    raise ValueError("mistaken")

fork = Fork(work)
print(all_of(fork), fork.speaks)
fork.end()
"""
    )

    assert told == ["['first'] False"]


def test_one_that_is_interrupted_ends_in_good_order() -> None:
    told = said(
        """
def work(say):
    try:
        say("ready")
        signal.pause()
    finally:
        say("tidied")

fork = Fork(work)
while some_speak([fork]) and not [*fork.heard()]:
    pass
os.kill(fork._process, signal.SIGINT)
fork.interrupt()
print(all_of(fork))
fork.end()
"""
    )

    assert told == ["['tidied']"]


def test_one_that_still_speaks_is_not_waited_for() -> None:
    told = said(
        """
fork = Fork(lambda say: signal.pause())
print(all_of(fork, until=time.monotonic() + 0.05), fork.speaks)
fork.end()
try:
    os.kill(fork._process, 0)
except ProcessLookupError:
    print("gone")
"""
    )

    assert told == ["[] True", "gone"]


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("print(beside(lambda: str(os.getpid() == first))())", "False"),
        (
            "print(beside(lambda: 'here' if os.getpid() == first else os._exit(9))())",
            "here",
        ),
        (
            "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
            "print(can_fork(), beside(lambda: str(os.getpid() == first))())",
            "False True",
        ),
    ],
    ids=["beside", "died", "threads"],
)
def test_a_task_is_done_beside_or_else_here(program: str, told: str) -> None:
    assert said(f"first = os.getpid()\n{program}") == [told]
