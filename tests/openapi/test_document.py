"""From a document to operations and requests, whatever is wrong with part of it."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import servers
from tests.deploying import deployment_of, document, responding, with_document
from tollproof.errors import ProfileError, Undetermined, UsageError
from tollproof.openapi.document import Document, read_operations
from tollproof.openapi.drawer import Drawer
from tollproof.openapi.reading import TOLD_LIMIT
from tollproof.operations import Operation
from tollproof.profile.load import load_profile
from tollproof.profile.target import Target

TARGET = Target(base_url="http://127.0.0.1:9")
USER = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
    },
}


DRAWER = Drawer()


@pytest.fixture(autouse=True, scope="module")
def _one_process_for_all() -> Iterator[None]:
    yield
    DRAWER.close()


def understood(text: str, target: Target = TARGET) -> Document:
    return read_operations(text, source="api.json", target=target, drawer=DRAWER)


def read(paths: Mapping[str, Any], *, target: Target = TARGET, **more: Any) -> Document:
    return understood(json.dumps(document(paths, **more)), target)


def labels(found: Document) -> list[str]:
    return [operation.label for operation in found.operations]


def only(found: Document) -> Operation:
    (operation,) = found.operations
    return operation


def taking(schema: Any, *, kind: str = "application/json", **more: Any) -> Any:
    return responding(
        requestBody={"required": True, "content": {kind: {"schema": schema, **more}}}
    )


def parameter(name: str, where: str = "query", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": True,
        "schema": {"type": "string"},
        **more,
    }


# -- what the document says of an operation ------------------------------------------


@pytest.mark.parametrize("version", ["3.0.0", "3.0.3", "3.1.0"])
def test_operations_are_those_of_the_document_in_its_order(version: str) -> None:
    paths = {
        "/b": {"post": responding(), "get": responding()},
        "/a/{id}/{part}": {
            "parameters": [parameter("id", "path"), parameter("part", "path")],
            "get": responding(),
            "summary": "two parts",
        },
    }
    found = read(paths, version=version)

    assert sorted(labels(found)) == ["GET /a/{id}/{part}", "GET /b", "POST /b"]
    assert labels(found)[-1] == "GET /a/{id}/{part}"
    assert found.operations[-1].parameters == ("id", "part")
    assert found.unreadable == {}


def test_yaml_says_the_same_as_json() -> None:
    text = """\
openapi: 3.0.3
info: {title: T, version: '1'}
security: [{key: []}]
components: {securitySchemes: {key: {type: http, scheme: bearer}}}
paths:
  /a:
    get:
      security: []
      responses: {200: {description: Fine}}
    put:
      requestBody: {content: {application/json: {example: {day: 2020-01-01}}}}
      responses: {200: {description: Fine}}
"""
    found = understood(text)
    get, put = found.operations

    assert (get.label, get.public) == ("GET /a", True)
    assert found.example(put, {}).body == b'{"day": "2020-01-01"}'


@pytest.mark.parametrize(
    ("security", "default", "public"),
    [
        (None, [{"key": []}], False),
        ([], [{"key": []}], True),
        ([{}], [{"key": []}], True),
        ([{"key": []}, {}], [{"key": []}], True),
        ([{"key": []}], [], False),
        (None, [], True),
        (None, None, True),
    ],
)
def test_what_needs_no_credential_is_public(
    security: Any, default: Any, public: bool
) -> None:
    own = {} if security is None else {"security": security}
    found = read({"/a": {"get": responding(**own)}}, security=default or [])

    assert only(found).public is public


def test_the_profile_says_what_is_public_excluded_or_harmless() -> None:
    target = Target(
        base_url="http://127.0.0.1:9",
        public=("GET /health",),
        exclude=("* /danger",),
        read_only=("POST /search",),
    )
    paths = {
        "/health": {"get": responding()},
        "/danger": {"get": responding(), "delete": responding()},
        "/search": {"post": responding()},
        "/save": {"post": responding(), "head": responding()},
    }
    found = read(paths, target=target)
    by_label = {operation.label: operation for operation in found.operations}

    assert set(by_label) == {"GET /health", "POST /search", "POST /save", "HEAD /save"}
    # responding() asks for no credential; beside what the profile names that is a slip.
    assert {label for label, item in by_label.items() if item.public} == {"GET /health"}
    assert {label for label, item in by_label.items() if item.changes} == {"POST /save"}


@pytest.mark.parametrize(
    ("kinds", "chosen", "takes_json"),
    [
        (["text/plain", "application/json"], "application/json", True),
        (["application/merge-patch+json"], "application/merge-patch+json", True),
        (["application/json; charset=utf-8"], "application/json; charset=utf-8", True),
        (["text/plain"], "text/plain", False),
    ],
)
def test_a_json_body_is_preferred(
    kinds: list[str], chosen: str, takes_json: bool
) -> None:
    content = {kind: {"schema": {"type": "string"}} for kind in kinds}
    operation = only(
        read({"/a": {"post": responding(requestBody={"content": content})}})
    )

    assert (operation.media_type, operation.takes_json) == (chosen, takes_json)


@pytest.mark.parametrize(
    ("servers_", "prefix"),
    [
        (None, ""),
        ([], ""),
        ([{"url": "https://api.example.com"}], ""),
        ([{"url": "https://api.example.com/"}], ""),
        ([{"url": "https://api.example.com/v1/"}], "/v1"),
        ([{"url": "/api/v2"}], "/api/v2"),
        ([{"url": "https://a/v1"}, {"url": "https://b/v2"}], "/v1"),
        (
            [
                {
                    "url": "https://{region}.x.com/{base}",
                    "variables": {
                        "region": {"default": "eu"},
                        "base": {"default": "v3"},
                    },
                }
            ],
            "/v3",
        ),
        ([{"url": "https://x.com/{base}"}], ""),
        ("nonsense", ""),
        ([7], ""),
    ],
)
def test_the_prefix_is_the_path_of_the_first_server(servers_: Any, prefix: str) -> None:
    more = {} if servers_ is None else {"servers": servers_}

    assert read({"/a": {"get": responding()}}, **more).prefix == prefix


# -- requests ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"example": "e"}, "e"),
        ({"examples": {"one": {"value": "f"}, "two": {"value": "g"}}}, "f"),
        ({"schema": {"type": "string", "example": "h"}}, "h"),
        ({"schema": {"type": "string", "default": "i"}}, "i"),
        ({"schema": {"type": "string", "enum": ["j", "k"]}}, "j"),
        ({"schema": {"type": "string", "examples": ["l"]}}, "l"),
        ({"schema": {"type": "string", "const": "m"}}, "m"),
        ({"example": "o", "schema": {"type": "string", "example": "p"}}, "o"),
    ],
)
@pytest.mark.parametrize("where", ["path", "query", "header"])
def test_what_people_wrote_comes_before_what_is_generated(
    where: str, written: dict[str, Any], value: str
) -> None:
    path = "/a/{x}" if where == "path" else "/a"
    found = read(
        {path: {"get": responding(parameters=[parameter("x", where, **written)])}},
        version="3.1.0",
    )
    example = found.example(only(found), {})

    assert example.certain
    assert example.target == {"path": f"/a/{value}", "query": f"/a?x={value}"}.get(
        where, "/a"
    )
    assert example.headers == ((("x", value),) if where == "header" else ())


def test_the_profile_comes_before_the_document() -> None:
    found = read(
        {"/a/{x}": {"get": responding(parameters=[parameter("x", "path", example=1)])}}
    )

    assert found.example(only(found), {"x": "a/b c"}).path == "/a/a%2Fb%20c"
    assert found.example(only(found), {}).path == "/a/1"


def test_what_people_wrote_is_told_with_the_document() -> None:
    given_ = [parameter("x", "path"), parameter("q", example=1)]
    paths = {"/a/{x}": {"put": {**taking({}, example=[1]), "parameters": given_}}}
    drawer = Drawer()
    text = json.dumps(document(paths))
    found = read_operations(text, source="api.json", target=TARGET, drawer=drawer)
    asked = drawer.example(0, "PUT /a/{x}", {"x": "b"})
    drawer.close()
    example = found.example(only(found), {"x": "b", "other": "c"})

    assert example.target == "/a/b?q=1" == f"{asked['path']}?{asked['query']}"
    assert [list(line) for line in example.headers] == asked["headers"]
    assert base64.b64encode(example.body).decode() == asked["body"]
    assert example.certain is asked["certain"] is True
    with pytest.raises(Undetermined, match="has ended"):
        found.example(only(found), {})  # to be made up


def test_a_long_request_is_asked_for_when_it_is_wanted() -> None:
    long = "x" * TOLD_LIMIT
    found = read(
        {"/a": {"post": taking({}, example=long)}, "/b": {"get": responding()}}
    )

    for operation in found.operations:
        example = found.example(operation, {})
        assert example.certain
        assert example.body == (
            b'"%s"' % long.encode() if example.path == "/a" else b""
        )


def test_what_nobody_wrote_is_generated_and_said_to_be_uncertain() -> None:
    schema = {"type": "string", "pattern": "^[a-f]{4}$"}
    given_ = [
        parameter("p", "path", schema=schema),
        parameter("q", schema=schema),
        parameter("X-H", "header", schema=schema),
    ]
    found = read({"/a/{p}": {"put": {**taking(USER), "parameters": given_}}})
    example = found.example(only(found), {})

    assert not example.certain
    last = example.path.rpartition("/")[2]
    jsonschema.validate(last, schema)
    jsonschema.validate(dict(example.headers)["X-H"], schema)
    assert example.query.startswith("q=")
    jsonschema.validate(json.loads(example.body), USER)
    assert found.example(only(found), {}) == example


def test_a_generated_text_is_not_blank_where_it_need_not_be() -> None:
    title = {"type": "string"}
    schema = {"type": "object", "required": ["title"], "properties": {"title": title}}
    found = read({"/a": {"post": taking(schema)}})
    assert json.loads(found.example(only(found), {}).body)["title"].strip()

    title["maxLength"] = 0  # type: ignore[assignment]
    found = read({"/a": {"post": taking(schema)}})
    assert json.loads(found.example(only(found), {}).body)["title"] == ""


def test_an_optional_parameter_is_left_out() -> None:
    optional = {**parameter("q"), "required": False}
    found = read({"/a": {"get": responding(parameters=[optional])}})

    assert found.example(only(found), {}).target == "/a"
    assert found.example(only(found), {}).certain


@pytest.mark.parametrize(
    ("kind", "written", "body"),
    [
        ("application/json", {"name": "é"}, '{"name": "é"}'),
        ("application/json", "text", '"text"'),
        ("application/vnd.x+json", [1], "[1]"),
        ("text/plain", "text", "text"),
        ("application/xml", "<a/>", "<a/>"),
        (
            "application/x-www-form-urlencoded",
            {"a": "b c", "d": [1, 2]},
            "a=b%20c&d=1&d=2",
        ),
    ],
)
def test_a_body_is_written_as_its_type_wants(
    kind: str, written: Any, body: str
) -> None:
    found = read({"/a": {"post": taking({}, kind=kind, example=written)}})
    example = found.example(only(found), {})

    assert example.body.decode() == body
    assert example.headers == (("Content-Type", kind),)
    assert example.certain


def test_a_credential_is_the_identitys_business() -> None:
    key = {"type": "apiKey", "in": "header", "name": "X-Key"}
    found = read(
        {"/a": {"get": responding()}}, components={"securitySchemes": {"key": key}}
    )
    example = found.example(only(found), {})

    assert (example.headers, example.certain) == ((), True)


# -- bodies that break the schema ----------------------------------------------------

SCHEMAS = [
    USER,
    {"type": "array", "items": {"type": "integer"}, "minItems": 1},
    {"type": "string", "maxLength": 3},
    {"oneOf": [USER, {"type": "integer"}]},
    {"$ref": "#/components/schemas/Node"},
]
NODE = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "next": {"$ref": "#/components/schemas/Node"},
    },
}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_invalid_bodies_are_invalid_and_the_same_for_the_same_seed(
    version: str, schema: dict[str, Any]
) -> None:
    components = {"schemas": {"Node": NODE}}
    paths = {"/a": {"post": taking(schema)}}
    found = read(paths, version=version, components=components)
    bodies = found.invalid_bodies(only(found), run_seed=7, count=4)

    assert bodies
    assert len(set(bodies)) == len(bodies) <= 4
    resolvable = {**schema, "components": components}
    for body in bodies:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(body), resolvable)
    again = read(paths, version=version, components=components)
    assert again.invalid_bodies(only(again), run_seed=7, count=4) == bodies


def test_no_body_is_invalid_by_what_only_the_server_sets() -> None:
    """A server that ignores such a member does nothing wrong."""
    members = {"id": {"type": "integer", "readOnly": True}, "title": {"type": "string"}}
    schema = {"type": "object", "required": ["title"], "properties": members}
    found = read({"/a": {"post": taking(schema)}})
    bodies = found.invalid_bodies(only(found), run_seed=3, count=12)
    assert bodies
    for body in map(json.loads, bodies):
        assert not (isinstance(body, dict) and isinstance(body.get("title"), str))


@pytest.mark.parametrize(
    "operation",
    [responding(), taking({}), taking(True), taking({}, kind="text/plain")],
    ids=["no body", "anything", "true", "text"],
)
def test_nothing_is_invalid_where_everything_is_allowed(operation: Any) -> None:
    found = read({"/a": {"post": operation}}, version="3.1.0")

    assert found.invalid_bodies(only(found), run_seed=0, count=4) == ()


# -- documents that are wrong in part ------------------------------------------------


def test_the_rest_of_a_broken_document_is_used() -> None:
    paths = {
        "/fine": {"get": responding()},
        "/broken": {
            "get": responding(parameters=[{"$ref": "#/components/parameters/Gone"}]),
            "put": responding(),
        },
        "/odd": {
            "post": responding(
                requestBody={"content": {"a/b": {"schema": {"$ref": 7}}}}
            )
        },
        "/out": {"get": responding(parameters=[{"$ref": "http://127.0.0.1:9/p.json"}])},
        "/also-fine": {"delete": responding()},
    }
    found = read(paths)

    assert labels(found) == ["GET /fine", "PUT /broken", "DELETE /also-fine"]
    assert set(found.unreadable) == {
        "GET /broken",
        "POST /odd",
        "GET /out",
    }
    assert all(found.unreadable.values())


JUNK: tuple[Any, ...] = (
    None,
    7,
    "x",
    "\ud800",
    [],
    {},
    True,
    [1],
    1e308,
    {"a": 1},
    {"$ref": "#/nope"},
    {"$ref": 7},
    {"$ref": "#/components/schemas/Node"},
)
WHOLE = document(
    {
        "/a/{id}": {
            "parameters": [parameter("id", "path", schema={"type": "integer"})],
            "get": responding(parameters=[parameter("q"), parameter("X-H", "header")]),
            "put": taking({"$ref": "#/components/schemas/Node"}),
        },
        "/b": {"get": responding(security=[])},
    },
    servers=[{"url": "https://x/v1"}],
)
WHOLE["components"]["schemas"] = {"Node": NODE}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, (*path, key))


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.nested_given],
)
@given(st.sampled_from(list(places(WHOLE))), st.sampled_from(JUNK))
def test_anything_wrong_anywhere_is_told_or_survived(
    place: tuple[Any, ...], junk: Any
) -> None:
    spoilt = copy.deepcopy(WHOLE)
    inside = spoilt
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = junk
    try:
        found = understood(json.dumps(spoilt))
    except UsageError:
        return
    for operation in found.operations:
        example = found.example(operation, {})
        assert example.path.startswith("/")
        assert "{" not in example.path or "{" not in operation.path
        found.invalid_bodies(operation, run_seed=0, count=1)


# -- where a document comes from -----------------------------------------------------


def test_an_unreadable_operation_becomes_a_note(tmp_path: Path) -> None:
    paths = {
        "/fine": {"get": responding()},
        "/gone": {"get": responding(parameters=[{"$ref": "#/components/x/Gone"}])},
    }
    with deployment_of(with_document(tmp_path, paths)) as deployment:
        assert [item.label for item in deployment.operations] == ["GET /fine"]
        (note,) = deployment.notes
    assert note.startswith("GET /gone could not be read from the OpenAPI document")


@pytest.mark.parametrize("text", ["{", '{"swagger": "2.0"}', "[]"])
def test_a_document_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, text: str
) -> None:
    profile = with_document(tmp_path, {})
    (tmp_path / "openapi.json").write_text(text)
    with pytest.raises(ProfileError) as caught, deployment_of(profile):
        pass
    told = str(caught.value)

    assert f"{tmp_path / 'profile.toml'}:6: target.openapi:" in told
    assert str(tmp_path / "openapi.json") in told
    assert "list operations under target.operations" in told


def test_a_document_that_is_not_there_is_named(tmp_path: Path) -> None:
    profile = with_document(tmp_path, {})
    (tmp_path / "openapi.json").unlink()
    with (
        pytest.raises(ProfileError, match=r"openapi\.json: cannot be read"),
        deployment_of(profile),
    ):
        pass


def test_a_document_is_fetched_from_the_target(tmp_path: Path) -> None:
    text = json.dumps(document({"/a": {"get": responding()}})).encode()
    with servers.scripted(servers.answers(servers.answer(200, body=text))) as server:
        profile = with_document(tmp_path, {}, base_url=server.origin)
        path = tmp_path / "profile.toml"
        path.write_text(path.read_text().replace("openapi.json", "/v1/openapi.json"))
        profile = load_profile(path, environ={})
        with deployment_of(profile) as deployment:
            assert [item.label for item in deployment.operations] == ["GET /a"]
    (request,) = server.requests

    assert request.startswith(b"GET /v1/openapi.json HTTP/1.1\r\n")
    assert b"uthorization" not in request
