"""The profile's JSON Schema, for editors and for naming the keys that exist.

Knows how to derive it from the models. `python -m tollproof.profile` prints it; what
it prints is `profiles/profile.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tollproof.profile.locate import Path
from tollproof.profile.model import Profile

TITLE = "tollproof profile"


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a profile, a description on every key."""
    schema = Profile.model_json_schema(by_alias=True)
    schema["required"] = ["name"]
    schema["oneOf"] = [{"required": ["target"]}, {"required": ["sdk"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_tidy(schema),
        "title": TITLE,
    }


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
