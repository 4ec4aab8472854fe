"""The profile of the platform: every promise that it keeps, and where its secrets are.

Knows TOML and the platform's paths. Must not know a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tollproof.reference.coherent_spark import app
from tollproof.reference.sparkient.errors import CODES

#: The files with the id and secret of each client.
CLIENTS = {"svc": "client-credentials.json", "brief": "brief-credentials.json"}
#: Its tokens end while a load lasts, so that their end can be waited for elsewhere.
SPARED = "brief"


def profile_text(
    base_url: str, folder: Path, cast: Sequence[app.Caller], limit: int, window: float
) -> str:
    """Return the profile, as TOML."""
    statuses = [status for status in CODES if status not in (408, 500)]
    codes = ", ".join(f"{status} = [{_quoted(code)}]" for status, code in CODES.items())
    lines = [
        "# A platform that the Coherent Spark SDKs speak to: a reference deployment.",
        'name = "Coherent Spark platform (reference deployment)"',
        "",
        "[target]",
        f"base_url = {_quoted(base_url)}",
        'environment = "staging"',
        f'public = ["GET {app.HEALTH}"]',
        f'read_only = ["POST {app.EXECUTE}"]',
        'path_parameters = { folder = "finance", service = "sum" }',
        *_operation("GET", app.HEALTH),
        *_operation("GET", app.CONFIG),
        *_operation("GET", app.VERSIONS),
        *_operation("POST", app.EXECUTE),
        "body = { request_data = { inputs = { a = 1, b = 2 } } }",
        "",
        *(line for caller in cast for line in _identity(caller, folder, window)),
        *(line for name in CLIENTS for line in _client(name, folder)),
        "[promises]",
        'challenge = "Bearer"',
        f"realm = {_quoted(app.REALM)}",
        "refusal = { unauthenticated = 401, forbidden = 403 }",
        'doubled_header = "refuse"',
        "",
        "[promises.errors]",
        'content_type = "application/json"',
        'code = "/error/code"',
        'message = "/error/message"',
        f"codes = {{ {codes} }}",
        f"statuses = {_quoted(statuses)}",
        'schema = { type = "object", required = ["error"] }',
        "",
        "[[promises.headers]]",
        'name = "X-Request-Id"',
        'on = ["all"]',
        "",
        "[promises.rate_limit]",
        f"limit = {limit}",
        f"window = {window}",
        'per = "key"',
        'algorithm = "fixed_window_first"',
        "counts = { errors = true, rejected = false }",
        "",
        "[promises.rate_limit.headers]",
        'limit = "X-RateLimit-Limit"',
        'remaining = "X-RateLimit-Remaining"',
        'reset = "X-RateLimit-Reset"',
        'reset_form = "unix_seconds"',
        'on = ["authenticated"]',
        "exactly = true",
        'retry_after = "delay_seconds"',
        "",
        "[promises.oauth]",
        f"token_url = {_quoted(base_url + app.TOKEN_PATH)}",
        "expires_in = 300",
        'scopes = ["read", "write"]',
        "",
        "[consent]",
        "writes = true",
        "load = true",
        "",
    ]
    return "\n".join(lines)


def _client(name: str, folder: Path) -> Iterator[str]:
    yield f"[identities.{name}]"
    yield 'kind = "oauth"'
    yield f"credentials = {_file(folder / CLIENTS[name])}"
    if name == SPARED:
        yield 'purpose = ["bystander"]'
    yield ""


def _operation(method: str, path: str) -> Iterator[str]:
    yield "[[target.operations]]"
    yield f"method = {_quoted(method)}"
    yield f"path = {_quoted(path)}"


def _identity(caller: app.Caller, folder: Path, window: float) -> Iterator[str]:
    place = _file(folder / f"{caller.name}.secret")
    yield f"[identities.{caller.name}]"
    if caller.kind == "key":
        yield 'kind = "api_key"'
        yield f"header = {_quoted(app.KEY_FIELD.decode())}"
        yield f"key = {place}"
    else:
        yield 'kind = "token"'
        yield f"token = {place}"
    yield 'organisation = "acme"'
    if not caller.live:
        yield 'state = "revoked"'
    if not caller.may_configure:
        yield f'grants = ["*", "!* {app.CONFIG}"]'
    if caller.limit:
        yield f"limit = {{ requests = {caller.limit}, window = {window} }}"
        yield 'purpose = ["burst"]'
    yield ""


def _file(path: Path) -> str:
    return f"{{ file = {_quoted(str(path))} }}"


def _quoted(value: object) -> str:
    # JSON's texts, numbers and arrays of them are TOML's too.
    return json.dumps(value, ensure_ascii=False)
