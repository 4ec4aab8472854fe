"""JSON pointers by the examples of RFC 6901, 5."""

import pytest

from tollproof.pointer import MISSING, resolve

DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "m~n": 8,
    "null": None,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/m~0n", 8),
        ("/null", None),
    ],
)
def test_found(pointer: str, value: object) -> None:
    assert resolve(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/foo/2", "/foo/-1", "/foo/x", "/bar", "/a/b"])
def test_missing(pointer: str) -> None:
    assert resolve(DOCUMENT, pointer) is MISSING


def test_a_scalar_has_no_members() -> None:
    assert resolve("text", "/0") is MISSING
