"""What tollproof may do and where it may look: lifecycles, places, consent, waivers.

Knows how each is written. Must not do any of it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    model_validator,
)
from pydantic_core import core_schema

from tollproof.model import Waiver
from tollproof.profile.values import (
    Command,
    Count,
    Flag,
    HeaderName,
    Method,
    PathTemplate,
    Pointer,
    Section,
    Text,
    Whole,
    refuse,
)


class Act(Section):
    """A step of a credential's life: an HTTP call by an identity, or a command."""

    method: Method | None = None
    """HTTP method of the call."""
    path: PathTemplate | None = None
    """Path of the call below `base_url`; `{id}` stands for the credential's id."""
    body: Any = None
    """Body of the call, sent as JSON."""
    headers: Mapping[HeaderName, str] = {}
    """Further header fields of the call; never a credential."""
    command: Command | None = None
    """Instead of a call: program and arguments, run without a shell; `{id}` stands
    for the credential's id; what it prints is read as JSON."""

    @property
    def names_one(self) -> bool:
        """Whether it says, by `{id}`, which credential it is about."""
        words = (*(self.command or ()), self.path or "", repr(self.body))
        return any("{id}" in word for word in words)

    def path_for(self, id: str) -> str:
        """Return the path of the call for one credential."""
        return (self.path or "").replace("{id}", quote(id, safe=""))

    def body_for(self, id: str) -> Any:
        """Return the body of the call for one credential; None for no body."""
        return _filled(self.body, id)

    def command_for(self, id: str) -> tuple[str, ...]:
        """Return program and arguments for one credential."""
        return tuple(word.replace("{id}", id) for word in self.command or ())

    @model_validator(mode="after")
    def _call_or_command(self) -> Self:
        if (self.command is None) == (self.path is None and self.method is None):
            raise refuse(
                "is neither a call nor a command, or both",
                "give method and path, or command",
            )
        if self.command is None and not (self.path and self.method):
            raise refuse("is half a call", "give method and path")
        return self


def _filled(value: Any, id: str) -> Any:
    if isinstance(value, str):
        return value.replace("{id}", id)
    if isinstance(value, list):
        return [_filled(item, id) for item in value]
    if isinstance(value, dict):
        return {name: _filled(item, id) for name, item in value.items()}
    return value


class Create(Act):
    """How a key is created."""

    key: Pointer = "/key"
    """JSON pointer to the new key."""
    id: Pointer = "/id"
    """JSON pointer to its id."""


class Listing(Act):
    """How keys are listed."""

    items: Pointer = ""
    """JSON pointer to the array of keys; "" when it is the whole body."""
    id: Pointer = "/id"
    """JSON pointer to the id, inside an item."""
    shown: Pointer | None = None
    """JSON pointer to the key as shown (masked), inside an item."""


class Revoke(Act):
    """How a key is revoked."""

    @model_validator(mode="after")
    def _names_the_key(self) -> Self:
        if not self.names_one:
            raise refuse(
                "does not say which key to revoke",
                "put {id} into the path, the body or the command",
            )
        return self


class Lifecycle(Section):
    """How keys are created, listed and revoked."""

    by: Text | None = None
    """The identity that makes the calls; commands need none."""
    create: Create
    """How a key is created."""
    list: Listing | None = None
    """How keys are listed."""
    revoke: Revoke
    """How a key is revoked."""
    sample: Annotated[Whole, Field(ge=2, le=1000)] = 16
    """Keys that an audit may create to judge how they are made; all are revoked."""

    @model_validator(mode="after")
    def _somebody_calls(self) -> Self:
        acts = (self.create, self.list, self.revoke)
        if self.by is None and any(act and act.command is None for act in acts):
            raise refuse(
                "makes calls as nobody", 'add by = "…", the name of an identity'
            )
        return self


class CreateClient(Act):
    """How a client of the token endpoint is created."""

    id: Pointer = "/client_id"
    """JSON pointer to the new client's id (RFC 7591, 3.2.1)."""
    secret: Pointer = "/client_secret"  # noqa: S105  (where it is, not what)
    """JSON pointer to its secret."""


class RevokeClient(Act):
    """How a client is revoked."""

    @model_validator(mode="after")
    def _names_the_client(self) -> Self:
        if not self.names_one:
            raise refuse(
                "does not say which client to revoke",
                "put {id} into the path, the body or the command",
            )
        return self


class ClientLifecycle(Section):
    """How clients of the token endpoint are created and revoked."""

    by: Text | None = None
    """The identity that makes the calls; commands need none."""
    create: CreateClient
    """How a client is created; it must be granted tokens as the profile's clients are,
    and let in where they are."""
    revoke: RevokeClient
    """How a client is revoked."""

    @model_validator(mode="after")
    def _somebody_calls(self) -> Self:
        acts: tuple[Act, ...] = (self.create, self.revoke)
        if self.by is None and any(act.command is None for act in acts):
            raise refuse(
                "makes calls as nobody", 'add by = "…", the name of an identity'
            )
        return self


class LogPlace(Section):
    """A log: a file, or a command that prints it."""

    file: Text | None = None
    """File, relative to the profile."""
    command: Command | None = None
    """Program and arguments, run without a shell."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.file is None) == (self.command is None):
            raise refuse(
                "names no place or two", 'write { file = "…" } or { command = ["…"] }'
            )
        return self


class StorePlace(Section):
    """A database at rest: a SQLite file, or a dump."""

    sqlite: Text | None = None
    """SQLite file, relative to the profile."""
    dump: Text | None = None
    """Dump or export (SQL, JSON, CSV), or a folder of them, relative to the profile."""
    command: Command | None = None
    """Program that prints a dump, run without a shell."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [item for item in (self.sqlite, self.dump, self.command) if item]
        if len(given) != 1:
            raise refuse(
                "names no place or several",
                'write { sqlite = "…" }, { dump = "…" } or { command = ["…"] }',
            )
        return self


class Places(Section):
    """Where secrets are looked for."""

    logs: tuple[LogPlace, ...] = ()
    """Logs of the deployment."""
    stores: tuple[StorePlace, ...] = ()
    """Databases at rest."""
    pages: tuple[Text, ...] = ()
    """Pages a browser would load: paths of the target, or URLs of its host."""
    source: tuple[Text, ...] = ()
    """Folders of source code, relative to the profile."""
    history: Flag = False
    """Whether all that was ever committed to these folders is looked at too."""


class Budget(Section):
    """How much may be sent."""

    requests: Count = 5000
    """Requests in one gate."""
    audit_requests: Count = 50000
    """Requests in one audit."""
    per_second: Annotated[float, Field(ge=0, strict=True)] = 0.0
    """Requests a second at most; 0 for no pacing."""
    concurrency: Annotated[Whole, Field(ge=1, le=1000)] = 8
    """Requests in flight at once, outside load."""
    seconds: Annotated[float, Field(gt=0, strict=True)] = 300.0
    """Seconds a gate may take."""


class Consent(Section):
    """What tollproof may do to the deployment; nothing by default."""

    writes: Flag = False
    """Call operations that create, change or delete."""
    load: Flag = False
    """Send enough to exhaust a rate limit."""
    key_lifecycle: Flag = False
    """Create and revoke keys, and clients of the token endpoint; rotate and retire the
    keys of a test issuer."""
    budget: Budget = Field(default_factory=Budget)
    """How much may be sent."""


def _check_id(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*", value):
        raise refuse(
            "is not the id of a check",
            'write it as in "headers.hsts": suite, dot, slug, in lower case',
        )
    return value


def _a_day(value: Any) -> Any:
    if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
        raise refuse("is not a day", "write it without quotes: expires = 2027-01-31")
    return value


class WaiverEntry(Section):
    """A failure that the profile's owner accepts until a day."""

    check: Annotated[str, AfterValidator(_check_id)]
    """Id of the check."""
    subject: Text = "*"
    """What the check was run against; `"*"` for everything."""
    reason: Text
    """Why it is accepted."""
    owner: Text
    """Who answers for it."""
    expires: Annotated[datetime.date, BeforeValidator(_a_day)]
    """The last day it holds."""

    def waiver(self) -> Waiver:
        """Return the value that the rest of the package works with."""
        return Waiver(
            check=self.check,
            subject=self.subject,
            reason=self.reason,
            owner=self.owner,
            expires=self.expires,
        )


WaiverField = Annotated[
    Waiver,
    GetPydanticSchema(
        lambda _source, handler: core_schema.no_info_after_validator_function(
            WaiverEntry.waiver, handler(WaiverEntry)
        )
    ),
]
