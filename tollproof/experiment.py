"""Asking as one caller for what belongs to another, and looking whether it had effect.

Knows how to aim an example request at somebody's object and to read back what a write
may have changed. Bodies are compared as they arrived and forgotten; only exchanges,
redacted as ever, are kept. Must not know with which status a refusal should come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tollproof.access import Cell
from tollproof.client import Probe
from tollproof.declare import failed, inconclusive, passed
from tollproof.errors import Undetermined
from tollproof.identity import Identity
from tollproof.model import Exchange, Reason, Verdict
from tollproof.operations import Operation
from tollproof.target import Target

#: Reading operations that are asked for an effect.
WITNESSES = 5
#: How often a write that seems to have changed a listing is repeated.
REPEATS = 2
#: Names of members that hold ids: id, ids, decisionId, order_id, uuid, pk, slug, ref …
_ID_NAME = re.compile(
    r"(?:^|[_-])(?:uu?id|id|guid)s?$|I[dD]s?$|^(?:pk|slug|ref|key|number)s?$"
)
#: A text shorter than this stands in too many places to tell whose it is.
TELLING = 6


def aimed(
    target: Target,
    operation: Operation,
    *,
    caller: Identity | None,
    owner: Identity | None = None,
    purpose: str = "",
) -> Probe:
    """Return an operation's example request for an owner's object, as any caller."""
    deployment = target.deployment
    example = deployment.example(operation, owner or caller)
    return Probe(
        method=operation.method,
        target=deployment.prefix + example.target,
        headers=example.headers + (caller.headers() if caller else ()),
        body=example.body,
        identity=caller.name if caller else "anonymous",
        operation=operation.label,
        purpose=purpose,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An answer with its body as it arrived."""

    exchange: Exchange
    body: bytes = field(repr=False)

    @property
    def found(self) -> bool:
        """Whether it was answered with a success."""
        return 200 <= self.exchange.status < 300

    def document(self) -> object:
        """Return the body as JSON, or as text where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return self.body.decode("utf-8", "replace")


def read(target: Target, probe: Probe) -> Reading:
    """Send a probe and keep the body as it arrived.

    Raises:
        Undetermined: the target did not answer.
    """
    body = bytearray()

    def take(data: bytes) -> None:
        body[:] = data

    exchange = target.send(replace(probe, take=take))
    return Reading(exchange=exchange, body=bytes(body))


# -- what an answer holds ------------------------------------------------------------


def leaves(document: object) -> Iterator[str]:
    """Yield every text and number of a JSON document, as text."""
    if isinstance(document, dict):
        for item in document.values():
            yield from leaves(item)
    elif isinstance(document, list):
        for item in document:
            yield from leaves(item)
    elif isinstance(document, str | int | float) and not isinstance(document, bool):
        yield str(document)


def identifiers(document: object, name: str = "") -> Iterator[str]:
    """Yield what a JSON document holds in members named as ids are, and their keys.

    Args:
        name: of the member that the document is.
    """
    if isinstance(document, dict):
        yield from document
        for key, item in document.items():
            yield from identifiers(item, key)
    elif isinstance(document, list):
        for item in document:
            yield from identifiers(item, name)
    elif not isinstance(document, bool | float) and _ID_NAME.search(name):
        yield str(document)


def telling(document: object) -> frozenset[str]:
    """Return the texts of a document that are long enough to tell whose they are."""
    return frozenset(text for text in leaves(document) if len(text) >= TELLING)


def about(document: object, ids: Iterable[str]) -> object:
    """Return the smallest object that names one of the ids; None when none does.

    Without ids, the whole document.
    """
    wanted = set(ids)
    if not wanted:
        return document
    if isinstance(document, list | dict):
        items = document.values() if isinstance(document, dict) else document
        for item in items:
            found = about(item, wanted)
            if found is not None:
                # A text is only a mention; the object around it is what is meant.
                whole = isinstance(document, dict) and not isinstance(
                    found, dict | list
                )
                return document if whole else found
        return None
    return document if str(document) in wanted else None


# -- writes and what becomes of them -------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A write that should be refused, and what was seen of its effect.

    Attributes:
        exchange: the write itself.
        witnesses: the readings before it that are comparable.
        changed: readings after it that differ from those before.
        blind: why nothing can be told of an effect; empty when something can.
        once: whether a listing changed at first, and not when the write was repeated.
    """

    exchange: Exchange
    witnesses: tuple[Exchange, ...] = ()
    changed: tuple[Exchange, ...] = ()
    blind: str = ""
    once: bool = False


def attempt(target: Target, cell: Cell) -> Attempt:
    """Make the write of a cell, once in a run, and read back what it may have changed.

    Raises:
        Undetermined: the caller does not work, or the target did not answer.
    """
    return target.deployment.once(
        ("attempt", cell.label), lambda: _attempt(target, cell)
    )


def _attempt(target: Target, cell: Cell) -> Attempt:
    deployment, operation = target.deployment, cell.operation
    deployment.preflight(cell.identity, target.check)
    owner = cell.owner or cell.identity
    probe = aimed(
        target,
        operation,
        caller=cell.identity,
        owner=owner,
        purpose=f"{operation.label} as {cell.identity.name}",
    )
    if not operation.changes:
        return Attempt(exchange=target.send(probe))
    values = {
        name: value
        for name, value in (
            *target.profile.target.parameters_for(operation.label).items(),
            *owner.owns.items(),
        )
        if name in operation.parameters
    }
    looks = tuple(_witnesses(target, cell, owner))
    # To ask alone may leave a trace, such as when a key was last used.
    asking = _asking(target, cell.identity)
    with deployment.client.alone():
        seen = _watched(target, probe, looks, values, asking)
        # Anybody may add to a listing meanwhile; what a write adds, it adds each time.
        for _ in range(0 if values else REPEATS):
            if not seen.changed:
                break
            repeated = _watched(target, probe, looks, values, asking)
            if not repeated.changed:
                return replace(seen, changed=(), once=True)
            seen = repeated
    return seen


def _asking(target: Target, identity: Identity) -> Probe | None:
    """Return a request that only reads, by somebody who may."""
    for operation in target.operations:
        reads = operation.method == "GET" and not operation.changes
        plain = not (operation.public or operation.parameters)
        if reads and plain and identity.may_call(operation):
            purpose = "control: what asking alone changes"
            return aimed(target, operation, caller=identity, purpose=purpose)
    return None


def _watched(
    target: Target,
    probe: Probe,
    looks: tuple[Probe, ...],
    values: Mapping[str, str],
    asking: Probe | None,
) -> Attempt:
    """Send a write, and read before and after it; another request is no write."""
    before = _look(target, looks, values)
    if asking is not None:
        target.send(asking)
    again = _look(target, looks, values)
    # Of a listing that never stays the same, ids still tell what is added. The last
    # that is steady is taken.
    views = (_state,) if values else (_names, _state)
    steady = {
        label: view
        for label, reading in before.items()
        for view in views
        if label in again and view(again[label], values) == view(reading, values)
    }
    exchange = target.send(probe)
    after = _look(target, tuple(item for item in looks if item.operation in steady), {})
    changed = tuple(
        after[label].exchange
        for label, view in steady.items()
        if label in after and view(after[label], values) != view(before[label], values)
    )
    return Attempt(
        exchange=exchange,
        witnesses=tuple(before[label].exchange for label in steady),
        changed=changed,
        blind=""
        if steady
        else "no operation of the profile shows what it would have changed",
    )


def _state(reading: Reading, values: Mapping[str, str]) -> object:
    """Return all that a reading says of what is watched."""
    return reading.found, about(reading.document(), values.values())


def _names(reading: Reading, values: Mapping[str, str]) -> object:
    """Return only the ids in what is watched."""
    found, document = reading.found, about(reading.document(), values.values())
    return found, sorted(identifiers(document))


def _look(
    target: Target, probes: tuple[Probe, ...], values: Mapping[str, str]
) -> dict[str, Reading]:
    """Read every witness; those that do not show the object are left out."""
    found = {}
    for probe in probes:
        reading = read(target, probe)
        shown = about(reading.document(), values.values()) is not None
        itself = probe.target.rpartition("/")[2] in values.values()
        if not values or (reading.found and (shown or itself)):
            found[probe.operation] = reading
    return found


def _witnesses(target: Target, cell: Cell, owner: Identity) -> Iterator[Probe]:
    """Yield requests, by somebody who may, that would show an effect.

    For an object: itself, or the collection it is in. For a creation: every listing.
    """
    path = cell.operation.path
    above = {path.rsplit("/", count)[0] for count in range(1, path.count("/"))}
    paths = {path, *(above if cell.operation.parameters else ())}
    count = 0
    own = set(cell.operation.parameters) <= set(owner.owns)
    for operation in target.operations:
        listing = not operation.parameters and not cell.operation.parameters
        if operation.method != "GET" or not (operation.path in paths or listing):
            continue
        readers = (
            item
            for item in target.deployment.callers(operation)
            # An object that the profile names for all may be anybody's.
            if (item.organisation == owner.organisation or not own)
            and not operation.public
        )
        reader = next(readers, None)
        if reader is not None and count < WITNESSES:
            count += 1
            yield aimed(
                target, operation, caller=reader, owner=owner, purpose="reading back"
            )


def must_be_refused(exchange: Exchange, see: str) -> None:
    """Go on only if a request was refused.

    Raises:
        Undetermined: it was let in, or the target failed.
    """
    if exchange.status < 400:
        raise Undetermined(
            Reason.PRECONDITION,
            f"{exchange.operation} was let in ({exchange.status}), so there is no "
            f"refusal to judge; see {see}.",
            exchange.id,
        )
    if exchange.status >= 500:
        raise Undetermined(
            Reason.PRECONDITION,
            f"{exchange.operation} failed ({exchange.status}) instead of refusing.",
            exchange.id,
        )


def without_effect(target: Target, cell: Cell, see: str) -> Verdict:
    """Say whether a write that was refused was done all the same.

    Args:
        see: the check that reports it when the write was let in.

    Raises:
        Undetermined: it was let in, or the target did not answer.
    """
    seen = attempt(target, cell)
    must_be_refused(seen.exchange, see)
    if seen.changed:
        return failed(
            f"{cell.operation.label} was refused ({seen.exchange.status}) and done: "
            f"{seen.changed[0].operation} shows another state than before.",
            seen.exchange,
            *seen.changed,
            *seen.witnesses,
            expected="the same state before and after",
            actual=f"another state in {seen.changed[0].operation}",
        )
    if seen.once:
        return inconclusive(
            Reason.NOISE,
            f"{cell.operation.label} was refused, and a listing showed another state "
            "after it, but not when it was repeated: somebody else may have written.",
            seen.exchange,
        )
    if seen.blind:
        return inconclusive(
            Reason.PRECONDITION,
            f"{cell.operation.label} was refused, and {seen.blind}.",
            seen.exchange,
        )
    return passed(
        f"Refused with {seen.exchange.status}, and nothing changed in "
        f"{len(seen.witnesses)} places where it would show.",
        seen.exchange,
        *seen.witnesses,
    )
