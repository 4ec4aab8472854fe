"""The life of a key, as the profile says it is lived: created, listed, revoked.

Knows the profile's calls and commands, and JSON pointers. Must not judge: a step that
fails is undetermined, and after one no other step is taken. Every key is known to the
redactor before anything of the answer it came in is recorded, and is put on the run's
list of things to be undone.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tollproof.client import Headers, Probe
from tollproof.deployment import CREATED, Deployment, answered
from tollproof.errors import Undetermined
from tollproof.identity import Identity
from tollproof.model import Exchange, Reason
from tollproof.paging import MOST_PAGES, goes_on, next_query
from tollproof.pointer import MISSING, resolve
from tollproof.profile.acts import Act, Lifecycle, Listing
from tollproof.programs import ProgramFailed, output_of
from tollproof.redaction import Credential
from tollproof.redaction.suspects import suspects

#: Bytes of a command's output that are read as JSON.
LARGEST = 4 << 20
#: Seconds that the end of a run waits, once, for whoever revokes to be let in again.
LONGEST_WAIT = 90.0
#: What the creating call is for, in the record.
CREATING = "create a key"
REMOVING = "remove a key that the run created"
#: What texts are called that may be a key, in an answer that should hold one.
UNANSWERED = "a key whose creation had no answer"
UNREAD = f"{CREATED}that is not where the profile says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key that was created in this run.

    Attributes:
        name: what it is called wherever it is not shown.
        asked, answered: moments around the creating call, `time.perf_counter`.
        exchange: id of that call's exchange; empty for a command.
    """

    name: str
    id: str
    value: str = field(repr=False)
    asked: float = 0.0
    answered: float = 0.0
    exchange: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step that was taken: when, and the id of its exchange if it has one.

    Attributes:
        further: query of the page that follows, if there is one.
    """

    asked: float
    answered: float
    exchange: str = ""
    further: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A key as the listing shows it."""

    id: str
    shown: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All keys that were listed.

    Attributes:
        partial: whether there are further pages that could not be followed.
    """

    keys: tuple[Shown, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A key, or an id, that was given out twice."""

    what: str
    former: str
    later: str


@dataclass(slots=True)
class Book:
    """What the run has created so far; shared by all checks of one process.

    Attributes:
        repeated: every key or id that was given out a second time.
        revoked: whether a key was ever revoked, so that the call is the right one.
        waited: whether the end of a rate-limit window was waited for already.
        failure: why no further step is taken.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0
    values: dict[str, str] = field(default_factory=dict, repr=False)
    ids: dict[str, str] = field(default_factory=dict)
    repeated: list[Repeated] = field(default_factory=list)
    revoked: bool = False
    waited: bool = False
    failure: Undetermined | None = None

    def enter(self, value: str, key_id: str) -> tuple[str, bool]:
        """Name a new key; say whether it, or its id, is one that is known."""
        with self.lock:
            self.count += 1
            name = f"{CREATED}{self.count}"
            known = value in self.values or key_id in self.ids
            for what, held, items in (
                ("key", value, self.values),
                ("id", key_id, self.ids),
            ):
                if (former := items.setdefault(held, name)) != name:
                    self.repeated.append(Repeated(what=what, former=former, later=name))
            return name, known


def book(deployment: Deployment) -> Book:
    """Return the run's list of created keys."""
    return deployment.once("lifecycle book", Book)


def declared(deployment: Deployment) -> Lifecycle:
    """Return what the profile says of a key's life.

    Raises:
        Undetermined: it says nothing.
    """
    found = deployment.profile.lifecycle
    if found is None:
        raise Undetermined(
            Reason.PRECONDITION, "The profile has no [lifecycle] table: add it."
        )
    return found


# -- the steps -----------------------------------------------------------------------


def create(deployment: Deployment, check: str, *, repeats: bool = False) -> Key:
    """Create a key.

    Args:
        repeats: whether a key that was given out before is returned all the same.

    Raises:
        Undetermined: it could not be created, the answer holds no key, or one that
            was given out before; nothing is written after that.
    """
    act, notes = declared(deployment).create, book(deployment)
    taken: list[tuple[str, str, str, bool]] = []

    def take(body: bytes) -> None:
        if found := _key_in(deployment, body):
            value, key_id = found
            name, known = notes.enter(value, key_id)
            _know(deployment, name, value)
            _must_be_removed(deployment, key_id, name)
            taken.append((name, value, key_id, known))
        elif act.command is not None:
            # What a call answers is looked at by its status as well; see adopt.
            _shelter(deployment, body, "", is_ours=True)

    done = _take_step(deployment, act, check, purpose=CREATING, take=take)
    if not taken:
        raise _over(
            notes,
            "The answer to the creation of a key holds none where "
            f"the profile says ({act.key} and {act.id}).",
            done.exchange,
        )
    name, value, key_id, known = taken[0]
    if known and not repeats:
        raise _over(
            notes,
            "The same key, or the same id, was given out twice, so no two keys can be "
            "told apart; see rotation.unique-keys.",
            done.exchange,
        )
    return Key(
        name=name,
        id=key_id,
        value=value,
        asked=done.asked,
        answered=done.answered,
        exchange=done.exchange,
    )


def revoke(deployment: Deployment, key: Key, check: str) -> Done:
    """Revoke a key.

    Raises:
        Undetermined: the call failed; nothing is written after that.
    """
    act = declared(deployment).revoke
    done = _take_step(deployment, act, check, purpose="revoke a key", key_id=key.id)
    book(deployment).revoked = True
    deployment.cleanup.pop(key.id, None)
    return done


def listing(deployment: Deployment, check: str) -> Listed:
    """Return the keys that the deployment lists, page by page where it links them.

    Raises:
        Undetermined: it cannot be had, or is no list where the profile says.
    """
    act = declared(deployment).list
    if act is None:
        raise Undetermined(
            Reason.PRECONDITION, "The profile does not say how keys are listed."
        )
    found: list[Shown] = []
    page = act
    for _ in range(MOST_PAGES):
        bodies: list[bytes] = []
        done = _take_step(
            deployment, page, check, purpose="list the keys", take=bodies.append
        )
        document = _parsed(b"".join(bodies))
        found += _listed(act, document, done.exchange)
        if done.further is None:
            return Listed(keys=tuple(found), partial=goes_on(document))
        path = f"{(act.path or '').partition('?')[0]}?{done.further}"
        page = act.model_copy(update={"path": path})
    return Listed(keys=tuple(found), partial=True)


def _listed(act: Listing, document: Any, exchange: str) -> Iterator[Shown]:
    items = resolve(document, act.items)
    if not isinstance(items, list):
        raise Undetermined(
            Reason.PRECONDITION,
            f"The listing of keys has no array at {act.items or 'its top'}.",
            exchange,
        )
    for item in items:
        key_id = resolve(item, act.id)
        shown = resolve(item, act.shown) if act.shown else None
        if isinstance(key_id, str | int):
            text = shown if isinstance(shown, str) else None
            yield Shown(id=str(key_id), shown=text)


def showing(deployment: Deployment, key: Key) -> Headers:
    """Return the header fields that show a key, as the profile's own keys are shown."""
    pattern = _pattern(deployment)
    if pattern is not None:
        return pattern.showing(key.value)
    return (("Authorization", f"Bearer {key.value}"),)


def _pattern(deployment: Deployment) -> Identity | None:
    """Return an identity whose key is shown as created keys are."""
    by = declared(deployment).by
    named = deployment.identities.get(by) if by else None
    keys = [
        item
        for item in deployment.identities.values()
        if item.declared.kind == "api_key" and not item.is_open
    ]
    if named is not None and named.declared.kind == "api_key":
        return named
    return keys[0] if keys else None


# -- what the other suites create ------------------------------------------------------


def adopt(deployment: Deployment) -> None:
    """Take note of keys that any probe of the run creates, whatever it is for.

    A check of who may call what calls the operation that creates keys too: what it
    makes is as secret, and must be removed as well.
    """
    lifecycle = deployment.profile.lifecycle
    if lifecycle is None or lifecycle.create.method is None:
        return
    method, path = lifecycle.create.method, (lifecycle.create.path or "").lower()

    def reveal(probe: Probe, status: int, body: bytes) -> None:
        where = probe.target.partition("?")[0].lower()
        if probe.method != method or not 200 <= status < 300:
            return
        found = _key_in(deployment, body)
        if found is None:
            if where.rstrip("/").endswith(path.rstrip("/")):
                _shelter(deployment, body, probe.identity, probe.purpose == CREATING)
        elif probe.take is None and path.strip("/") in where:
            value, key_id = found
            name, _ = book(deployment).enter(value, key_id)
            _know(deployment, name, value)
            # A key of another organisation is its creator's to revoke.
            _must_be_removed(deployment, key_id, name, by=probe.identity)

    deployment.client.reveal = reveal


def _shelter(deployment: Deployment, body: bytes, by: str, is_ours: bool) -> None:
    """Keep what was created out of the record though the profile points elsewhere.

    Somewhere in the answer there is a key that works, and nobody knows where: whatever
    may be one is redacted. What can be removed by its id is; the rest is listed.
    """
    create = declared(deployment).create
    document = _parsed(body)
    value, key_id = resolve(document, create.key), resolve(document, create.id)
    promise = deployment.profile.promises.keys
    for text in suspects(body, promise.prefix if promise else ""):
        _know(deployment, UNREAD, text)
    if isinstance(value, str) and value:
        _know(deployment, UNREAD, value)
    if isinstance(key_id, str | int) and not isinstance(key_id, bool):
        name = "a key that could not be read"
        _must_be_removed(deployment, str(key_id), name, by)
    elif is_ours:
        deployment.cleanup[UNREAD] = lambda: (
            f"A key was created whose id is not at {create.id} of the answer, so that "
            "it could not be removed: revoke it by hand."
        )


# -- undoing -------------------------------------------------------------------------


def _may_be_left(deployment: Deployment) -> None:
    """List a creation whose answer was lost: nobody can tell what it has made."""
    at = time.strftime("%H:%M:%S", time.gmtime())
    deployment.cleanup[UNANSWERED] = lambda: (
        f"A call to create a key, at {at} UTC, had no usable answer, so a key may be "
        "left that could not be removed: look for one of that time and revoke it."
    )


def _must_be_removed(
    deployment: Deployment, key_id: str, name: str, by: str = ""
) -> None:
    # A key that is given out twice may have two ids: each is removed, and once.
    deployment.cleanup.setdefault(
        key_id, lambda: _removed(deployment, key_id, name, by)
    )


def _removed(deployment: Deployment, key_id: str, name: str, by: str) -> str:
    """Revoke a left-over key; return the sentence that says it is left, or nothing."""
    left = f"{name} (id {key_id[:80]}) was created by this run and is still there"
    if not deployment.profile.consent.key_lifecycle:
        return f"{left}: revoke it, or set consent.key_lifecycle = true."
    act, notes = declared(deployment).revoke, book(deployment)
    try:
        try:
            _step(deployment, act, "", purpose=REMOVING, key_id=key_id, by=by)
        except Undetermined as undetermined:
            window = _window(deployment)
            if (
                undetermined.reason is not Reason.THROTTLED
                or notes.waited
                or not window
            ):
                raise
            # What the run has sent may have used up the allowance of whoever revokes.
            notes.waited = True
            time.sleep(window)
            _step(deployment, act, "", purpose=REMOVING, key_id=key_id, by=by)
    except Undetermined as undetermined:
        return f"{left}: {undetermined.sentence}"
    book(deployment).revoked = True
    return ""


def _window(deployment: Deployment) -> float:
    """Return the seconds after which a throttled caller may call again; 0: too long."""
    limit = deployment.profile.promises.rate_limit
    return limit.window if limit and limit.window <= LONGEST_WAIT else 0.0


# -- one step ------------------------------------------------------------------------


def _take_step(
    deployment: Deployment,
    act: Act,
    check: str,
    *,
    purpose: str,
    key_id: str = "",
    take: Callable[[bytes], None] | None = None,
) -> Done:
    notes = book(deployment)
    if notes.failure is not None:
        raise notes.failure
    try:
        return _step(deployment, act, check, purpose=purpose, key_id=key_id, take=take)
    except Undetermined as undetermined:
        notes.failure = undetermined
        raise


def _step(
    deployment: Deployment,
    act: Act,
    check: str,
    *,
    purpose: str,
    key_id: str = "",
    take: Callable[[bytes], None] | None = None,
    by: str = "",
) -> Done:
    if act.command is not None:
        return _run(deployment, act, purpose=purpose, key_id=key_id, take=take)
    probe = _probe(deployment, act, purpose=purpose, key_id=key_id, take=take, by=by)
    asked = time.perf_counter()
    undoing = purpose == REMOVING
    sent = deployment.client.send(probe, check=check, undoing=undoing)
    if purpose == CREATING and (sent.response is None or sent.status >= 500):
        _may_be_left(deployment)
    exchange = answered(sent, deployment.profile)
    done = time.perf_counter()
    if not 200 <= exchange.status < 300 and not _gone(deployment, exchange, purpose):
        raise Undetermined(
            Reason.PRECONDITION,
            f"The call to {purpose} was answered {exchange.status}.",
            exchange.id,
        )
    fields = exchange.response.header("Link") if exchange.response else None
    return Done(
        asked=asked,
        answered=done,
        exchange=exchange.id,
        further=next_query(fields, exchange.request.url),
    )


def _gone(deployment: Deployment, exchange: Exchange, purpose: str) -> bool:
    """Whether a key that is to be removed is no longer there.

    "Not found" can also mean that the profile's call is wrong, unless it has worked.
    """
    missing = exchange.status in (404, 409, 410)
    return purpose == REMOVING and missing and book(deployment).revoked


def _probe(
    deployment: Deployment,
    act: Act,
    *,
    purpose: str,
    key_id: str,
    take: Callable[[bytes], None] | None,
    by: str,
) -> Probe:
    whose = by if by in deployment.identities else declared(deployment).by or ""
    identity = deployment.identities[whose]
    base = urlsplit(deployment.profile.target.base_url).path.rstrip("/")
    body = b""
    headers = tuple(act.headers.items())
    if act.body is not None:
        body = json.dumps(act.body_for(key_id)).encode()
        headers += (("Content-Type", "application/json"),)
    return Probe(
        method=act.method or "",
        target=base + act.path_for(key_id),
        headers=headers + identity.headers(),
        body=body,
        identity=identity.name,
        operation=_label(deployment, act),
        purpose=purpose,
        take=take,
    )


def _label(deployment: Deployment, act: Act) -> str:
    """Return the label of the operation that a call is of; templates may differ."""
    wanted = f"{act.method} {(act.path or '').partition('?')[0]}"
    for operation in deployment.operations:
        path = operation.path
        for name in operation.parameters:
            path = path.replace("{" + name + "}", "{id}")
        if f"{operation.method} {path}" == wanted:
            return operation.label
    return wanted


def _run(
    deployment: Deployment,
    act: Act,
    *,
    purpose: str,
    key_id: str,
    take: Callable[[bytes], None] | None,
) -> Done:
    asked = time.perf_counter()
    try:
        printed, _ = output_of(
            act.command_for(key_id),
            folder=deployment.profile.folder,
            limit=LARGEST,
            environ=dict(os.environ),
        )
    except ProgramFailed as error:
        if purpose == CREATING:
            _may_be_left(deployment)
        raise Undetermined(
            Reason.PRECONDITION, f"The command to {purpose}: {error}."
        ) from None
    done = time.perf_counter()
    if take is not None:
        take(printed)
    return Done(asked=asked, answered=done)


def _key_in(deployment: Deployment, body: bytes) -> tuple[str, str] | None:
    """Return key and id where the profile says they are; None when one is not."""
    act = declared(deployment).create
    document = _parsed(body)
    value, key_id = resolve(document, act.key), resolve(document, act.id)
    if not isinstance(value, str) or not value:
        return None
    if isinstance(key_id, bool) or not isinstance(key_id, str | int):
        return None
    return value, str(key_id)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


def _know(deployment: Deployment, name: str, value: str) -> None:
    keys = deployment.profile.promises.keys
    deployment.redactor.add(
        Credential(
            label=name,
            value=value,
            public_prefix=keys.prefix if keys else "",
            kind="key",
        )
    )


def _over(notes: Book, sentence: str, exchange: str) -> Undetermined:
    evidence = (exchange,) if exchange else ()
    notes.failure = Undetermined(Reason.PRECONDITION, sentence, *evidence)
    return notes.failure
