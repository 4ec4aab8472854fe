"""The JSON Schema of a results file, generated from the model.

Knows how :func:`tollproof.model.to_json` writes values. Generated from the dataclasses,
the schema cannot say anything else than they do; a copy for editors and other programs
is reports/schemas/results.schema.json, written by::

    python -m tollproof.reporting.schema > reports/schemas/results.schema.json
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from tollproof.model import Run
from tollproof.reporting.jsonreport import FORMAT

__all__ = ["SCHEMA_ID", "schema", "schema_text"]

SCHEMA_ID = "urn:tollproof:results:1"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a results file.

    Unknown members are allowed everywhere: a newer tollproof may write more, and what
    is written today stays valid.
    """
    definitions: dict[str, Any] = {}
    run = _object(Run, definitions)
    run["properties"] = {
        "format": {"const": FORMAT, "description": "version of this format"},
        **run["properties"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "The results of a tollproof run",
        **run,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """Return the schema as the published file holds it."""
    return json.dumps(schema(), indent=2) + "\n"


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    told = _told(kind)
    properties, required = {}, []
    for item in dataclasses.fields(kind):
        part = _type(hints[item.name], definitions)
        if item.name in told:
            part = {**part, "description": told[item.name]}
        properties[item.name] = part
        if (
            item.default is dataclasses.MISSING
            and item.default_factory is dataclasses.MISSING
        ):
            required.append(item.name)
    made: dict[str, Any] = {
        "type": "object",
        "description": _first_line(kind),
        "properties": properties,
    }
    return {**made, "required": required} if required else made


def _type(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_type(arg, definitions) for arg in args]}
    if origin is tuple and args[-1] is Ellipsis:
        return {"type": "array", "items": _type(args[0], definitions)}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [_type(arg, definitions) for arg in args],
            "minItems": len(args),
            "maxItems": len(args),
        }
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _type(args[1], definitions)}
    if kind is Any:
        return {}
    if dataclasses.is_dataclass(kind) or issubclass(kind, StrEnum):
        return _named(kind, definitions)
    if kind is date:
        return {"type": "string", "format": "date"}
    names = {str: "string", bool: "boolean", int: "integer", float: "number"}
    names[types.NoneType] = "null"
    return {"type": names[kind]}


def _named(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}  # so that a type which holds itself ends
        definitions[name] = (
            _words(kind) if issubclass(kind, StrEnum) else _object(kind, definitions)
        )
    return {"$ref": f"#/$defs/{name}"}


def _words(kind: type[StrEnum]) -> dict[str, Any]:
    return {
        "type": "string",
        "enum": [item.value for item in kind],
        "description": _first_line(kind),
    }


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _told(kind: type) -> dict[str, str]:
    """Read the `Attributes:` block of a docstring."""
    _, _, block = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", block, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


if __name__ == "__main__":
    sys.stdout.write(schema_text())
