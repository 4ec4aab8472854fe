"""Requests for an operation: what people wrote first, what is generated for the rest.

Knows what Schemathesis knows of one operation. Must not know whose request it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from schemathesis import GenerationMode
from schemathesis.specs.openapi.adapter.parameters import OpenApiBody

from tollproof.openapi.described import Written
from tollproof.openapi.drawing import BROKEN, draw, first
from tollproof.openapi.written import (
    body_of,
    encoded,
    is_json_object,
    parameters_of,
    required_of,
    spoken,
    writable,
)
from tollproof.operations import Example, encode_query, expand


def written(handle: Any) -> Written | None:
    """Return a request as people wrote it, None where some of it is to be made up.

    The values of the path may be wanting: the profile has them, mostly.
    """
    query, query_certain = parameters_of(handle.query, {})
    headers, headers_certain = parameters_of(handle.headers, {})
    body, media_type, body_certain = body_of(handle)
    if not (query_certain and headers_certain and body_certain):
        return None
    values, _ = parameters_of(handle.path_parameters, {})
    return Written(
        values={name: str(value) for name, value in values.items()},
        wanting=tuple(sorted(required_of(handle.path_parameters) - values.keys())),
        query=encode_query(query),
        headers=_lines(headers, body, media_type),
        body=base64.b64encode(body).decode(),
    )


def example(handle: Any, values: Mapping[str, object]) -> Example:
    """Return a request that an operation should understand.

    Args:
        values: path parameters known from the profile; they come first, then the
            document's examples, then a generated value.
    """
    path_values, certain = parameters_of(handle.path_parameters, values)
    query, query_certain = parameters_of(handle.query, {})
    headers, headers_certain = parameters_of(handle.headers, {})
    body, media_type, body_certain = body_of(handle)
    certain = certain and query_certain and headers_certain and body_certain
    if not certain:
        case = first(handle.as_strategy())
        generated = case.path_parameters if case else {}
        for parameter in handle.path_parameters:
            path_values.setdefault(parameter.name, generated.get(parameter.name, "x"))
        for name, value in (case.query if case else {}).items():
            if not query_certain:
                query.setdefault(name, value)
        for name in sorted(required_of(handle.headers) - headers.keys()):
            headers[name] = case.headers.get(name, "x") if case else "x"
        if not body_certain and case is not None:
            media_type = case.media_type or media_type
            body = encoded(spoken(case.body, handle), media_type)
    return Example(
        path=expand(handle.path, path_values),
        query=encode_query(query),
        headers=_lines(headers, body, media_type),
        body=body,
        certain=certain,
    )


def _lines(
    headers: Mapping[str, Any], body: bytes, media_type: str
) -> tuple[tuple[str, str], ...]:
    lines = tuple((name, str(value)) for name, value in headers.items())
    return (*lines, ("Content-Type", media_type)) if body else lines


def invalid_bodies(handle: Any, run_seed: int, count: int) -> tuple[bytes, ...]:
    """Return JSON bodies that break the operation's schema, by Schemathesis.

    The same seed gives the same bodies. Empty when the schema refuses nothing.
    """
    bodies = [body for body in handle.body if isinstance(body, OpenApiBody)]
    json_bodies = [body for body in bodies if "json" in body.media_type]
    try:
        if not json_bodies or not json_bodies[0].is_negatable:
            return ()
    except BROKEN:
        return ()
    alternative = json_bodies[0]
    found: dict[bytes, None] = {}
    strategy = handle.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    for case in draw(strategy, run_seed, count * 3):
        body = encoded(case.body)
        if not body or not is_json_object(body):
            continue
        # A server may ignore what only it can set, wrong or right.
        judged = writable(json.loads(body), alternative.validation_schema)
        if not alternative.is_valid(judged):
            found.setdefault(body)
        if len(found) == count:
            break
    return tuple(found)
