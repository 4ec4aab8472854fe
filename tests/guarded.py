"""A small deployment of a key-guarded API on loopback, sound enough to pass a gate.

Knows HTTP/1.1 and one key. Must not know the package under test: what it does wrong,
it does because a test asks for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.servers import Connection, Server, scripted

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, read."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer, before it is written."""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[Asked, Told], Told]


@dataclass(slots=True, kw_only=True)
class Api:
    """The API: `GET /things` and `GET /things/{id}` for the key, `GET /health` for all.

    Attributes:
        alter: changes an answer before it is sent.
    """

    key: str
    alter: Answer = field(default=lambda asked, told: told)

    def serve(self, connection: Connection) -> None:
        """Answer every request of a connection."""
        while raw := connection.request():
            asked = read(raw)
            if asked is None:
                body = error("bad_request", "The request cannot be read.")
                connection.send(written(Told(status=400, body=body)))
                return
            told = self.alter(asked, self.answer(asked))
            connection.send(written(told, head=asked.method == "HEAD"))

    def answer(self, asked: Asked) -> Told:
        """Answer as a sound deployment does."""
        path = asked.path.partition("?")[0]
        if asked.method in ("GET", "HEAD") and path == "/health":
            return Told(status=200, body=b'{"ok": true}')
        scheme, _, key = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key != self.key:
            return Told(
                status=401,
                body=error("unauthorized", "A valid key is needed."),
                headers=(("WWW-Authenticate", "Bearer"),),
            )
        if asked.method in ("GET", "HEAD") and re.fullmatch(
            "/things(/[a-z0-9]+)?", path
        ):
            return Told(status=200, body=json.dumps({"path": path}).encode())
        return Told(status=404, body=error("not_found", "There is no such thing."))


def error(code: str, message: str) -> bytes:
    """Return the error envelope."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def read(raw: bytes) -> Asked | None:
    """Read a request; None when a strict parser would refuse it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    try:
        method, path, version = line.decode("ascii").split(" ")
        fields = [text.decode("ascii").split(":", 1) for text in lines]
        headers = {name.lower(): value.strip() for name, value in fields}
    except ValueError:
        return None
    names = [name.lower() for name, _ in fields]
    broken = re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", head)
    if broken or version != "HTTP/1.1" or names.count("authorization") > 1:
        return None
    return Asked(method=method, path=path, headers=headers, body=body)


def written(told: Told, *, head: bool = False) -> bytes:
    """Write an answer as it stands on the wire."""
    reason = REASONS.get(told.status, "Status")
    lines = [f"HTTP/1.1 {told.status} {reason}", f"Content-Length: {len(told.body)}"]
    given = {name.lower() for name, _ in told.headers}
    standard = (
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    )
    for name, value in (*told.headers, *standard):
        if name.lower() not in given or (name, value) in told.headers:
            lines.append(f"{name}: {value}")
    block = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    return block if head else block + told.body


@contextmanager
def guarded(key: str, alter: Answer | None = None) -> Iterator[Server]:
    """Serve the API for the length of a `with` block."""
    api = Api(key=key) if alter is None else Api(key=key, alter=alter)
    with scripted(api.serve) as server:
        yield server


#: The operations of the API, for a profile's `[target]`.
OPERATIONS = """
[[target.operations]]
method = "GET"
path = "/things"
[[target.operations]]
method = "GET"
path = "/things/{id}"
[[target.operations]]
method = "GET"
path = "/health"
public = true
[target.path_parameters]
id = "one"
"""
#: What it promises.
PROMISES = """
[promises]
challenge = "Bearer"
[promises.errors]
content_type = "application/json"
code = "/error/code"
message = "/error/message"
codes = { 400 = ["bad_request"], 401 = ["unauthorized"], 404 = ["not_found"] }
statuses = [401, 404]
[promises.errors.schema]
type = "object"
required = ["error"]
"""
