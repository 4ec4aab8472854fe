"""Some keys created to see how they are made, and listed.

Knows how many the profile allows. Created once a run, whatever check asks first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tollproof import lifecycle
from tollproof.lifecycle import Key, Repeated, Shown
from tollproof.model import Exchange, Request
from tollproof.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Keys in the order in which they were created."""

    keys: tuple[Key, ...]

    def listing(self, target: Target) -> tuple[Shown, ...]:
        """Return the listing as it was with all of these keys; asked once.

        Raises:
            Undetermined: it cannot be had.
        """
        return target.deployment.once("listing of sample", lambda: _list(target))

    def exchanges(self, keys: Iterable[Key]) -> tuple[Exchange, ...]:
        """Return what shows some of the keys being made, by its id alone."""
        return tuple(_named(key.exchange) for key in list(keys)[:3] if key.exchange)


def sample(target: Target) -> Sample:
    """Create the keys, and list them while they work.

    Raises:
        Undetermined: one could not be created.
    """
    return target.deployment.once("sample of keys", lambda: _create(target))


def keys_of(found: Sample) -> list[str]:
    """Return the keys themselves: for analysis, never for a text."""
    return list(dict.fromkeys(key.value for key in found.keys))


def repeated(target: Target) -> tuple[Repeated, ...]:
    """Return the keys and ids that the run was given twice, by whatever check.

    Raises:
        Undetermined: none was, and the sample could not be created.
    """
    book = lifecycle.book(target.deployment)
    if not book.repeated:
        sample(target)
    return tuple(book.repeated)


def _create(target: Target) -> Sample:
    book = lifecycle.book(target.deployment)
    keys: list[Key] = []
    for _ in range(lifecycle.declared(target.deployment).sample):
        keys.append(lifecycle.create(target.deployment, target.check, repeats=True))
        if book.repeated:
            break
    return Sample(keys=tuple(keys))


def _list(target: Target) -> tuple[Shown, ...]:
    return lifecycle.listing(target.deployment, target.check)


def _named(exchange: str) -> Exchange:
    empty = Request(method="", url="")
    return Exchange(id=exchange, at="", seconds=0.0, request=empty)
