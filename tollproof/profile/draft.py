"""A first profile from an OpenAPI document, for `tollproof init`.

Knows what to say of each thing the document states and which questions to leave to
the author, as comments. Must not invent a promise the document does not make.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from tollproof.errors import UsageError
from tollproof.profile.callers import callers
from tollproof.profile.copying import copied, is_valid
from tollproof.profile.documented import DocumentedOperation, Reader
from tollproof.profile.emit import comment, toml_key, toml_string, toml_value
from tollproof.profile.values import ErrorStatus, MediaType, Pattern, Url

PLACEHOLDER = "https://staging.example.com"
_SHOWN = 12  # items of a list that would otherwise swamp the reader


def draft_profile(
    openapi: Mapping[str, Any], *, source: str, base_url: str | None = None
) -> str:
    """Write a commented profile that loads as it stands.

    Args:
        openapi: the parsed document, OpenAPI 3.0 or 3.1.
        source: where it was read from: a file or a URL.
        base_url: where the deployment answers; by default the document's first server.

    Raises:
        UsageError: `base_url` is not an http or https URL.
    """
    if base_url is not None and not is_valid(Url, base_url):
        raise UsageError(f"{comment(base_url)!r} is not a base URL: write https://host")
    reader = Reader(openapi)
    operations = reader.operations()
    url = (base_url or _server(reader, source)).rstrip("/")
    parts = (
        _opening(reader, url),
        _target(operations, url, source, guessed=base_url is None),
        callers(reader, url),
        _promises(reader),
        _closing(),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


def _opening(reader: Reader, url: str) -> list[str]:
    title = comment(reader.title()) or urlsplit(url).netloc
    return [
        "#:schema profile.schema.json",
        "# Drafted by `tollproof init`. It says what the OpenAPI document says; lines",
        "# that begin with # are questions to you. `tollproof doctor` tells which",
        "# checks each answer adds; `python -m tollproof.profile` prints the schema",
        "# that lets an editor complete and explain every key.",
        "",
        f"name = {copied(('name',), title) or toml_string(urlsplit(url).netloc)}",
    ]


# -- [target] ------------------------------------------------------------------------


def _server(reader: Reader, source: str) -> str:
    # A document without servers means "/", beside itself (OpenAPI 3.1, 4.8.1).
    for server in reader.servers() or ["/"]:
        absolute = urljoin(source, server) if is_valid(Url, source) else server
        if is_valid(Url, absolute) and copied(("target", "base_url"), absolute):
            return absolute
    return PLACEHOLDER


def _target(
    operations: list[DocumentedOperation], url: str, source: str, *, guessed: bool
) -> list[str]:
    lines = ["[target]", f"base_url = {toml_string(url)}"]
    if guessed:
        lines[-1] += "  # is this the deployment to test? Not production, at first"
    if url.startswith("https://"):
        twin = toml_string("http" + url.removeprefix("https"))
        lines.append(f"# http_url = {twin}  # does it answer plain HTTP, too?")
    lines.append('environment = "staging"  # "development", "staging" or "production"')
    if source and (document := copied(("target", "openapi"), source)):
        lines.append(f"openapi = {document}")
    else:
        lines.append(
            'openapi = "openapi.json"  # its address held a secret: save it so'
        )
    public = [item.label for item in operations if item.public]
    lines += _labels("public", public, "Operations that need no credential:")
    lines += [
        "# Operations never to be touched, and those with an unsafe method that change",
        "# nothing, such as a search by POST:",
        '# exclude = ["DELETE /…"]',
        '# read_only = ["POST /…"]',
    ]
    lines += _parameters(operations)
    lines += _bodies(operations)
    return lines


def _labels(key: str, labels: list[str], introduction: str) -> list[str]:
    good = [label for label in labels if is_valid(Pattern, label)]
    good = [label for label in good if copied(("target", key), label)]
    if not good:
        return []
    items = [f"  {toml_string(label)}," for label in good]
    return [f"# {introduction}", f"{key} = [", *items, "]"]


def _parameters(operations: list[DocumentedOperation]) -> list[str]:
    values: dict[str, Any] = {}
    for operation in operations:
        for name, value in operation.parameters.items():
            if values.get(name) is None:
                values[name] = value
    if not values:
        return []
    lines = [
        "",
        "# Objects that exist, so that operations with a path parameter can be called:",
        "[target.path_parameters]",
    ]
    for name, value in values.items():
        usable = isinstance(value, str | int) and not isinstance(value, bool)
        text = str(value) if usable else ""
        if text and (fit := copied(("target", "path_parameters", name), text)):
            lines.append(f"{toml_key(name)} = {fit}  # the document's example")
        else:
            lines.append(f'# {comment(toml_key(name))} = "…"')
    return lines


def _bodies(operations: list[DocumentedOperation]) -> list[str]:
    bare = [item.label for item in operations if item.unexampled_body]
    if not bare:
        return []
    shown = [f"#   {comment(label)}" for label in bare[:_SHOWN]]
    if len(bare) > _SHOWN:
        shown.append(f"#   … and {len(bare) - _SHOWN} more")
    method, _, path = comment(bare[0]).partition(" ")
    return [
        "",
        "# The document shows no example body for these operations. One is generated",
        "# from the schema, unless you give one that is known to be accepted:",
        *shown,
        "# [[target.operations]]",
        f"# method = {toml_string(method)}",
        f"# path = {toml_string(path)}",
        '# body = { name = "value" }',
    ]


# -- [promises] ------------------------------------------------------------------------


def _promises(reader: Reader) -> list[str]:
    return [
        "[promises]",
        '# challenge = "Bearer"                  # scheme of WWW-Authenticate on a 401',
        "# refusal = { not_owned = 404 }         # objects of others are concealed",
        "# before_routing = false               # what is no HTTP is answered before",
        "#                                      # any route, in a form of its own",
        "",
        *_errors(reader),
        *_rate_limit(reader),
    ]


def _errors(reader: Reader) -> list[str]:
    found = reader.errors()
    lines = ["[promises.errors]"]
    if found.content_type and is_valid(MediaType, found.content_type):
        lines.append(f"content_type = {toml_string(found.content_type)}")
    if found.code:
        lines.append(f"code = {toml_string(found.code)}")
    if found.message:
        lines.append(f"message = {toml_string(found.message)}")
    codes = {str(status): list(values) for status, values in found.codes.items()}
    if codes and (fit := copied(("promises", "errors", "codes"), codes)):
        lines.append(f"codes = {fit}  # as the document's examples show")
    statuses = [item for item in found.statuses if is_valid(ErrorStatus, item)]
    promised = [item for item in statuses if item < 500]
    if promised:
        lines += [
            "# Statuses the document names; each is held to its standard cause:",
            f"statuses = {toml_value(promised)}",
        ]
    if found.schema:
        fit = copied(("promises", "errors", "schema"), found.schema)
        if fit:
            lines += ["# The shape most documented errors share:", f"schema = {fit}"]
    if len(lines) == 1:
        return [
            "# The document does not say what an error looks like:",
            "# [promises.errors]",
            '# content_type = "application/json"',
            '# schema = { type = "object", required = ["error"] }',
            '# code = "/error/code"',
            "",
        ]
    return [*lines, ""]


def _rate_limit(reader: Reader) -> list[str]:
    names = [name for name in reader.rate_headers() if re.fullmatch(r"[\w-]+", name)]

    def named(*endings: str) -> Iterable[str]:
        return (name for name in names if name.lower().endswith(endings))

    lines = [
        "# How often may a caller ask? The document cannot say; you can:",
        "# [promises.rate_limit]",
        "# limit = 600",
        "# window = 60",
        '# per = "key"                           # or "organisation", "address" …',
    ]
    fields = [
        ("limit", next(iter(named("-limit")), "")),
        ("remaining", next(iter(named("-remaining")), "")),
        ("reset", next(iter(named("-reset")), "")),
    ]
    if names:
        lines += ["#", "# [promises.rate_limit.headers]         # as documented"]
        lines += [f"# {key} = {toml_string(name)}" for key, name in fields if name]
        if fields[2][1]:
            lines.append(
                '# reset_form = "unix_seconds"             # or "delta_seconds"'
            )
        if any(name.lower() == "retry-after" for name in names):
            lines.append('# retry_after = "delay_seconds"')
        if any(name.lower() in ("ratelimit", "ratelimit-policy") for name in names):
            lines.append('# ietf = "draft-10"')
    return lines


def _closing() -> list[str]:
    return [
        "# What tollproof may do. It reads, and no more, until you say so.",
        "[consent]",
        "writes = false                          # call what creates, changes, deletes",
        "load = false                            # send enough to exhaust a limit",
        "key_lifecycle = false                   # create and revoke keys, clients",
    ]
