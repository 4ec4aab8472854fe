"""Accept and Content-Type are read as RFC 9110 has them."""

import pytest

from tollproof.reference.sparkient.negotiation import accepts, is_json

JSON = "application/json"


@pytest.mark.parametrize(
    ("accept", "allowed"),
    [
        (b"", True),
        (b"*/*", True),
        (b"application/json", True),
        (b"APPLICATION/JSON", True),
        (b"application/*", True),
        (b"text/html, application/json;q=0.1", True),
        (b"application/json; charset=utf-8", True),
        (b"image/png", False),
        (b"image/png, text/*;q=0.5", False),
        (b"application/json;q=0", False),
        (b"*/*, application/json;q=0", False),
        (b"application/json, */*;q=0", True),
        (b"application/*;q=0, */*", False),
        (b"application/jsonx", False),
        (b"nonsense", True),
        (b",,,", True),
        (b"\xff/\xfe", False),
    ],
)
def test_the_most_specific_range_decides(accept: bytes, allowed: bool) -> None:
    assert accepts(accept, JSON) is allowed


@pytest.mark.parametrize(
    ("content_type", "json"),
    [
        (b"application/json", True),
        (b"Application/JSON ; charset=UTF-8", True),
        (b'application/json; charset="utf-8"', True),
        (b"application/json; charset=latin-1", False),
        (b"application/jsonx", False),
        (b"text/json", False),
        (b"", False),
    ],
)
def test_json_is_json_in_utf_8(content_type: bytes, json: bool) -> None:
    assert is_json(content_type) is json
