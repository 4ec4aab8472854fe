"""Some keys created to see how they are made, and listed.

Knows how many the profile allows. Created once a run, whatever check asks first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tollproof import lifecycle
from tollproof.lifecycle import Key, Listed, Repeated
from tollproof.model import Exchange, Request
from tollproof.rotation.scenario import promised
from tollproof.target import Target

#: Seconds between two looks at a listing that lags behind.
PAUSE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Keys in the order in which they were created."""

    keys: tuple[Key, ...]

    def listing(self, target: Target) -> Listed:
        """Return the listing as it was with all of these keys; asked once a run.

        A listing that lags behind is asked again until the keys must be active.

        Raises:
            Undetermined: it cannot be had.
        """
        return target.deployment.once("listing of sample", lambda: self._list(target))

    def _list(self, target: Target) -> Listed:
        last = max((key.answered for key in self.keys), default=0.0)
        until = last + promised(target).active
        wanted = {key.id for key in self.keys}
        while True:
            found = lifecycle.listing(target.deployment, target.check)
            left = until - time.perf_counter()
            if wanted <= {item.id for item in found.keys} or left <= 0:
                return found
            time.sleep(min(left, PAUSE))

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


def _named(exchange: str) -> Exchange:
    empty = Request(method="", url="")
    return Exchange(id=exchange, at="", seconds=0.0, request=empty)
