"""A request and an answer as the deployment handles them.

Knows ASGI's scope and nothing of what is asked. Names of header fields are in lower
case throughout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollproof.reference.limiters import Decision
    from tollproof.reference.sparkient.keys import Flaw, Principal
    from tollproof.reference.sparkient.routes import Route

Fields = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Call:
    """One request, and what becomes known of it on its way.

    Attributes:
        path: as it stands on the request line, not decoded.
        fields: the header fields, in order.
        peer: the address it came from.
        secure: it came over TLS.
        parameters: path parameters, decoded.
        principal: whose key it carries, once that is verified.
        flaw: why the key it carries is refused, where it is a key at all.
        decision: what the limiter said; None when the request is not counted.
        owner: whose allowance a faulty limiter took it from.
        body: None until it is read.
        window: length of the window that it is counted in, seconds.
        unread: which part of the request could not be read; empty for a whole one.
    """

    method: str
    path: str
    query: bytes = b""
    fields: Fields = field(default_factory=list)
    peer: str = ""
    secure: bool = False
    route: Route | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    principal: Principal | None = None
    flaw: Flaw | None = None
    decision: Decision | None = None
    owner: str = ""
    window: float = 0.0
    unread: str = ""
    body: bytes | None = None

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Call:
        """Take over an ASGI scope."""
        return cls(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"],
            fields=list(scope["headers"]),
            peer=(scope.get("client") or ("",))[0],
            secure=scope["scheme"] == "https",
        )

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of all header fields of a name, in order."""
        return [value for own, value in self.fields if own == name]

    def value(self, name: bytes) -> bytes:
        """Return the first value of a header field, or nothing at all."""
        return next((value for own, value in self.fields if own == name), b"")


@dataclass(slots=True)
class Answer:
    """One response; header fields may still change until it is sent."""

    status: int
    body: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, document: object, status: int = 200) -> Answer:
        """Return a JSON answer."""
        return cls(
            status=status,
            body=json.dumps(document, separators=(",", ":")).encode(),
            fields={"content-type": "application/json"},
        )

    def encoded(self) -> Fields:
        """Return the header fields as ASGI wants them, framing included."""
        lines = [
            (name.encode(), text.encode("latin-1"))
            for name, text in self.fields.items()
        ]
        if self.status != 204:
            lines.append((b"content-length", b"%d" % len(self.body)))
        return lines
