"""The life of a token endpoint's client, as the profile says: created and revoked.

Knows the profile's calls and commands, and JSON pointers. Must not judge: a step that
fails is undetermined. Calls go the way of an identity's own requests, which are not
recorded: the answer holds a secret, and the host that keeps clients need not be the
API. Every secret is known to the redactor, and every client is put on the run's list
of things to be undone.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tollproof.client import Probe
from tollproof.deployment import CREATED, Deployment
from tollproof.errors import Undetermined
from tollproof.lifecycle import UNREAD
from tollproof.model import Reason
from tollproof.pointer import MISSING, resolve
from tollproof.profile.acts import Act, ClientLifecycle
from tollproof.programs import ProgramFailed, output_of
from tollproof.redaction import Credential
from tollproof.redaction.suspects import suspects

#: Bytes of a command's output that are read as JSON.
LARGEST = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A client that was created in this run.

    Attributes:
        name: what it is called wherever its secret is not shown.
    """

    name: str
    id: str
    secret: str = field(repr=False)


def declared(deployment: Deployment) -> ClientLifecycle:
    """Return what the profile says of a client's life.

    Raises:
        Undetermined: it says nothing.
    """
    found = deployment.profile.client_lifecycle
    if found is None:
        raise Undetermined(
            Reason.PRECONDITION, "The profile has no [client_lifecycle] table: add it."
        )
    return found


def create(deployment: Deployment) -> Created:
    """Create a client.

    Raises:
        Undetermined: it could not be created, or the answer holds no client.
    """
    act = declared(deployment).create
    answer = _step(deployment, act, "create a client")
    made = _take_note(deployment, answer)
    if made is None:
        raise Undetermined(
            Reason.PRECONDITION,
            "The answer to the creation of a client holds none where the profile says "
            f"({act.id} and {act.secret}).",
        )
    return made


def revoke(deployment: Deployment, client: Created) -> None:
    """Revoke a client.

    Raises:
        Undetermined: it could not be revoked; the end of the run tries again.
    """
    _step(deployment, declared(deployment).revoke, "revoke a client", client.id)
    deployment.cleanup.pop(_undoing(client.id), None)


def adopt(deployment: Deployment) -> None:
    """Take note of clients that any probe of the run creates, whatever it is for."""
    lifecycle = deployment.profile.client_lifecycle
    if lifecycle is None or lifecycle.create.method is None:
        return
    others, create = deployment.client.reveal, lifecycle.create
    path = (create.path or "").lower().strip("/")

    def reveal(probe: Probe, status: int, body: bytes) -> None:
        if others is not None:
            others(probe, status, body)
        where = probe.target.partition("?")[0].lower().rstrip("/")
        if probe.method != create.method or not 200 <= status < 300:
            return
        if where.endswith(f"/{path}") and _take_note(deployment, body) is None:
            # Somewhere in what is going to be recorded there may be a secret.
            for text in suspects(body, ""):
                deployment.redactor.add(
                    Credential(label=UNREAD, value=text, kind="secret")
                )

    deployment.client.reveal = reveal


# -- one step ------------------------------------------------------------------------


def _step(deployment: Deployment, act: Act, purpose: str, client_id: str = "") -> bytes:
    """Take a step and return what was answered, or printed."""
    if act.command is not None:
        try:
            printed, _ = output_of(
                act.command_for(client_id),
                folder=deployment.profile.folder,
                limit=LARGEST,
                environ=dict(os.environ),
            )
        except ProgramFailed as error:
            raise Undetermined(
                Reason.PRECONDITION, f"The command to {purpose}: {error}."
            ) from None
        return printed
    caller = deployment.identities[declared(deployment).by or ""]
    body = act.body_for(client_id)
    headers = [*act.headers.items(), *caller.headers()]
    if body is not None:
        headers.append(("Content-Type", "application/json"))
    request = httpx.Request(
        act.method or "",
        deployment.profile.target.base_url + act.path_for(client_id),
        headers=headers,
        content=b"" if body is None else json.dumps(body).encode(),
    )
    reply = deployment.fetcher.send(request, f"The call to {purpose}")
    if not 200 <= reply.status < 300:
        raise Undetermined(
            Reason.THROTTLED if reply.status == 429 else Reason.PRECONDITION,
            f"The call to {purpose} was answered {reply.status}.",
        )
    return reply.body


def _take_note(deployment: Deployment, body: bytes) -> Created | None:
    """Know a client's secret from now on, and that the client must be removed.

    Returns:
        None where id or secret is not where the profile says; there is a client all
        the same, which is removed by its id, or else listed.
    """
    act, document = declared(deployment).create, _parsed(body)
    client_id, secret = resolve(document, act.id), resolve(document, act.secret)
    known = isinstance(client_id, str | int) and not isinstance(client_id, bool)
    if known:
        deployment.cleanup[_undoing(str(client_id))] = lambda: _removed(
            deployment, str(client_id)
        )
    else:
        deployment.cleanup[_undoing("")] = lambda: (
            f"A client was created whose id is not at {act.id} of the answer, so that "
            "it could not be removed: revoke it by hand."
        )
    if not (isinstance(secret, str) and secret):
        return None
    numbers: Iterator[int] = deployment.once("clients created", lambda: _counter())
    name = f"{CREATED}of client {next(numbers)}"
    deployment.redactor.add(
        Credential(label=f"{name}, client secret", value=secret, kind="secret")
    )
    return Created(name=name, id=str(client_id), secret=secret) if known else None


def _counter() -> Iterator[int]:
    return itertools.count(1)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


def _undoing(client_id: str) -> str:
    return f"client {client_id}"


def _removed(deployment: Deployment, client_id: str) -> str:
    """Revoke a left-over client; return the sentence that says it is left."""
    left = (
        f"Client {client_id[:80]} was created by this run and is still there: revoke it"
    )
    if not deployment.profile.consent.key_lifecycle:
        return f"{left}, or set consent.key_lifecycle = true."
    try:
        act = declared(deployment).revoke
        _step(deployment, act, "remove a client that the run created", client_id)
    except Undetermined as undetermined:
        return f"{left}. {undetermined.sentence}"
    return ""
