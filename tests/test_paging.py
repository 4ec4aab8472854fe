"""Further pages are noticed, and followed only where they are ours."""

from __future__ import annotations

import pytest

from tollproof.paging import goes_on, next_query

HERE = "https://api.example/v1/keys?limit=2"


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ('<https://api.example/v1/keys?page=2>; rel="next"', "page=2"),
        ("</v1/keys?page=2>; rel=next", "page=2"),
        ('</v1/keys?page=9>; rel="last", </v1/keys?page=2>; rel="next"', "page=2"),
        ('<?cursor=a%2Cb>; title="x"; rel="prev next"', "cursor=a%2Cb"),
        ('<https://api.example/v1/keys?page=1>; rel="prev"', None),
        ('<https://evil.example/v1/keys?page=2>; rel="next"', None),
        ('<https://api.example/v1/delete?all=1>; rel="next"', None),
        ('<//evil.example/v1/keys?page=2>; rel="next"', None),
        ("<" * 5000, None),
        ("", None),
        (None, None),
    ],
)
def test_a_next_page_of_the_same_list_is_followed(
    fields: str | None, query: str | None
) -> None:
    assert next_query(fields, HERE) == query


@pytest.mark.parametrize(
    "document",
    [
        {"keys": [], "has_more": True},
        {"keys": [], "nextPageToken": "x"},
        {"keys": [], "next_cursor": "x"},
        {"keys": [], "next": "https://api.example/v1/keys?page=2"},
        {"data": [], "pagination": {"next": 2}},
        {"data": [], "links": {"next": {"href": "/x"}}},
        {"Keys": [], "IsTruncated": True, "NextMarker": "x"},
    ],
)
def test_a_list_that_goes_on_says_so(document: object) -> None:
    assert goes_on(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"keys": []},
        {"keys": [], "has_more": False, "next": None, "nextPageToken": ""},
        {"data": [], "pagination": {"next": None, "total": 2}},
        {"keys": [{"next": "x", "has_more": True}]},
        "next",
    ],
)
def test_a_list_that_ends_says_nothing(document: object) -> None:
    assert not goes_on(document)
