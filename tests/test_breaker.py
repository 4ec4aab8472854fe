"""Who is asked again when the target, or a part of it, has gone silent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollproof.breaker import PAUSE, THRESHOLD, TRIALS, Breaker

MANY = [f"GET /{number}" for number in range(THRESHOLD)]


def gone(breaker: Breaker, *operations: str) -> None:
    for operation in operations:
        breaker.silent(operation, "nothing", 0.0)


def test_a_target_that_never_answered_is_asked_a_few_times() -> None:
    breaker = Breaker()
    gone(breaker, *["GET /a"] * (THRESHOLD - 1))
    assert breaker.refusal("GET /b", 0.0) == ""
    gone(breaker, "GET /a")

    assert "The target has not answered the last 3" in breaker.refusal("GET /b", 0.0)
    assert breaker.refusal("GET /b", PAUSE) == ""


def test_one_operation_that_hangs_is_left_alone_and_the_others_are_not() -> None:
    breaker = Breaker()
    breaker.answered("GET /a")
    gone(breaker, *["GET /slow"] * 10)

    assert "GET /slow has not answered the last 10" in breaker.refusal("GET /slow", 0.0)
    assert breaker.refusal("GET /b", 0.0) == ""
    assert breaker.refusal("GET /slow", PAUSE) == ""


def test_an_answer_in_between_says_that_the_target_is_there() -> None:
    breaker = Breaker()
    for operation in MANY * 3:
        breaker.answered("GET /a")
        gone(breaker, operation)

    assert breaker.refusal("GET /b", 0.0) == ""
    assert all(breaker.refusal(operation, 0.0) for operation in MANY)


def test_operations_that_hang_side_by_side_do_not_hide_the_sound_ones() -> None:
    breaker = Breaker()
    breaker.answered("GET /a")
    gone(breaker, *MANY)

    assert breaker.refusal("GET /new", 0.0)
    assert breaker.refusal("GET /a", 0.0) == ""
    breaker.answered("GET /a")
    assert breaker.refusal("GET /new", 0.0) == ""


def test_a_target_that_is_gone_in_the_middle_costs_a_few_trials() -> None:
    breaker = Breaker()
    sound = [f"GET /sound/{number}" for number in range(50)]
    for operation in sound:
        breaker.answered(operation)
    gone(breaker, *MANY)
    asked = 0
    for operation in sound:
        if not breaker.refusal(operation, 0.0):
            asked += 1
            gone(breaker, operation)

    assert asked == TRIALS


@given(st.lists(st.tuples(st.sampled_from([*MANY, "GET /a"]), st.booleans())))
def test_what_has_just_answered_may_be_asked(events: list[tuple[str, bool]]) -> None:
    """And after the pause, whatever happened, everything may be."""
    breaker = Breaker()
    for operation, answers in events:
        if answers:
            breaker.answered(operation)
            assert breaker.refusal(operation, 0.0) == ""
        else:
            breaker.silent(operation, "nothing", 0.0)
    assert all(not breaker.refusal(operation, PAUSE) for operation in MANY)
