"""A track asks closely while it awaits something, and ends when it is told to."""

from __future__ import annotations

import threading
import time

import pytest

from tollproof.errors import Undetermined
from tollproof.model import Reason
from tollproof.rotation.observation import Answer, Observation
from tollproof.rotation.pace import Pace
from tollproof.rotation.watch import Track, at_once

PACE = Pace(near=0.002, calm=0.05)


def asking(answers: list[Answer]) -> Track:
    """Return a track that is answered with the first of a list that may change."""

    def ask(number: int) -> Observation:
        at = time.perf_counter()
        return Observation(sent=at, received=time.perf_counter(), answer=answers[0])

    return Track(ask, PACE, threading.BoundedSemaphore(2))


def test_what_is_awaited_settles() -> None:
    answers = [Answer.REFUSED]
    track = asking(answers).start(Answer.ADMITTED, 10.0)
    try:
        assert not track.wait(0.02)
        answers[0] = Answer.ADMITTED
        assert track.wait(10.0)
        answers[0] = Answer.REFUSED
        track.expect(Answer.REFUSED, 10.0)
        assert track.wait(10.0)
    finally:
        track.end()
    count = len(track.seen)
    time.sleep(0.06)
    assert len(track.seen) == count


def test_it_is_calm_when_nothing_is_awaited() -> None:
    answers = [Answer.ADMITTED]
    near, calm = asking(answers), asking(answers)
    near.start(Answer.REFUSED, 10.0)
    calm.start()
    time.sleep(0.3)
    near.end()
    calm.end()
    assert len(near.seen) > 3 * len(calm.seen)


def test_a_problem_ends_it_and_is_kept() -> None:
    def ask(number: int) -> Observation:
        raise Undetermined(Reason.BUDGET, "spent")

    track = Track(ask, PACE, threading.BoundedSemaphore(1)).start(Answer.ADMITTED, 1.0)
    assert track.wait(5.0)
    track.end()
    assert track.problem is not None
    assert track.problem.reason is Reason.BUDGET


def test_steps_are_taken_at_once_and_their_problem_is_raised() -> None:
    inside = threading.Barrier(2)

    def meet() -> None:
        inside.wait(10)

    at_once(meet, meet)

    def fail() -> None:
        raise Undetermined(Reason.PRECONDITION, "no")

    with pytest.raises(Undetermined, match="no"):
        at_once(fail, lambda: None)
