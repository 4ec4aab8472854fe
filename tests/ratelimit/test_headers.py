from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.ratelimit.headers import (
    parse_count,
    parse_http_date,
    parse_rate_limit_fields,
    parse_reset,
    parse_retry_after,
    seconds_to_wait,
    seconds_until_reset,
)
from tollproof.ratelimit.promise import Ietf, ResetForm, RetryAfterForm


@pytest.mark.parametrize(
    ("raw", "value", "wrong"),
    [
        ("600", 600, ""),
        ("3, 3;w=60", 3, ""),
        ("1000,1000", 1000, "more than one"),
        ("-1", -1, "negative"),
        ("5.0", 5, "fraction"),
        ("many", None, "not a whole number"),
        ("", None, "not a whole number"),
        ("٣", None, "not a whole number"),
    ],
)
def test_counts(raw: str, value: int | None, wrong: str) -> None:
    count = parse_count(raw)
    assert count.value == value
    assert wrong in count.wrong
    assert bool(count.wrong) == bool(wrong)


@pytest.mark.parametrize(
    ("raw", "form", "seconds", "wrong"),
    [
        ("1790000000", ResetForm.UNIX_SECONDS, 1.79e9, ""),
        ("1790000000123", ResetForm.UNIX_MILLISECONDS, 1790000000.123, ""),
        ("60", ResetForm.DELTA_SECONDS, 60.0, ""),
        ("1790000000.25", ResetForm.UNIX_SECONDS, 1790000000.25, ""),
        ("2026-09-21T14:13:20Z", ResetForm.UNIX_SECONDS, 1790000000.0, "timestamp"),
        ("-5", ResetForm.DELTA_SECONDS, -5.0, "negative"),
        ("NaN", None, None, "not a number"),
        ("inf", None, None, "not a number"),
    ],
)
def test_resets(
    raw: str, form: ResetForm | None, seconds: float | None, wrong: str
) -> None:
    reset = parse_reset(raw)
    assert (reset.form, reset.seconds) == (form, seconds)
    assert wrong in reset.wrong


def test_a_reset_of_another_form_than_promised_is_wrong_but_read() -> None:
    reset = parse_reset("60", ResetForm.UNIX_SECONDS)
    assert reset.form is ResetForm.DELTA_SECONDS
    assert "looks like" in reset.wrong


@pytest.mark.parametrize(
    ("raw", "form", "seconds"),
    [
        ("60", RetryAfterForm.DELAY_SECONDS, 60.0),
        ("Mon, 21 Sep 2026 14:13:20 GMT", RetryAfterForm.HTTP_DATE, 1.79e9),
        ("9.787", None, 9.787),
        ("-1484742195", None, -1484742195.0),
        ("NaN", None, None),
        ("soon", None, None),
        ("", None, None),
        ("Mon, 32 Sep 2026 14:13:20 GMT", None, None),
    ],
)
def test_retry_after(
    raw: str, form: RetryAfterForm | None, seconds: float | None
) -> None:
    read = parse_retry_after(raw)
    assert (read.form, read.seconds) == (form, seconds)
    assert bool(read.wrong) == (form is None)


@given(st.datetimes(datetime(1977, 1, 1), datetime(2076, 1, 1)))  # noqa: DTZ001
def test_every_form_of_an_http_date_is_read(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    expected = moment.timestamp()
    assert parse_http_date(format_datetime(moment, usegmt=True)) == expected
    assert parse_http_date(moment.strftime("%A, %d-%b-%y %H:%M:%S GMT")) == expected
    assert parse_http_date(moment.strftime("%a %b %e %H:%M:%S %Y")) == expected


def test_the_newest_draft() -> None:
    fields = parse_rate_limit_fields(
        '"burst";r=50;t=30, "day";r=7;pk=:AQI=:',
        '"burst";q=100;w=60,"day";q=1000;w=86400;qu="requests"',
    )
    assert fields.wrong == ()
    assert fields.dialect is Ietf.DRAFT_10
    assert [(one.name, one.remaining, one.reset) for one in fields.limits] == [
        ("burst", 50, 30),
        ("day", 7, None),
    ]
    assert fields.limits[1].partition == b"\x01\x02"
    assert [(one.quota, one.window) for one in fields.policies] == [
        (100, 60),
        (1000, 86400),
    ]


def test_draft_7_is_a_dictionary() -> None:
    fields = parse_rate_limit_fields("limit=100, remaining=50, reset=5", "100;w=60")
    assert fields.wrong == ()
    assert fields.dialect is Ietf.DRAFT_7
    assert (fields.limits[0].limit, fields.limits[0].remaining) == (100, 50)
    assert fields.policies[0].quota == 100


def test_the_promised_edition_is_held_to() -> None:
    fields = parse_rate_limit_fields(
        "limit=1, remaining=1, reset=5", None, Ietf.DRAFT_10
    )
    assert "syntax" in fields.wrong[0]


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        ("default;r=5;t=3", "quotes"),
        ('"default"', "r is missing"),
        ('"default";r=-1', "whole number"),
        ('"default";r=1.5', "whole number"),
        ('"default";r="1"', "whole number"),
        ('"default;r=1', "a string that ends"),
        ('"default";r=1,', "a comma at the end"),
        ('"default";r=1 "other";r=2', "a comma expected"),
        ('("a" "b");r=1', "inner list"),
        ('"dé";r=1', "not ASCII"),
        ('"default";R=1', "a key expected"),
        ('"default";r=1234567890123456', "15 digits"),
        ("", "no member"),
    ],
)
def test_breaches_of_the_grammar_are_named(raw: str, wrong: str) -> None:
    fields = parse_rate_limit_fields(raw, None)
    assert wrong in fields.wrong[0]
    assert fields.limits == ()


def test_a_policy_that_is_not_announced_is_named() -> None:
    fields = parse_rate_limit_fields('"a";r=1', '"b";q=1;w=1')
    assert "'a'" in fields.wrong[0]


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_a_target_sends_makes_a_reader_raise(one: str, other: str) -> None:
    parse_count(one)
    parse_reset(one)
    parse_retry_after(one)
    parse_rate_limit_fields(one, other)
    seconds_to_wait(one, date=other, wall=1.79e9)
    seconds_until_reset(one, None, date=other, wall=1.79e9)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_is_written_by_the_rules_is_read_back(remaining: int, reset: int) -> None:
    fields = parse_rate_limit_fields(f'"x";r={remaining};t={reset}', None)
    assert fields.wrong == ()
    assert (fields.limits[0].remaining, fields.limits[0].reset) == (remaining, reset)


def test_a_reset_in_unix_time_is_compared_with_the_answers_own_clock() -> None:
    date = "Mon, 21 Sep 2026 14:13:20 GMT"
    wait = seconds_until_reset("1790000030", None, date=date, wall=5.0)
    assert wait == pytest.approx(29.5)
    assert seconds_until_reset("30", None, date=date, wall=5.0) == 30.0
