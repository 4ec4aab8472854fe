"""What is said to a driver, and what it may say back: one JSON object a line.

Knows the shape of every line. Must not know processes, SDKs or what is judged.
`docs/how-to/write-a-driver.md` is the same for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: Version of the protocol; a driver says which one it speaks.
VERSION = 1

#: What a driver can be asked to do.
Verb = Literal["hello", "create", "call", "burst", "show", "refresh", "copy", "quit"]
#: Options of `create`, every one of them optional.
OPTIONS = (
    "base_url",
    "token_url",
    "api_key",
    "token",
    "client_id",
    "client_secret",
    "credentials_file",
    "max_retries",
)

_Text = Annotated[str, Field(max_length=200_000)]
Texts = dict[Annotated[str, Field(max_length=200)], _Text]


class _Line(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )


class Raised(_Line):
    """An error of the SDK, in every form in which people come to see one."""

    type: _Text = ""
    """Name of its type."""
    forms: Texts = {}
    """Its texts, by what they are called: `str`, `repr`, `traceback`, `to_dict` …"""


class Shown(_Line):
    """A client, in every form in which people come to see one."""

    read: Texts = {}
    """What reading a credential back gives, by mechanism: `api_key`, `token` …"""
    printed: Texts = {}
    """Printing the client and its parts."""
    inspected: Texts = {}
    """What a debugger or an interactive session shows."""
    serialised: Texts = {}
    """JSON and its kin."""


class Reply(_Line):
    """One line of a driver."""

    id: int
    ok: bool
    unsupported: bool = False
    """The SDK has no such thing; `ok` is false then."""
    error: Raised | None = None
    shown: Shown | None = None
    succeeded: int | None = None
    """Of a burst: how many calls succeeded."""
    sdk: _Text = ""
    """To `hello`: name and version of the SDK."""
    protocol: int = VERSION


def request(id: int, verb: Verb, **fields: Any) -> str:
    """Return a request as a line."""
    return json.dumps({"id": id, "do": verb, **fields}) + "\n"


def read_reply(line: str, id: int) -> Reply:
    """Read a driver's line as the reply to a request.

    Raises:
        ValueError: it is none; says why, without quoting it.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(document, Mapping):
        raise ValueError("it is not a JSON object")
    try:
        reply = Reply.model_validate(document, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the object"
        raise ValueError(f"{place}: {first['msg']}") from None
    if reply.id != id:
        raise ValueError("it answers another request")
    if reply.protocol != VERSION:
        raise ValueError(f"it speaks another protocol than version {VERSION}")
    return reply
