"""Bounds hold wherever inside its interval each decision was made."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tollproof.rotation.delay import STEADY, Delay, Kept, delay, spread
from tollproof.rotation.observation import (
    Answer,
    Observation,
    Span,
    answer_of,
    between,
    of,
)

CALL = Span(sent=0.0, received=0.1)


def seen(*answers: tuple[float, Answer], took: float = 0.01) -> list[Observation]:
    return [
        Observation(sent=at, received=at + took, answer=answer)
        for at, answer in answers
    ]


def refused_from(change: float, until: float, step: float = 0.05) -> list[Observation]:
    count = int(until / step)
    return seen(
        *(
            (n * step, Answer.REFUSED if n * step >= change else Answer.ADMITTED)
            for n in range(count)
        )
    )


def measured(found: list[Observation], promised: float = 0.0) -> Delay:
    return delay(
        CALL, found, wanted=Answer.REFUSED, former=Answer.ADMITTED, promised=promised
    )


@given(
    change=st.floats(0.0, 5.0),
    gaps=st.lists(st.floats(0.001, 0.3), min_size=40, max_size=120),
    chance=st.randoms(use_true_random=False),
)
def test_the_true_delay_lies_between_the_bounds(
    change: float, gaps: list[float], chance: object
) -> None:
    """Each probe is decided at a random moment of its interval."""
    at, found = 0.0, []
    for gap in gaps:
        took = chance.uniform(0.0005, 0.2)  # type: ignore[attr-defined]
        decided = at + chance.uniform(0.0, took)  # type: ignore[attr-defined]
        answer = Answer.REFUSED if decided >= change else Answer.ADMITTED
        found.append(Observation(sent=at, received=at + took, answer=answer))
        at += took + gap
    result = measured(found)
    true = max(0.0, change - CALL.received)
    assert result.lower <= true + 1e-9
    if result.after is not None:
        assert true <= result.upper + 1e-9
        assert not result.relapses
        for promised in (0.0, 0.5, 1.0, 2.0):
            verdict = result.judged(promised)
            assert verdict is not Kept.BROKEN or true > promised
            assert verdict is not Kept.KEPT or true <= promised


def test_a_change_that_never_comes_has_no_end() -> None:
    result = measured(refused_from(9.0, 3.0))
    assert result.upper == math.inf
    assert result.judged(1.0) is Kept.BROKEN
    assert result.judged(60.0) is Kept.OPEN


def test_an_old_answer_long_after_the_change_is_a_relapse() -> None:
    found = refused_from(0.5, 3.0)
    found += seen((3.0, Answer.ADMITTED), (3.1, Answer.REFUSED))
    result = measured(found, promised=1.0)
    assert len(result.relapses) == 1
    assert result.judged(1.0) is Kept.KEPT


def test_workers_may_disagree_until_the_promised_time() -> None:
    found = seen(
        *((n * 0.05, Answer.REFUSED) for n in range(4, 11)),
        (0.6, Answer.ADMITTED),
        *((n * 0.05, Answer.REFUSED) for n in range(13, 60)),
    )
    assert measured(found, promised=1.0).relapses == ()
    assert len(measured(found, promised=0.2).relapses) == 1


def test_what_is_late_is_not_settled_before_it_is_over() -> None:
    """One worker of many that has not heard is seen now and then."""
    found = [
        item
        for n in range(40)
        for item in seen((n * 0.05, Answer.ADMITTED if n % 8 == 5 else Answer.REFUSED))
    ]
    in_time, late = measured(found, promised=0.3), measured(found[10:], promised=0.1)
    assert (in_time.judged(0.3), len(in_time.relapses)) == (Kept.KEPT, 4)
    assert (late.judged(0.1), late.relapses) == (Kept.BROKEN, ())
    assert late.lower > 1.7


def test_fewer_than_steady_answers_settle_nothing() -> None:
    found = seen(
        *((0.2 + n * 0.05, Answer.REFUSED) for n in range(STEADY - 1)),
        (0.6, Answer.ADMITTED),
        *((0.7 + n * 0.05, Answer.REFUSED) for n in range(STEADY)),
    )
    result = measured(found)
    assert result.relapses == ()
    assert result.lower == 0.5


def test_lost_and_throttled_answers_say_nothing() -> None:
    found = refused_from(0.5, 2.0)
    noise = seen((0.51, Answer.LOST), (1.0, Answer.THROTTLED))
    mixed = sorted([*found, *noise], key=lambda item: item.sent)
    assert measured(mixed) == measured(found)


def test_spread_is_of_those_that_ended() -> None:
    found = [
        Delay(lower=0.0, upper=0.2),
        Delay(lower=0.1, upper=0.6),
        Delay(lower=3.0, upper=math.inf),
    ]
    result = spread(found)
    assert result is not None
    assert (result.count, result.most, result.resolution) == (2, 0.6, 0.5)
    assert spread(found[2:]) is None


def test_statuses_speak_about_the_key() -> None:
    read = {status: answer_of(status, 420) for status in (200, 204, 401, 404, 420, 429)}
    assert answer_of(408, 429) is answer_of(425, 429) is Answer.LOST
    assert set(read.values()) == {Answer.ADMITTED, Answer.REFUSED, Answer.THROTTLED}
    assert answer_of(0, 429) is answer_of(503, 429) is answer_of(302, 429)
    assert answer_of(302, 429) is Answer.LOST


def test_between_holds_what_was_certainly_decided_there() -> None:
    found = seen((0.0, Answer.ADMITTED), (1.0, Answer.REFUSED), took=0.5)
    assert between(found, 0.0, 1.2) == (found[0],)
    assert of(found, Answer.REFUSED) == (found[1],)
