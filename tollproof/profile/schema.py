"""The profile's JSON Schema, for editors and for naming the keys that exist.

Knows how to derive it from the models. `python -m tollproof.profile` prints it; what
it prints is `profiles/profile.schema.json`.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from tollproof.profile.locate import Path
from tollproof.profile.model import Profile
from tollproof.profile.values import Section

TITLE = "tollproof profile"


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a profile, a description on every key."""
    schema = Profile.model_json_schema(by_alias=True, schema_generator=_Generator)
    sections = {Profile.__name__: schema, **schema["$defs"]}
    for section in _sections(Section):
        if section.__name__ in sections:
            _describe(section, sections[section.__name__]["properties"])
    schema["required"] = ["name"]
    schema["oneOf"] = [{"required": ["target"]}, {"required": ["sdk"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_tidy(schema),
        "title": TITLE,
    }


class _Generator(GenerateJsonSchema):
    """As pydantic's own, with the defaults that are made when they are needed."""

    def get_default_value(self, schema: Any) -> Any:
        factory = schema.get("default_factory")
        return factory() if factory else super().get_default_value(schema)


def _sections(kind: type[Section]) -> Iterator[type[Section]]:
    for below in kind.__subclasses__():
        yield below
        yield from _sections(below)


def _describe(section: type[Section], properties: dict[str, Any]) -> None:
    """Put the text below each field of a model into the model's schema.

    Pydantic can do so itself, but only by reading the source of every model whenever it
    is imported, and a run needs no description.
    """
    written = {
        name: text
        for kind in reversed(section.__mro__)
        if issubclass(kind, Section)
        for name, text in _written(kind)
    }
    for name, field in section.model_fields.items():
        if name in written and field.description is None:
            key = field.alias or name
            described = {**properties[key], "description": written[name]}
            properties[key] = dict(sorted(described.items()))


def _written(kind: type[Section]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a class, each with the text that stands below it."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    for item, below in pairwise(tree.body if isinstance(tree, ast.ClassDef) else ()):
        match item, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)


def schema_text() -> str:
    """Return the schema as it is published."""
    return json.dumps(profile_schema(), indent=2, ensure_ascii=False) + "\n"


def known_keys(path: Path) -> tuple[str, ...]:
    """Return the keys a table at that path may have; () where any key goes."""
    nodes: list[Mapping[str, Any]] = [_schema()]
    for part in path:
        nodes = [found for node in nodes for found in _step(node, part)]
    return tuple(key for node in nodes for key in node.get("properties", {}))


@cache
def tables_knowing(key: str) -> tuple[str, ...]:
    """Return the tables that know a key, dotted, for keys in the wrong table."""
    return tuple(_search(_schema(), key, "", 0))


@cache
def _schema() -> dict[str, Any]:
    return profile_schema()


def _alternatives(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        yield from _alternatives(_schema()["$defs"][name])
    elif "anyOf" in node:
        for choice in node["anyOf"]:
            yield from _alternatives(choice)
    else:
        yield node


def _step(node: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    for choice in _alternatives(node):
        if isinstance(part, int):
            if isinstance(items := choice.get("items"), dict):
                yield from _alternatives(items)
        elif part in choice.get("properties", {}):
            yield from _alternatives(choice["properties"][part])
        elif isinstance(more := choice.get("additionalProperties"), dict):
            yield from _alternatives(more)


def _search(
    node: Mapping[str, Any], key: str, dotted: str, depth: int
) -> Iterator[str]:
    for choice in _alternatives(node):
        properties = choice.get("properties", {})
        if key in properties:
            yield dotted
        if depth < 4:
            for name, child in properties.items():
                place = f"{dotted}.{name}" if dotted else name
                yield from _search(child, key, place, depth + 1)
            if isinstance(more := choice.get("additionalProperties"), dict):
                yield from _search(more, key, f"{dotted}.NAME", depth + 1)
        if isinstance(items := choice.get("items"), dict):
            yield from _search(items, key, dotted, depth + 1)


def _tidy(value: Any) -> Any:
    """Join wrapped descriptions, drop derived titles, and null, which TOML has not."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidy: dict[str, Any] = {
        key: " ".join(item.split())
        if key == "description" and isinstance(item, str)
        else _tidy(item)
        for key, item in value.items()
        if item is not None and not (key == "title" and isinstance(item, str))
    }
    choices = [item for item in tidy.get("anyOf", ()) if item != {"type": "null"}]
    if len(choices) == 1:
        del tidy["anyOf"]
        return {**choices[0], **tidy}
    return {**tidy, "anyOf": choices} if choices else tidy
