"""OpenAPI documents → operations, through Schemathesis.

Knows how to read a document, what it says of each operation, and how to make requests
for it: the examples people wrote where there are some, generated ones where not. Must
not send anything: fetching a document from the network is the caller's.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisException
from hypothesis.strategies import SearchStrategy

from tollproof.errors import UsageError
from tollproof.operations import (
    Example,
    Operation,
    encode_query,
    expand,
)
from tollproof.profile.target import Target

#: Bytes of a document that are read; real ones of thousands of operations fit.
DOCUMENT_LIMIT = 64 * 1024 * 1024


def parse_document(text: str, source: str) -> dict[str, Any]:
    """Parse an OpenAPI document, JSON or YAML.

    Raises:
        UsageError: it is neither, or not an OpenAPI 3 document; names place and remedy.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as json_error:
        try:
            document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else json_error.lineno
            raise UsageError(
                f"{source}:{line}: not a readable OpenAPI document, "
                "neither as JSON nor as YAML"
            ) from error
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


class _Loader(yaml.SafeLoader):
    """YAML with only what JSON knows: a date in an example stays the text it is."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, regexp) for tag, regexp in resolvers if "timestamp" not in tag]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An operation that the document describes in a way nobody can follow."""

    label: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """What an OpenAPI document says, ready to be asked.

    Attributes:
        prefix: the path part of the first server, without a slash at the end.
        unreadable: operations that had to be left out, and why.
    """

    operations: tuple[Operation, ...]
    prefix: str
    unreadable: tuple[Unreadable, ...]
    _handles: Mapping[str, Any]

    def example(self, operation: Operation, values: Mapping[str, object]) -> Example:
        """Return a request the operation should understand.

        Args:
            values: path parameters known from the profile; they come first, then the
                document's examples, then a generated value.
        """
        handle = self._handles[operation.label]
        path_values, certain = _parameters(handle.path_parameters, values)
        query, query_certain = _parameters(handle.query, {})
        headers, headers_certain = _parameters(handle.headers, {})
        body, media_type, body_certain = _body(handle)
        certain = certain and query_certain and headers_certain and body_certain
        if not certain:
            case = _first(handle.as_strategy())
            generated = case.path_parameters if case else {}
            for name in operation.parameters:
                path_values.setdefault(name, generated.get(name, "x"))
            for name, value in (case.query if case else {}).items():
                if not query_certain:
                    query.setdefault(name, value)
            if not body_certain and case is not None:
                body, media_type = _encoded(case.body), case.media_type or media_type
        lines = tuple((name, str(value)) for name, value in headers.items())
        if body:
            lines += (("Content-Type", media_type),)
        return Example(
            path=expand(operation.path, path_values),
            query=encode_query(query),
            headers=lines,
            body=body,
            certain=certain,
        )

    def invalid_bodies(
        self, operation: Operation, *, run_seed: int, count: int
    ) -> tuple[bytes, ...]:
        """Return JSON bodies that break the operation's schema, by Schemathesis.

        The same seed gives the same bodies. Empty when the schema refuses nothing.
        """
        from schemathesis import GenerationMode
        from schemathesis.specs.openapi.adapter.parameters import OpenApiBody

        handle = self._handles[operation.label]
        bodies = [body for body in handle.body if isinstance(body, OpenApiBody)]
        json_bodies = [body for body in bodies if "json" in body.media_type]
        if not json_bodies or not json_bodies[0].is_negatable:
            return ()
        alternative = json_bodies[0]
        found: dict[bytes, None] = {}
        strategy = handle.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        for case in _draw(strategy, run_seed, count * 8):
            encoded = _encoded(case.body)
            if encoded and _is_json_object(encoded) and not _fits(alternative, encoded):
                found.setdefault(encoded)
            if len(found) == count:
                break
        return tuple(found)

    def validate(self, operation: Operation, response: Any) -> str:
        """Hold a response to the document; return what is wrong, or an empty text."""
        from schemathesis.core.failures import Failure, FailureGroup

        try:
            self._handles[operation.label].validate_response(response)
        except (Failure, FailureGroup) as failure:
            return str(failure)
        return ""


def read_operations(
    document: dict[str, Any], *, source: str, target: Target
) -> Document:
    """Read every operation that can be read and that the profile does not exclude.

    Args:
        target: the profile's word on what is public, excluded or harmless; what the
            document asks no credential for is public too.

    Raises:
        UsageError: the document as a whole is not usable.
    """
    # Importing schemathesis costs a quarter of a second; only runs with an OpenAPI
    # document pay it.
    import schemathesis
    from schemathesis.core.result import Err
    from schemathesis.errors import LoaderError

    try:
        schema = schemathesis.openapi.from_dict(document)
    except LoaderError as error:
        raise UsageError(f"{source}: {error}") from error
    default = document.get("security")
    operations: list[Operation] = []
    handles: dict[str, Any] = {}
    unreadable: list[Unreadable] = []
    for result in schema.get_all_operations():
        if isinstance(result, Err):
            unreadable.append(_unreadable(result.err()))
            continue
        handle: Any = result.ok()
        label = f"{handle.method.upper()} {handle.path}"
        if target.is_excluded(label):
            continue
        try:
            operations.append(_operation(handle, label, default, target))
        except schemathesis.errors.InvalidSchema as error:
            unreadable.append(Unreadable(label=label, problem=_first_line(error)))
            continue
        handles[label] = handle
    return Document(
        operations=tuple(operations),
        prefix=_prefix(document),
        unreadable=tuple(unreadable),
        _handles=handles,
    )


def _operation(handle: Any, label: str, default: Any, target: Target) -> Operation:
    security = handle.definition.raw.get("security", default)
    bodies = [body.media_type for body in handle.body]
    json_first = sorted(bodies, key=lambda kind: "json" not in kind)
    return Operation(
        method=handle.method.upper(),
        path=handle.path,
        public=target.is_public(label) or not security or {} in security,
        changes=not target.is_read_only(label),
        media_type=json_first[0] if json_first else "",
        parameters=tuple(parameter.name for parameter in handle.path_parameters),
    )


def _unreadable(error: Any) -> Unreadable:
    method = (getattr(error, "method", "") or "").upper()
    path = getattr(error, "path", "") or "the document"
    return Unreadable(label=f"{method} {path}".strip(), problem=_first_line(error))


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300]


def _prefix(document: Mapping[str, Any]) -> str:
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    url = first.get("url", "") if isinstance(first, dict) else ""
    return urlsplit(str(url)).path.rstrip("/") if "{" not in str(url) else ""


def _parameters(
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


def _body(handle: Any) -> tuple[bytes, str, bool]:
    """Return the example body, its media type, and whether a person wrote it."""
    bodies = sorted(handle.body, key=lambda body: "json" not in body.media_type)
    if not bodies:
        return b"", "", True
    body = bodies[0]
    written = _written(body.definition)
    if written is None:
        return b"", body.media_type, not body.is_required and len(bodies) == 0
    return _encoded(written), body.media_type, True


def _encoded(value: Any) -> bytes:
    from schemathesis.core import NotSet

    if isinstance(value, NotSet):
        return b""
    if isinstance(value, bytes):
        return value
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError):
        return b""


def _is_json_object(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _fits(alternative: Any, body: bytes) -> bool:
    return bool(alternative.is_valid(json.loads(body)))


def _first(strategy: SearchStrategy[Any]) -> Any:
    return next(iter(_draw(strategy, 0, 1)), None)


def _draw(strategy: SearchStrategy[Any], run_seed: int, count: int) -> Iterator[Any]:
    """Draw up to `count` values, the same ones for the same seed."""
    drawn: list[Any] = []

    @seed(run_seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(value=strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    # An unsatisfiable schema yields nothing; the caller copes with that.
    with contextlib.suppress(HypothesisException):
        collect()
    return iter(drawn)
