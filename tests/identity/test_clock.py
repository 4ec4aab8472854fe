"""The target's clock is bounded by every answer, and wrong by none."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from tollproof.identity.clock import TargetClock
from tollproof.model import Exchange, Request, Response

BASE = 1_800_000_000.0


def _exchange(sent: float, seconds: float, date: str | None) -> Exchange:
    at = datetime.fromtimestamp(sent, UTC).isoformat(timespec="milliseconds")
    headers = () if date is None else (("Date", date),)
    return Exchange(
        id="x-1",
        at=at.replace("+00:00", "Z"),
        seconds=seconds,
        request=Request(method="GET", url="http://h/"),
        response=Response(status=200, headers=headers),
    )


@given(
    offset=st.floats(min_value=-100_000, max_value=100_000),
    answers=st.lists(
        st.tuples(
            st.floats(min_value=0, max_value=100),
            st.floats(min_value=0, max_value=2),
            st.floats(min_value=0, max_value=1),
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_the_true_offset_is_never_excluded(
    offset: float, answers: list[tuple[float, float, float]]
) -> None:
    clock = TargetClock(lambda: BASE)
    for start, seconds, share in answers:
        sent = BASE + start
        date = formatdate(sent + seconds * share + offset, usegmt=True)
        clock.observe(_exchange(sent, seconds, date))
        # A single answer leaves its duration and a second of doubt.
        assert abs(clock.offset - offset) <= max(item[1] for item in answers) + 1.01
        assert clock._low <= offset + 0.002
        assert offset - 0.002 <= clock._high


def test_many_answers_make_it_sharper() -> None:
    clock = TargetClock(lambda: BASE)
    for tenth in range(40):
        sent = BASE + tenth * 0.11
        clock.observe(_exchange(sent, 0.01, formatdate(sent + 7.3, usegmt=True)))
    assert abs(clock.offset - 7.3) < 0.2
    assert clock.now() == BASE + clock.offset


def test_an_offset_of_nothing_is_nothing() -> None:
    clock = TargetClock(lambda: BASE)
    clock.observe(_exchange(BASE, 0.05, formatdate(BASE, usegmt=True)))
    assert clock.offset == 0.0


def test_answers_without_a_usable_date_change_nothing() -> None:
    clock = TargetClock(lambda: BASE)
    for date in (None, "", "yesterday", "Thu, 99 Foo 2026 00:00:00 GMT"):
        clock.observe(_exchange(BASE, 0.1, date))
    assert clock.offset == 0.0


def test_a_clock_that_was_set_is_followed() -> None:
    clock = TargetClock(lambda: BASE)
    clock.observe(_exchange(BASE, 0.01, formatdate(BASE + 100, usegmt=True)))
    clock.observe(_exchange(BASE, 0.01, formatdate(BASE - 50, usegmt=True)))
    assert abs(clock.offset + 50) < 1.1
