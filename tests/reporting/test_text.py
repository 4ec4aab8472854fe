"""`visible` leaves nothing that acts, and changes nothing that is only read."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.reporting.text import clip, one_line, plain_json, visible, visible_json

_ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x00", r"\x00"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb", r"a\rb"),
        ("\u202egnp", r"\u202egnp"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("\ud800", r"\ud800"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\U000e0041", r"\U000e0041"),
        ("\ufffe\uffff", r"\ufffe\uffff"),
        ("\u2028", r"\u2028"),
    ],
)
def test_acting_characters_are_spelt_out(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@pytest.mark.parametrize(
    "text",
    ["tab\tand\nnewline", "naïve", "日本語", "العربية", "עברית", "👩 ok", "§ – “x”"],
)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(_ANY)
def test_nothing_of_the_acting_categories_is_left(text: str) -> None:
    """Cc, Cf (bidirectional and invisible formats) and Cs are what acts."""
    for char in visible(text):
        if char not in "\n\t" and unicodedata.category(char) in {"Cc", "Cs"}:
            pytest.fail(f"{char!r} is left")
        assert unicodedata.bidirectional(char) not in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }


@given(_ANY)
def test_showing_twice_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)


def test_stacked_marks_do_not_climb_over_other_lines() -> None:
    assert len(visible("Z" + "\u0301" * 500)) == 6


@given(_ANY)
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


def test_clip_says_how_much_is_missing() -> None:
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdef", 2) == "ab… [4 more characters]"


def test_json_without_words_for_it_gets_some() -> None:
    value = {"a": [float("nan"), float("-inf"), 1.5, None, True], "\ud800": "\x1b"}

    assert plain_json(value) == {
        "a": ["nan", "-inf", 1.5, None, True],
        r"\ud800": "\x1b",
    }
    assert visible_json(value)[r"\ud800"] == r"\x1b"
    assert json.dumps(plain_json(value), allow_nan=False)
