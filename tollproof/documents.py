"""The text of an OpenAPI document → plain JSON values, and the lines they stand on.

Knows JSON and YAML, and what a hostile document may hold: bombs of aliases, loops,
references to files and hosts that are none of its business. Must not know what the
members of the document mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from tollproof.errors import UsageError

#: Values in a document, each alias counted as often as it is used.
VALUE_LIMIT = 4_000_000
#: How deep values may be nested: schemas that people wrote stay far below.
DEPTH_LIMIT = 200

#: What a reference out of the document is replaced with: it leads nowhere.
NOT_FOLLOWED = "#/only-references-inside-the-document-are-followed"


def parse_document(text: str, source: str) -> dict[str, Any]:
    """Parse an OpenAPI document, JSON or YAML.

    References to other files or hosts are not followed: a document that the target
    serves could name any file of ours, or any host that only we can reach. Operations
    that need them are unreadable.

    Raises:
        UsageError: it is neither, or not an OpenAPI 3 document; names place and remedy.
    """
    document = _plain(_parsed(text, source), source)
    if not isinstance(document, dict):
        raise UsageError(f"{source}: an OpenAPI document is an object at its top")
    version = str(document.get("openapi", ""))
    if not version.startswith("3."):
        found = f"swagger {document['swagger']}" if "swagger" in document else "none"
        raise UsageError(
            f"{source}: OpenAPI 3.0 or 3.1 is needed, and `openapi` says "
            f"{version or found!r}; convert older documents first"
        )
    if not isinstance(document.get("paths", {}), dict):
        raise UsageError(f"{source}: `paths` must be an object of path templates")
    return document


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UsageError(f"{source}: is nested too deeply") from error
    except ValueError as error:
        json_line = getattr(error, "lineno", 1)
    try:
        _refuse_depths(text, source)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError) as error:
        # A mapping as a key, a number with a million digits: also not YAML to us.
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else json_line
        problem = getattr(error, "problem", None)
        raise UsageError(
            f"{source}:{line}: not a readable OpenAPI document, "
            f"neither as JSON nor as YAML{f' ({problem})' if problem else ''}"
        ) from error


def _refuse_depths(text: str, source: str) -> None:
    """Refuse what is nested so deeply that composing it would exhaust the C stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LIMIT:
            raise UsageError(f"{source}: is nested too deeply")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with only what JSON knows: a date in an example stays the text it is."""


def _resolvers() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    boolean = re.compile("^(?:true|True|TRUE|false|False|FALSE)$")
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        yield (
            letter,
            [
                # YAML 1.1 also takes `NO`, the country, for a truth value.
                (tag, boolean if tag.endswith(":bool") else regexp)
                for tag, regexp in resolvers
                if "timestamp" not in tag
            ],
        )


_Loader.yaml_implicit_resolvers = dict(_resolvers())


def _plain(document: Any, source: str) -> Any:
    """Return the document as JSON would have it, or refuse one that explodes."""
    left = VALUE_LIMIT

    def walk(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEPTH_LIMIT:
            what = "is nested too deeply" if left >= 0 else "is too large"
            raise UsageError(f"{source}: {what}")
        if isinstance(value, dict):
            return {
                _name(key): _followed(key, walk(item, depth + 1))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [walk(item, depth + 1) for item in value]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return str(value)

    return walk(document, 0)


def _name(key: Any) -> str:
    # YAML reads the key of `200:` as a number and that of `on:` as it pleases.
    return json.dumps(key) if isinstance(key, bool) or key is None else str(key)


def _followed(key: Any, value: Any) -> Any:
    if key == "$ref" and isinstance(value, str) and not value.startswith("#"):
        return f"{NOT_FOLLOWED}/{re.sub('[^A-Za-z0-9.:_-]', '_', value)[:100]}"
    return value


#: The member name that a line of JSON or YAML begins.
_MEMBER = re.compile(r"""\s*(?P<quote>["']?)(?P<name>.+?)(?P=quote)\s*:(?=\s|$)""")


def operation_lines(text: str, labels: Iterable[str]) -> dict[str, int]:
    """Return the 1-based line of each operation in a document's text.

    The line of its method, or of its path where the method does not stand on a line
    of its own; operations that cannot be found stay out.
    """
    members = (_MEMBER.match(line) for line in text.splitlines())
    keys = [member["name"] if member else "" for member in members]
    paths = {key: index for index, key in reversed(list(enumerate(keys))) if key}
    found: dict[str, int] = {}
    for label in labels:
        method, _, path = label.partition(" ")
        start = paths.get(path)
        if start is None:
            continue
        line = start
        for index in range(start + 1, len(keys)):
            if keys[index].startswith("/"):
                break
            if keys[index] == method.lower():
                line = index
                break
        found[label] = line + 1
    return found
