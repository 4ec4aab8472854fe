"""Ids are redrawn in their form; objects are found; refusals are compared."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.experiment import Reading, about, identifiers, leaves, telling
from tollproof.model import Exchange, Request, Response
from tollproof.tenancy import given_away, other_id, unlike


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("dec_0a1b2c3d4e5f6071", r"dec_[0-9a-f]{16}"),
        ("4f1f0ed5-7c3e-4d3c-9f2a-0c1d2e3f4a5b", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.{12}"),
        ("12345", r"\d{5}|[0-9a-f]{5}"),
        ("ABcd12", r"[A-Z]{2}[a-z]{2}\d{2}"),
        ("_", "_0"),
    ],
)
def test_another_id_has_the_same_form(value: str, form: str) -> None:
    drawn = other_id(value, 0)
    assert drawn != value
    assert re.fullmatch(form, drawn)
    assert drawn == other_id(value, 0)


@given(st.text(min_size=1, max_size=30), st.integers())
def test_another_id_is_always_another(value: str, seed: int) -> None:
    assert other_id(value, seed) != value


def test_the_smallest_object_that_names_an_id_is_found() -> None:
    item = {"id": "a1", "owner": {"name": "x"}}
    document = {"items": [{"id": "b2"}, item], "next": None}
    assert about(document, ["a1"]) == item
    assert about(document, ["zz"]) is None
    assert about(document, []) == document
    assert about([1, "a1"], ["a1"]) == "a1"


@pytest.mark.parametrize(
    ("document", "is_id"),
    [
        ({"id": 2}, True),
        ({"items": [{"order_id": "2"}]}, True),
        ({"ids": [1, 2]}, True),
        ({"orderId": 2}, True),
        ({"uuid": "2"}, True),
        ({"2": {}}, True),
        ({"count": 2}, False),
        ({"paid": 2}, False),
        ({"valid": "2"}, False),
        ({"id": 2.0}, False),
        ([2], False),
    ],
)
def test_an_id_stands_where_ids_stand(document: object, is_id: bool) -> None:
    assert ("2" in set(identifiers(document))) is is_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON, st.text(min_size=1, max_size=8))
def test_what_is_about_an_id_names_it(document: object, value: str) -> None:
    found = about(document, [value])
    assert (found is not None) == (value in set(leaves(document)))
    if found is not None:
        assert value in set(leaves(found))


def _reading(body: str) -> Reading:
    return Reading(exchange=_answer(404, body), body=body.encode())


def _answer(status: int, body: str, **headers: str) -> Exchange:
    return Exchange(
        id="x-1",
        at="2026-01-01T00:00:00.000Z",
        seconds=0.1,
        request=Request(method="GET", url="http://h/"),
        response=Response(status=status, headers=tuple(headers.items()), body=body),
    )


def test_what_a_refusal_gives_away() -> None:
    secrets = telling({"text": "a private text", "n": 123456, "s": "ab"})
    assert secrets == {"a private text", "123456"}
    told = _reading(json.dumps({"error": "no", "was": "a private text"}))
    assert given_away(told, secrets) == ("a private text",)
    assert given_away(_reading('{"error": "no such thing"}'), secrets) == ()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (_answer(404, "no id-1"), _answer(404, "no id-2"), True),
        (_answer(404, "no id-1"), _answer(403, "no id-2"), False),
        (_answer(404, "no id-1"), _answer(404, "none"), False),
        (_answer(404, "", Date="now"), _answer(404, "", Date="then"), True),
        (_answer(404, "", ETag="a"), _answer(404, "", ETag="b"), True),
        (_answer(404, "", X_Cache="a"), _answer(404, ""), False),
    ],
)
def test_refusals_are_compared_without_ids_and_fleeting_fields(
    one: Exchange, other: Exchange, alike: bool
) -> None:
    assert (unlike(one, other, {"id-1": "id-2"}) == "") is alike
