"""What an OpenAPI document says of credentials, errors, limits and parameters.

Knows OpenAPI 3.0 and 3.1 as parsed data that may be wrong anywhere: what cannot be
understood is left out. Must not know how a profile is written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tollproof.profile.values import METHODS

_DEEPEST = 24  # levels of a schema, references included
_DECORATION = frozenset(
    {
        "$comment",
        "$defs",
        "default",
        "definitions",
        "deprecated",
        "description",
        "discriminator",
        "example",
        "examples",
        "externalDocs",
        "nullable",
        "readOnly",
        "title",
        "writeOnly",
        "xml",
    }
)
_WIDEST = 100_000  # nodes of schemas that are looked at in one document
_RATE = ("ratelimit", "rate-limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedOperation:
    """One operation.

    Attributes:
        public: whether the document says that it needs no credential.
        parameters: its path parameters and the example of each, or None.
        unexampled_body: whether it takes a body the document shows no example of.
    """

    label: str
    public: bool
    parameters: Mapping[str, Any]
    unexampled_body: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedErrors:
    """What its error responses have in common.

    Attributes:
        schema: the JSON Schema most of them share, references resolved; or None.
        codes: status to the codes its examples show.
    """

    content_type: str = ""
    schema: Mapping[str, Any] | None = None
    code: str = ""
    message: str = ""
    codes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    statuses: tuple[int, ...] = ()


class Reader:
    """A document and the references inside it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._nodes = 0  # a small document can unfold into a huge schema

    def title(self) -> str:
        """What the API is called."""
        title = mapping(self._document.get("info")).get("title")
        return title if isinstance(title, str) else ""

    def servers(self) -> list[str]:
        """Its server URLs, variables replaced by their defaults."""
        found = []
        for server in listing(self._document.get("servers")):
            url = mapping(server).get("url")
            if not isinstance(url, str):
                continue
            for name, item in mapping(mapping(server).get("variables")).items():
                url = url.replace(f"{{{name}}}", str(mapping(item).get("default", "")))
            found.append(url)
        return found

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """Its security schemes by name."""
        components = mapping(self._document.get("components"))
        schemes = mapping(components.get("securitySchemes"))
        return {str(name): self.resolve(item) for name, item in schemes.items()}

    def operations(self) -> list[DocumentedOperation]:
        """Its operations, in the order of the document."""
        return [
            self._operation(label, item, shared)
            for label, item, shared in self._operations()
        ]

    def errors(self) -> DocumentedErrors:
        """What its error responses have in common."""
        schemas: Counter[str] = Counter()
        of_schema: dict[str, set[int]] = {}
        kinds: Counter[str] = Counter()
        examples: list[tuple[int, Any]] = []
        statuses = set()
        for status, response in self._error_responses():
            if status:
                statuses.add(status)
            for kind, media in mapping(response.get("content")).items():
                if "json" not in str(kind):
                    continue
                kinds[str(kind).partition(";")[0].strip().lower()] += 1
                media = mapping(media)
                schema = self.plain(media.get("schema"))
                if isinstance(schema, dict) and schema:
                    text = json.dumps(schema, sort_keys=True)
                    schemas[text] += 1
                    of_schema.setdefault(text, set()).add(status)
                examples += [(status, shown) for shown in _examples(media)]
        total = sum(schemas.values())
        common = schemas.most_common(1)
        # A shape that less than half of the responses share is no envelope.
        schema = json.loads(common[0][0]) if common and common[0][1] * 2 > total else {}
        # What a framework documents of its validation says nothing of other errors.
        if common and of_schema[common[0][0]] in ({400}, {422}):
            schema = {}
        code = _pointer(schema, ("code", "error_code", "errorCode"))
        return DocumentedErrors(
            content_type=kinds.most_common(1)[0][0] if kinds else "",
            schema=schema or None,
            code=code,
            message=_pointer(schema, ("message", "detail", "error_description")),
            codes=_codes(examples, code),
            statuses=tuple(sorted(statuses)),
        )

    def rate_headers(self) -> tuple[str, ...]:
        """Names of the documented header fields about limits, as they are written."""
        found: dict[str, str] = {}
        for _, item, _ in self._operations():
            for response in mapping(item.get("responses")).values():
                for name in mapping(self.resolve(response).get("headers")):
                    lower = str(name).lower()
                    if lower == "retry-after" or any(word in lower for word in _RATE):
                        found.setdefault(lower, str(name))
        return tuple(found.values())

    def resolve(self, value: Any) -> Mapping[str, Any]:
        """Follow a reference inside the document; {} for what leads nowhere."""
        for _ in range(_DEEPEST):
            reference = mapping(value).get("$ref")
            if reference is None:
                return mapping(value)
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return {}
            value = self._document
            for part in reference[2:].split("/"):
                value = mapping(value).get(part.replace("~1", "/").replace("~0", "~"))
        return {}

    def plain(self, schema: Any, depth: int = 0) -> Any:
        """Return a schema without references and decoration, in 2020-12's words.

        None when it refers to itself, or uses what cannot be written without it.
        """
        self._nodes += 1
        if isinstance(schema, bool | str | int | float):
            return schema
        if isinstance(schema, list):
            items = [self.plain(item, depth + 1) for item in schema]
            return None if None in items else items
        if not isinstance(schema, dict) or depth > _DEEPEST or self._nodes > _WIDEST:
            return None
        node = self.resolve(schema) if "$ref" in schema else schema
        if not node and schema:
            return None
        found: dict[str, Any] = {}
        for key, item in node.items():
            name = str(key)
            if name in _DECORATION or name.startswith("x-"):
                continue
            if name in ("properties", "patternProperties"):
                made = self._named(item, depth)
            else:
                made = self.plain(item, depth + 1)
            if made is None:
                return None
            found[name] = made
        return _modern(found, nullable=node.get("nullable") is True)

    def _named(self, properties: Any, depth: int) -> dict[str, Any] | None:
        found = {
            str(name): self.plain(item, depth + 1)
            for name, item in mapping(properties).items()
        }
        return None if None in found.values() else found

    def _operations(self) -> Iterator[tuple[str, Mapping[str, Any], list[Any]]]:
        for path, raw in mapping(self._document.get("paths")).items():
            entry = self.resolve(raw)
            shared = listing(entry.get("parameters"))
            for method, item in entry.items():
                verb = str(method).upper()
                if verb in METHODS and isinstance(item, dict):
                    yield f"{verb} {path}", item, shared

    def _operation(
        self, label: str, item: Mapping[str, Any], shared: list[Any]
    ) -> DocumentedOperation:
        security = item.get("security", self._document.get("security"))
        declared = bool(self.security_schemes())
        public = declared and (
            not security or any(need == {} for need in listing(security))
        )
        parameters = {}
        for raw in (*shared, *listing(item.get("parameters"))):
            parameter = self.resolve(raw)
            if parameter.get("in") == "path" and isinstance(parameter.get("name"), str):
                parameters[parameter["name"]] = self._value(parameter)
        body = self.resolve(item.get("requestBody"))
        content = mapping(body.get("content"))
        return DocumentedOperation(
            label=label,
            public=public,
            parameters=parameters,
            unexampled_body=bool(content)
            and not any(self._has_example(media) for media in content.values()),
        )

    def _value(self, parameter: Mapping[str, Any]) -> Any:
        schema = self.resolve(parameter.get("schema"))
        for holder in (parameter, schema):
            for shown in _examples(holder):
                return shown
            if "default" in holder:
                return holder["default"]
            if choices := listing(holder.get("enum")):
                return choices[0]
        return None

    def _has_example(self, media: Any) -> bool:
        holder = mapping(media)
        schema = self.resolve(holder.get("schema"))
        return any(True for item in (holder, schema) for _ in _examples(item))

    def _error_responses(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for _, item, _ in self._operations():
            for status, response in mapping(item.get("responses")).items():
                word = str(status)
                if word[:1] in ("4", "5") or word == "default":
                    number = int(word) if word.isdigit() and len(word) == 3 else 0
                    yield number, self.resolve(response)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and {} for anything else."""
    return value if isinstance(value, Mapping) else {}


def listing(value: Any) -> list[Any]:
    """Return a list as it is, and [] for anything else."""
    return value if isinstance(value, list) else []


def _examples(holder: Mapping[str, Any]) -> Iterator[Any]:
    if "example" in holder:
        yield holder["example"]
    examples = holder.get("examples")
    if isinstance(examples, list):
        yield from examples
    for example in mapping(examples).values():
        if "value" in mapping(example):
            yield example["value"]


def _modern(schema: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    """Say in JSON Schema 2020-12 what OpenAPI 3.0 says in its own words."""
    if nullable and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        schema.pop("enum", None)  # would have to list null, which TOML has not
    for flag, bound in (
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ):
        if schema.get(flag) is True and bound in schema:
            schema[flag] = schema.pop(bound)
        elif isinstance(schema.get(flag), bool):
            del schema[flag]
    return schema


def _pointer(schema: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Find a text of one of the names at the top of a schema, or below `error`."""
    for place, node in (
        ("", schema),
        ("/error", mapping(mapping(schema.get("properties")).get("error"))),
    ):
        properties = mapping(node.get("properties"))
        for name in names:
            kind = mapping(properties.get(name)).get("type")
            if kind == "string":
                return f"{place}/{name}"
    return ""


def _codes(
    examples: list[tuple[int, Any]], pointer: str
) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, set[str]] = {}
    for status, shown in examples:
        value = shown
        for part in pointer.split("/")[1:]:
            value = mapping(value).get(part)
        if status and pointer and isinstance(value, str) and value:
            found.setdefault(status, set()).add(value)
    # An example that several statuses share was written once for all of them.
    times = Counter(code for codes in found.values() for code in codes)
    own = {
        status: tuple(sorted(code for code in codes if times[code] == 1))
        for status, codes in sorted(found.items())
    }
    return {status: codes for status, codes in own.items() if codes}
