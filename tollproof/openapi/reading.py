"""A document → its operations, as far as Schemathesis can follow it.

Knows how to get the best of a document that is wrong in part. Must not send anything,
nor know what a profile says of the operations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import schemathesis
import schemathesis.specs.openapi.schemas  # else imported when the first is read
from schemathesis.core.result import Err
from schemathesis.errors import LoaderError

from tollproof.documents import operation_lines, parse_document
from tollproof.errors import UsageError
from tollproof.openapi.described import Described, Description, Unreadable, Written
from tollproof.openapi.drawing import BROKEN
from tollproof.openapi.requests import written

#: Characters of requests that people wrote which are told with a document. All others
#: are asked for one by one: many operations can share what is long.
TOLD_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A document that was read: what it says, and what Schemathesis knows by label."""

    description: Description
    handles: Mapping[str, Any]


def read(text: str, source: str) -> Reading:
    """Read every operation that can be read.

    Raises:
        UsageError: the document as a whole is not usable.
    """
    document = parse_document(text, source)
    try:
        found = _all_operations(document)
    except LoaderError as error:
        raise UsageError(f"{source}: {error}") from error
    except BROKEN:
        # One operation that schemathesis trips over takes all others with it.
        found = _one_by_one(document)
    default = document.get("security")
    handles = {_label(item): item for item in found if not isinstance(item, Unreadable)}
    lines = operation_lines(text, handles)
    operations: list[Described] = []
    unreadable = [item for item in found if isinstance(item, Unreadable)]
    left = TOLD_LIMIT
    for label, handle in handles.items():
        try:
            described = _described(handle, default, lines.get(label, 0))
        except BROKEN as error:
            unreadable.append(Unreadable(label=label, problem=_first_line(error)))
            continue
        request = _written(handle)
        if request is not None and (size := len(str(request))) <= left:
            left -= size
            described = replace(described, written=request)
        operations.append(described)
    description = Description(
        operations=tuple(operations),
        prefix=_prefix(document),
        unreadable=tuple(unreadable),
    )
    return Reading(description=description, handles=handles)


def _all_operations(document: dict[str, Any]) -> list[Any]:
    """Return schemathesis' operations, and an :class:`Unreadable` for each other."""
    schema = schemathesis.openapi.from_dict(document)
    # Without a codec only surrogates are left out, which is the same for UTF-8; to find
    # out what UTF-8 can encode takes Hypothesis more than a second on a new machine.
    schema.config.generation.codec = None
    return [
        _unreadable(item.err()) if isinstance(item, Err) else item.ok()
        for item in schema.get_all_operations()
    ]


def _one_by_one(document: dict[str, Any]) -> list[Any]:
    """As :func:`_all_operations`, each operation in a document of its own."""
    found: list[Any] = []
    for path, item in document["paths"].items():
        members = item if isinstance(item, dict) else {"get": item}
        shared = {key: members[key] for key in members if key not in _METHODS}
        for method in sorted(members.keys() & _METHODS):
            alone = {**document, "paths": {path: {**shared, method: members[method]}}}
            try:
                found += _all_operations(alone)
            except BROKEN as error:
                label = f"{method.upper()} {path}"
                found.append(Unreadable(label=label, problem=_first_line(error)))
    return found


_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def _label(handle: Any) -> str:
    return f"{handle.method.upper()} {handle.path}"


def _described(handle: Any, default: Any, line: int) -> Described:
    security = handle.definition.raw.get("security", default)
    bodies = [body.media_type for body in handle.body]
    json_first = sorted(bodies, key=lambda kind: "json" not in kind)
    return Described(
        method=handle.method.upper(),
        path=handle.path,
        open=not security or {} in security,
        media_type=json_first[0] if json_first else "",
        parameters=tuple(parameter.name for parameter in handle.path_parameters),
        line=line,
    )


def _written(handle: Any) -> Written | None:
    # What is wrong with it is of interest to whoever asks for a request.
    with contextlib.suppress(*BROKEN):
        return written(handle)
    return None


def _unreadable(error: Any) -> Unreadable:
    method = (getattr(error, "method", "") or "").upper()
    path = getattr(error, "path", "") or "the document"
    return Unreadable(label=f"{method} {path}".strip(), problem=_first_line(error))


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300]


def _prefix(document: Mapping[str, Any]) -> str:
    """Return the path of the first server, its variables at their defaults."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    url = str(first.get("url", "")) if isinstance(first, dict) else ""
    variables = first.get("variables") if isinstance(first, dict) else {}
    for name, variable in (variables if isinstance(variables, dict) else {}).items():
        if isinstance(variable, dict) and "default" in variable:
            url = url.replace("{" + str(name) + "}", str(variable["default"]))
    path = url.partition("://")[2].partition("/")[2] if "://" in url else url
    path = path.partition("?")[0].partition("#")[0].strip("/")
    return f"/{path}" if path and "{" not in path else ""
