"""OpenAPI documents → operations, through Schemathesis.

Knows how to read a document, what it says of each operation, and how to make requests
for it: the examples people wrote where there are some, generated ones where not. Must
not send anything: fetching a document from the network is the caller's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
            for name in sorted(_required(handle.headers) - headers.keys()):
                headers[name] = case.headers.get(name, "x") if case else "x"
            if not body_certain and case is not None:
                media_type = case.media_type or media_type
                body = _encoded(_spoken(case.body, handle), media_type)
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
        try:
            if not json_bodies or not json_bodies[0].is_negatable:
                return ()
        except _broken():
            return ()
        alternative = json_bodies[0]
        found: dict[bytes, None] = {}
        strategy = handle.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        for case in _draw(strategy, run_seed, count * 3):
            encoded = _encoded(case.body)
            if not encoded or not _is_json_object(encoded):
                continue
            # A server may ignore what only it can set, wrong or right.
            judged = _writable(json.loads(encoded), alternative.validation_schema)
            if not alternative.is_valid(judged):
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
        target: the profile's word on what is public, excluded or harmless. Where it
            names nothing public, that is what the document asks no credential for: a
            document made from the code forgets what the code forgot.

    Raises:
        UsageError: the document as a whole is not usable.
    """
    # Importing schemathesis costs a quarter of a second; only runs with an OpenAPI
    # document pay it.
    from schemathesis.errors import LoaderError

    try:
        found = _all_operations(document)
    except LoaderError as error:
        raise UsageError(f"{source}: {error}") from error
    except _broken():
        # One operation that schemathesis trips over takes all others with it.
        found = _one_by_one(document)
    default = document.get("security")
    operations: list[Operation] = []
    handles: dict[str, Any] = {}
    unreadable: list[Unreadable] = []
    for handle in found:
        if isinstance(handle, Unreadable):
            unreadable.append(handle)
            continue
        label = f"{handle.method.upper()} {handle.path}"
        if target.is_excluded(label):
            continue
        try:
            operations.append(_operation(handle, label, default, target))
        except _broken() as error:
            unreadable.append(Unreadable(label=label, problem=_first_line(error)))
            continue
        handles[label] = handle
    return Document(
        operations=tuple(operations),
        prefix=_prefix(document),
        unreadable=tuple(unreadable),
        _handles=handles,
    )


def _broken() -> tuple[type[Exception], ...]:
    """What schemathesis raises over a document that no specification allows."""
    from schemathesis.errors import SchemathesisError

    return (
        SchemathesisError,
        HypothesisException,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    )


def _all_operations(document: dict[str, Any]) -> list[Any]:
    """Return schemathesis' operations, and an :class:`Unreadable` for each other."""
    import schemathesis
    from schemathesis.core.result import Err

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
            except _broken() as error:
                label = f"{method.upper()} {path}"
                found.append(Unreadable(label=label, problem=_first_line(error)))
    return found


_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def _operation(handle: Any, label: str, default: Any, target: Target) -> Operation:
    security = handle.definition.raw.get("security", default)
    bodies = [body.media_type for body in handle.body]
    json_first = sorted(bodies, key=lambda kind: "json" not in kind)
    return Operation(
        method=handle.method.upper(),
        path=handle.path,
        public=target.is_public(label)
        or (not target.public and (not security or {} in security)),
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


def _required(parameters: Any) -> set[str]:
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


def _body(handle: Any) -> tuple[bytes, str, bool]:
    """Return the example body, its media type, and whether a person wrote it."""
    bodies = sorted(handle.body, key=lambda body: "json" not in body.media_type)
    if not bodies:
        return b"", "", True
    body = bodies[0]
    written = _written(body.definition)
    if written is None:
        return b"", body.media_type, False
    return _encoded(written, body.media_type), body.media_type, True


def _encoded(value: Any, media_type: str = "application/json") -> bytes:
    """Return a body as it is sent; what is not JSON is taken as it was written."""
    from schemathesis.core import NotSet

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


def _is_json_object(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _writable(value: Any, schema: Any) -> Any:
    """Return a body without the members that only the server sets.

    Schemathesis writes `readOnly` members of a request as `not: {}`.
    """
    members = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(value, dict) or not isinstance(members, dict):
        return value
    return {
        name: _writable(item, members.get(name))
        for name, item in value.items()
        if members.get(name) != {"not": {}}
    }


def _spoken(value: Any, handle: Any) -> Any:
    """Return a generated body with a word for each empty text, where that may stand.

    Many documents forget to say that a text must not be blank.
    """
    if not isinstance(value, dict) or "" not in value.values():
        return value
    spoken = {name: "text" if item == "" else item for name, item in value.items()}
    with contextlib.suppress(*_broken()):
        if any(body.is_valid(spoken) for body in handle.body):
            return spoken
    return value


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

    # A schema that is unsatisfiable or wrong yields nothing; the caller copes.
    with contextlib.suppress(*_broken()):
        collect()
    return iter(drawn)
