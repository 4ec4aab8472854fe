"""What may be a key in an answer is found, wherever in it; words and times are not."""

from __future__ import annotations

import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.redaction.suspects import MOST, suspects

KEY = "9fQ2xTb7LmZ4wKc8Rv1NdYp6HsGj3AeU"
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=30)
documents = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(document=documents, depth=st.integers(0, 5))
def test_a_random_text_is_found_wherever_it_stands(
    document: object, depth: int
) -> None:
    for _ in range(depth):
        document = [document, {"x": document}]
    body = json.dumps({"rest": document, "in": [{"it": KEY}]}).encode()
    assert KEY in suspects(body)


@pytest.mark.parametrize(
    "body", [f"key={KEY}", f"<key>{KEY}</key>", f"{KEY}\n", '{"broken": "' + KEY]
)
def test_what_is_no_json_is_searched_as_text(body: str) -> None:
    assert any(KEY in item for item in suspects(body.encode()))


def test_a_short_or_wordy_key_is_known_by_its_prefix_or_its_name() -> None:
    document = {
        "a": "sk_onlywords",
        "apiKey": "correct-horse-battery",
        "b": "prose " * 9,
    }
    found = suspects(json.dumps(document).encode(), "sk_")
    assert set(found) == {"sk_onlywords", "correct-horse-battery"}


def test_urls_times_and_words_are_left_alone() -> None:
    document = {
        "url": "https://api.example/v1/keys/0123456789abcdef0123",
        "at": "2026-11-02T10:00:00Z",
        "status": "active_and_well_and_living",
    }
    assert suspects(json.dumps(document).encode()) == ()


def test_a_hostile_answer_cannot_fill_the_memory() -> None:
    many = json.dumps([secrets.token_urlsafe(30) for _ in range(10 * MOST)])
    assert len(suspects(many.encode())) == MOST
    assert suspects(b"[" * 100_000) == ()
