"""That a value in a path or a query is what the target reads there, and no more."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.operations import Example, Operation, encode_query, expand

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(first=TEXTS, second=TEXTS)
def test_a_value_stays_one_segment(first: str, second: str) -> None:
    path = expand("/a/{one}/b/{two}", {"one": first, "two": second})

    assert [unquote(part) for part in path.split("/")] == ["", "a", first, "b", second]


def test_a_value_that_looks_like_a_parameter_is_none() -> None:
    assert expand("/{one}/{two}", {"one": "{two}", "two": "x"}) == "/%7Btwo%7D/x"


@given(st.dictionaries(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), max_size=4))
def test_a_query_is_read_back(values: dict[str, list[str]]) -> None:
    pairs = [(name, item) for name, items in values.items() for item in items]

    assert parse_qsl(encode_query(values), keep_blank_values=True) == pairs


def test_a_query_spells_truth_as_json_does() -> None:
    assert encode_query({"a": True, "b": [False, 1]}) == "a=true&b=false&b=1"


@pytest.mark.parametrize(
    ("media_type", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("text/json", False),
        ("application/jsonl", False),
        ("", False),
    ],
)
def test_what_counts_as_json(media_type: str, json: bool) -> None:
    assert Operation(method="POST", path="/", media_type=media_type).takes_json is json


def test_a_target_without_a_query_has_no_question_mark() -> None:
    assert Example(path="/a").target == "/a"
    assert Example(path="/a", query="b=1").target == "/a?b=1"
