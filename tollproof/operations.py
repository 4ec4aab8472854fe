"""The operations of the API under judgement, and how each one is called.

Knows methods, path templates and example requests. Must not know where they were
read (`openapi`, the profile) nor what is going to be proved about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from tollproof.client import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path.

    Attributes:
        path: the template, `/api/v1/decisions/{decision_id}`.
        public: it needs no credential.
        changes: it may change something, so it is only touched with consent.
        media_type: of the request body; empty when it takes none.
        parameters: names of the path parameters, in order.
    """

    method: str
    path: str
    public: bool = False
    changes: bool = False
    media_type: str = ""
    parameters: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How people name it: `GET /api/v1/decisions/{decision_id}`."""
        return f"{self.method} {self.path}"

    @property
    def takes_json(self) -> bool:
        """Whether its body is JSON, by media type or `+json` suffix."""
        kind = self.media_type.partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request that the operation should understand.

    Attributes:
        path: the expanded, percent-encoded path.
        query: the encoded query, without `?`.
        certain: every value was given by a person; false when some were generated.
    """

    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    certain: bool = True

    @property
    def target(self) -> str:
        """Path and query as they stand on the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


def expand(template: str, values: Mapping[str, object]) -> str:
    """Fill a path template; a value may hold slashes, which are then encoded."""
    path = template
    for name, value in values.items():
        path = path.replace("{" + name + "}", quote(str(value), safe="~"))
    return path


def encode_query(values: Mapping[str, object]) -> str:
    """Encode query parameters; a list becomes repeated parameters."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        items = value if isinstance(value, list | tuple) else (value,)
        pairs += [(name, _text(item)) for item in items]
    return urlencode(pairs, quote_via=quote)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
