"""Text becomes plain values, or what is wrong is told; no bomb goes off."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.documents import (
    DEPTH_LIMIT,
    NOT_FOLLOWED,
    operation_lines,
    parse_document,
)
from tollproof.errors import UsageError

SMALL = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {}}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_document(text, "api.yaml")
    return str(caught.value)


@given(values)
def test_json_is_taken_as_it_is(value: object) -> None:
    document = parse_document(json.dumps({**SMALL, "x-any": value}), "api.json")
    expected = json.loads(json.dumps({**SMALL, "x-any": value}))

    assert '"$ref"' in json.dumps(expected) or document == expected


def test_yaml_is_read_as_json_would_have_it() -> None:
    document = parse_document(
        """\
openapi: 3.1.0
info: {title: T, version: 1.0}
paths:
  /a:
    get:
      responses:
        200: {description: Fine}
        default: &error {description: Wrong}
      x-days: [2020-01-01, 2020-01-01T10:00:00Z]
      x-countries: [NO, no, on, off, yes, n]
      x-truth: [true, false, null, ~]
      x-again: *error
    true: 1
""",
        "api.yaml",
    )
    get = document["paths"]["/a"]["get"]

    assert document["openapi"] == "3.1.0"
    assert list(get["responses"]) == ["200", "default"]
    assert get["x-days"] == ["2020-01-01", "2020-01-01T10:00:00Z"]
    assert get["x-countries"] == ["NO", "no", "on", "off", "yes", "n"]
    assert get["x-truth"] == [True, False, None, None]
    assert get["x-again"] == {"description": "Wrong"}
    assert document["paths"]["/a"]["true"] == 1
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("{", "api.yaml:", "neither as JSON nor as YAML"),
        ("openapi: 3.0.0\n\tpaths: {}", "api.yaml:2:", "neither as JSON nor as YAML"),
        ('{\n"openapi": "3.0.0",\n]', "api.yaml:3:", "neither as JSON nor as YAML"),
        ("a: 1\n---\nb: 2", "api.yaml:2:", "another document"),
        ("a: *nowhere", "api.yaml:1:", "undefined alias"),
        ("x: !!python/object/apply:os.system [id]", "api.yaml:1:", "constructor"),
        ("? [a]\n: 1", "api.yaml:1:", "unhashable"),
        ("\x00", "api.yaml:1:", "neither"),
        ("a: \ud800", "api.yaml:1:", "neither"),
        ("hello", "api.yaml:", "an object at its top"),
        ("", "api.yaml:", "an object at its top"),
        ("[]", "api.yaml:", "an object at its top"),
        ("<!doctype html><p>Not found", "api.yaml:", "an object at its top"),
        ('{"swagger": "2.0"}', "api.yaml:", "'swagger 2.0'; convert older"),
        ('{"paths": {}}', "api.yaml:", "'none'"),
        ('{"openapi": "4.0.0"}', "api.yaml:", "says '4.0.0'"),
        ('{"openapi": 2}', "api.yaml:", "says '2'"),
        ('{"openapi": "3.0.0", "paths": []}', "api.yaml:", "`paths` must be"),
    ],
)
def test_what_is_no_document_names_place_and_remedy(
    text: str, place: str, words: str
) -> None:
    told = refusal(text)

    assert told.startswith(place)
    assert words in told


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 100_000 + "x",
        json.dumps(SMALL)[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + "}",
        "openapi: 3.0.0\nx: &loop [*loop]",
    ],
    ids=["json", "flow", "block", "valid json", "loop"],
)
def test_a_document_nested_too_deeply_is_refused(text: str) -> None:
    assert "is nested too deeply" in refusal(text)


def test_a_document_may_be_as_deep_as_people_write_them() -> None:
    value: object = "leaf"
    for _ in range(DEPTH_LIMIT - 2):
        value = [value]
    document = parse_document(json.dumps({**SMALL, "x": value}), "api.json")

    assert document["x"] == value


def test_a_bomb_of_aliases_is_refused() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{f'*a{n - 1}, ' * 10}]" for n in range(1, 12)]

    assert "is too large" in refusal("\n".join(["openapi: 3.0.0", *layers]))


@pytest.mark.parametrize(
    "reference",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://other.example/schemas.json#/User",
        "file:///etc/passwd",
        "/etc/passwd",
        "../secrets.json",
        "schemas.yaml#/User",
        "",
    ],
)
def test_no_reference_leads_out_of_the_document(reference: str) -> None:
    """Else a target could have us read our own files and send what is in them."""
    text = json.dumps({**SMALL, "x": [{"schema": {"$ref": reference}}]})
    found = parse_document(text, "api.json")["x"][0]["schema"]["$ref"]

    assert found.startswith(NOT_FOLLOWED)


def test_references_inside_the_document_stay() -> None:
    text = json.dumps({**SMALL, "x": {"$ref": "#/components/schemas/User"}})

    assert parse_document(text, "api.json")["x"]["$ref"] == "#/components/schemas/User"


@pytest.mark.parametrize("indent", [None, 2])
def test_each_operation_has_its_line(indent: int | None) -> None:
    paths: dict[str, object] = {
        "/a": {"get": {}, "put": {}},
        "/a/{id}": {"get": {}},
        "/b": {"post": {}},
    }
    labels = ["GET /a", "PUT /a", "GET /a/{id}", "POST /b", "GET /none"]
    text = json.dumps({**SMALL, "paths": paths}, indent=indent)
    lines = operation_lines(text, labels)

    if indent is None:
        assert lines == {}
    else:
        written = text.splitlines()
        assert set(lines) == set(labels[:-1])
        for label, line in lines.items():
            assert f'"{label.partition(" ")[0].lower()}":' in written[line - 1]


def test_a_line_of_yaml_is_found_too() -> None:
    text = "paths:\n  /a:\n    parameters: []\n    get: {}\n  '/b':\n    \"put\":\n"

    assert operation_lines(text, ["GET /a", "PUT /b"]) == {"GET /a": 4, "PUT /b": 6}
