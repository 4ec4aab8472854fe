"""What the author of a document wrote, and how a value stands in a request.

Knows examples, defaults and media types. Must not make anything up.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from schemathesis.core import NotSet

from tollproof.openapi.drawing import BROKEN
from tollproof.operations import encode_query


def parameters_of(
    parameters: Any, values: Mapping[str, object]
) -> tuple[dict[str, Any], bool]:
    """Return values for the required parameters and whether all were given."""
    found: dict[str, Any] = {}
    certain = True
    for parameter in parameters:
        if parameter.name in values:
            found[parameter.name] = values[parameter.name]
        elif parameter.definition.get("x-original-security-type"):
            continue  # a credential: the identity's business
        elif parameter.is_required:
            written = _written(parameter.definition)
            if written is None:
                certain = False
            else:
                found[parameter.name] = written
    return found, certain


def required_of(parameters: Any) -> set[str]:
    """Return the names of required parameters that are no credential."""
    return {
        parameter.name
        for parameter in parameters
        if parameter.is_required
        and not parameter.definition.get("x-original-security-type")
    }


def _written(definition: Mapping[str, Any]) -> Any:
    """Return the example, default or only value that the document's author wrote."""
    schema = definition.get("schema")
    for holder in (definition, schema if isinstance(schema, dict) else {}):
        if "example" in holder:
            return holder["example"]
        examples = holder.get("examples")
        if isinstance(examples, dict):
            for example in examples.values():
                if isinstance(example, dict) and "value" in example:
                    return example["value"]
        if isinstance(examples, list) and examples:
            return examples[0]
        for name in ("default", "const"):
            if name in holder:
                return holder[name]
        if holder.get("enum"):
            return holder["enum"][0]
    return None


def body_of(handle: Any) -> tuple[bytes, str, bool]:
    """Return the example body, its media type, and whether a person wrote it."""
    bodies = sorted(handle.body, key=lambda body: "json" not in body.media_type)
    if not bodies:
        return b"", "", True
    body = bodies[0]
    written = _written(body.definition)
    if written is None:
        return b"", body.media_type, False
    return encoded(written, body.media_type), body.media_type, True


def encoded(value: Any, media_type: str = "application/json") -> bytes:
    """Return a body as it is sent; what is not JSON is taken as it was written."""
    if isinstance(value, NotSet):
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and "json" not in media_type:
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and "x-www-form-urlencoded" in media_type:
        return encode_query(value).encode()
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError):
        return b""


def is_json_object(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def writable(value: Any, schema: Any) -> Any:
    """Return a body without the members that only the server sets.

    Schemathesis writes `readOnly` members of a request as `not: {}`.
    """
    members = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(value, dict) or not isinstance(members, dict):
        return value
    return {
        name: writable(item, members.get(name))
        for name, item in value.items()
        if members.get(name) != {"not": {}}
    }


def spoken(value: Any, handle: Any) -> Any:
    """Return a generated body with a word for each empty text, where that may stand.

    Many documents forget to say that a text must not be blank.
    """
    if not isinstance(value, dict) or "" not in value.values():
        return value
    spoken = {name: "text" if item == "" else item for name, item in value.items()}
    with contextlib.suppress(*BROKEN):
        if any(body.is_valid(spoken) for body in handle.body):
            return spoken
    return value
