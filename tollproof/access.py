"""Who may do what to whose object: the cells of the access matrix.

A cell is one identity at one operation, and where an object is asked for, whose it is.
Identities with the same grants in the same organisation have the same rights, so one of
them stands for all. Must not know what is sent, nor what any answer means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tollproof.deployment import Deployment
from tollproof.identity import Identity
from tollproof.operations import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place of the matrix.

    Attributes:
        identity: who calls.
        owner: whose object is asked for; None where none is, or it is its own.
    """

    identity: Identity
    operation: Operation
    owner: Identity | None = None

    @property
    def label(self) -> str:
        """How results name it: `DELETE /things/{id} of acme as gamma`."""
        whose = f" of {self.owner.organisation}" if self.owner else ""
        return f"{self.operation.label}{whose} as {self.identity.name}"


def _protected(deployment: Deployment) -> Iterator[Operation]:
    return (item for item in deployment.operations if not item.public)


def _representatives(identities: Iterable[Identity]) -> tuple[Identity, ...]:
    """Return one live identity for each set of rights, an unhurried one if possible."""
    ordered = sorted(
        (item for item in identities if item.is_live),
        key=lambda item: (
            bool(item.limit),
            bool({"burst", "bystander"} & set(item.declared.purpose)),
        ),
    )
    first: dict[object, Identity] = {}
    for identity in ordered:
        kind = identity.declared.mechanisms[:1]
        rights = identity.organisation, frozenset(identity.declared.grants), kind
        first.setdefault(rights, identity)
    chosen = set(map(id, first.values()))
    return tuple(item for item in identities if id(item) in chosen)


def granted(deployment: Deployment) -> Sequence[Cell]:
    """Return where an identity is let in beside the operation's own control."""
    return [
        Cell(identity=identity, operation=operation)
        for operation in _protected(deployment)
        for identity in _representatives(deployment.identities.values())
        if identity.may_call(operation)
        and identity is not next(iter(deployment.callers(operation)), None)
    ]


def denied(deployment: Deployment) -> Sequence[Cell]:
    """Return where a live identity is not granted the operation."""
    return [
        Cell(identity=identity, operation=operation)
        for operation in _protected(deployment)
        for identity in _representatives(deployment.identities.values())
        if not identity.may_call(operation)
    ]


def foreign(deployment: Deployment) -> Sequence[Cell]:
    """Return where an identity could ask for an object of another organisation."""
    return [
        Cell(identity=stranger, operation=operation, owner=owner)
        for operation in _protected(deployment)
        if operation.parameters
        for owner, stranger in _pairs(deployment, operation)
        if set(operation.parameters) & set(owner.owns)
    ]


def listings(deployment: Deployment) -> Sequence[Cell]:
    """Return where an identity reads what is not one object, beside another's owner."""
    return [
        Cell(identity=stranger, operation=operation, owner=owner)
        for operation in _protected(deployment)
        if operation.method == "GET" and not operation.parameters
        for owner, stranger in _pairs(deployment, operation)
        if owner.owns
    ]


def _pairs(
    deployment: Deployment, operation: Operation
) -> Iterator[tuple[Identity, Identity]]:
    """Yield an owner and a stranger for each two organisations, both ways.

    Both are granted the operation: what keeps them apart is whose the object is.
    """
    callers = [item for item in deployment.callers(operation) if item.organisation]
    busy = set(map(id, _representatives(deployment.identities.values())))
    # What the representatives own may have been deleted by way of control.
    owners = sorted(
        callers,
        key=lambda item: (
            not set(operation.parameters) <= set(item.owns),
            bool(item.limit),
            id(item) in busy or item is callers[0],
        ),
    )
    strangers = _first_of_each(callers)
    for owner in _first_of_each(owners).values():
        for organisation, stranger in strangers.items():
            if owner.organisation != organisation:
                yield owner, stranger


def _first_of_each(identities: Iterable[Identity]) -> dict[str, Identity]:
    """Return the first identity of each organisation."""
    first: dict[str, Identity] = {}
    for identity in identities:
        first.setdefault(identity.organisation, identity)
    return first


def writes(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Return those whose operation may change something."""
    return [cell for cell in cells if cell.operation.changes]


def reads(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Return those whose operation changes nothing."""
    return [cell for cell in cells if not cell.operation.changes]
