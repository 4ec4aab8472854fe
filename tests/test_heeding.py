"""Ctrl-C and SIGTERM while something is measured that is worth judging."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from tollproof.heeding import heeding

ENDING = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_tells_and_interrupts_nothing(number: signal.Signals) -> None:
    told = threading.Event()
    with heeding(told):
        signal.raise_signal(number)
        assert told.is_set()
    # What follows is the record: a second one must not spoil it.
    signal.raise_signal(number)
    assert [signal.getsignal(one) for one in ENDING] == [signal.SIG_IGN] * 2


def test_without_a_signal_all_is_as_before() -> None:
    before = [signal.getsignal(one) for one in ENDING]
    told = threading.Event()
    with heeding(told):
        pass
    assert not told.is_set()
    assert [signal.getsignal(one) for one in ENDING] == before


def test_another_thread_changes_nothing() -> None:
    before = [signal.getsignal(one) for one in ENDING]
    within: list[object] = []

    def work() -> None:
        with heeding(threading.Event()):
            within.extend(signal.getsignal(one) for one in ENDING)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert within == before
