"""Faults in the life of a key: made badly, revoked late, listed wrongly.

They befall the keys that callers make, never those that were there at the start, so
that whoever is an identity of the profile notices nothing. State is one worker's.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from tollproof.reference.lifecycle_faults import ROTATION
from tollproof.reference.sparkient.blemishes import Blemish
from tollproof.reference.sparkient.errors import envelope
from tollproof.reference.sparkient.keys import (
    ALPHABET,
    ID_LENGTH,
    PREFIX_LENGTH,
    SECRET_LENGTH,
    Flaw,
    KeyStore,
    Listed,
    NewKey,
    Principal,
)
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.routes import Service

#: The faults that need such a store.
LAPSES = frozenset(row[1] for row in ROTATION)
#: Seconds after which a late step has its effect; a second is promised.
LATE = 1.5
FORGOTTEN = 1.6
LOCKED_OUT = 0.5
#: Seconds between two calls that are "at the same moment".
TOGETHER = 0.15
REMEMBERED = 10.0
DROPPING = 0.3


class LapsingKeyStore(KeyStore):
    """Keys that are not looked after as promised.

    Args:
        faults: names of faults.
        seeded: names of the keys that are left in peace.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        pepper: bytes,
        made: Callable[[str, str], None] | None,
        *,
        faults: Collection[str],
        seeded: Collection[str],
    ) -> None:
        super().__init__(connection, pepper, made)
        self._faults = faults
        self._seeded = seeded
        self._used: dict[str, None] = {}
        self._last: NewKey | None = None
        self._revoked_at = 0.0
        self._locked: tuple[str, float] = ("", 0.0)
        self._count = 0
        self.last_made = 0.0
        self.limited: tuple[str, float] | None = None
        self.answered = 0

    def spares(self, name: str) -> bool:
        """Tell whether a key of that name is left in peace."""
        return name in self._seeded

    # -- verified --------------------------------------------------------------------

    def verify(self, raw: str, now: float) -> Principal | None:
        """Return who holds a key; see :class:`KeyStore`."""
        who = super().verify(raw, now)
        if who is None or self.spares(who.name):
            return who
        created, revoked = self._connection.execute(
            "SELECT created_at, revoked_at FROM keys WHERE id = ?", (who.id,)
        ).fetchone()
        if self._has("slow-activation") and now < created + LATE:
            return None
        locked, until = self._locked
        if who.id == locked and now < until:
            return None
        if who.flaw is Flaw.REVOKED and (
            (self._has("revocation-cached") and now < revoked + LATE)
            or (self._has("revocation-forgotten") and now > revoked + FORGOTTEN)
        ):
            who = replace(who, flaw=None)
        if who.flaw is None:
            self._used[who.id] = None
        if self._has("allowance-shared"):
            return replace(who, id=f"{who.organisation}:{who.name}")
        if self.limited and self._has("limit-inherited") and created > self.limited[1]:
            return replace(who, id=self.limited[0])
        return who

    # -- made ------------------------------------------------------------------------

    def create(
        self, organisation: str, name: str, role: str, now: float, **rest: object
    ) -> NewKey:
        """Make a key; see :class:`KeyStore`."""
        if self.spares(name):
            return super().create(organisation, name, role, now, **rest)  # type: ignore[arg-type]
        last = self._last
        if last and self._has("key-repeated") and now < last.created_at + REMEMBERED:
            return last
        if self._has("no-overlap"):
            for older in self._used_and_live()[1:2]:
                super().revoke(organisation, older, now)
        self._last = super().create(organisation, name, role, now, **rest)  # type: ignore[arg-type]
        self.last_made = time.monotonic()
        return self._last

    def raw(self, name: str, environment: str, key_id: str) -> str:
        """Return a new key; see :class:`KeyStore`."""
        raw = super().raw(name, environment, key_id)
        if self.spares(name):
            return raw
        if self._has("key-malformed"):
            middle = len(raw) - SECRET_LENGTH // 2
            return f"{raw[:middle]}-{raw[middle + 1 :]}"
        if self._has("key-guessable"):
            return raw[: -SECRET_LENGTH + 8] + "0" * (SECRET_LENGTH - 8)
        if self._has("key-counted"):
            self._count += 1
            return f"{raw[:-8]}{self._count:08d}"
        return raw

    # -- revoked ---------------------------------------------------------------------

    def revoke(self, organisation: str, key_id: str, now: float) -> bool:
        """Revoke a key; see :class:`KeyStore`."""
        who = self.find(key_id, now)
        if who is None or self.spares(who.name):
            return super().revoke(organisation, key_id, now)
        if self._has("simultaneous-lost") and now < self._revoked_at + TOGETHER:
            return True
        self._revoked_at = now
        found = super().revoke(organisation, key_id, now)
        if self._has("successor-revoked"):
            for newest in self._used_and_live(newest_first=True)[:1]:
                super().revoke(organisation, newest, now)
        if self._has("others-locked-out"):
            for oldest in self._used_and_live()[:1]:
                self._locked = (oldest, now + LOCKED_OUT)
        return found

    # -- listed ----------------------------------------------------------------------

    def listing(self, organisation: str, most: int = 1000) -> Iterable[Listed]:
        """Return an organisation's keys; see :class:`KeyStore`."""
        for key in super().listing(organisation, most):
            if self.spares(key.name):
                yield key
            elif self._has("mask-too-short"):
                more = "".join(secrets.choice(ALPHABET) for _ in range(4))
                masked = key.masked[:-8] + more + key.masked[-4:]
                yield replace(key, masked=masked)
            elif not self._has("key-unlisted"):
                yield key

    # -- what the faults look at -----------------------------------------------------

    def _has(self, fault: str) -> bool:
        return f"rotation-{fault}" in self._faults

    def _used_and_live(self, *, newest_first: bool = False) -> list[str]:
        rows = self._connection.execute(
            "SELECT id FROM keys WHERE revoked_at IS NULL ORDER BY created_at, id"
        ).fetchall()
        found = [key_id for (key_id,) in rows if key_id in self._used]
        return found[::-1] if newest_first else found


# -- what answers show of it -----------------------------------------------------------


def _dropped(service: Service, call: Call, answer: Answer) -> None:
    keys, who = service.keys, call.principal
    if not isinstance(keys, LapsingKeyStore) or who is None or keys.spares(who.name):
        return
    if time.monotonic() < keys.last_made + DROPPING and answer.status == 200:
        keys.answered += 1
        if keys.answered % 3 == 0:
            failure = envelope(500, "Something went wrong on our side")
            answer.status, answer.body = failure.status, failure.body


def _limited(service: Service, call: Call, answer: Answer) -> None:
    keys, who = service.keys, call.principal
    if not isinstance(keys, LapsingKeyStore) or who is None or keys.spares(who.name):
        return
    if answer.status == 429 and keys.limited is None:
        keys.limited = (who.id, time.time())


def _told(service: Service, call: Call, answer: Answer) -> None:
    keys = service.keys
    if call.flaw is not Flaw.REVOKED or not isinstance(keys, LapsingKeyStore):
        return
    token = call.value(b"authorization").rpartition(b" ")[2].decode("latin-1")
    who = keys.find(token[PREFIX_LENGTH:][:ID_LENGTH], time.time())
    if who is not None and not keys.spares(who.name) and answer.status == 401:
        answer.body = envelope(401, "This API key was revoked a moment ago").body


_SHOWN: Mapping[str, Blemish] = {
    "rotation-requests-dropped": _dropped,
    "rotation-limit-inherited": _limited,
    "rotation-fresh-revocation-told": _told,
}


def lapses(faults: Collection[str]) -> tuple[Blemish, ...]:
    """Return what spoils the answers of a deployment with these faults."""
    return tuple(spoil for name, spoil in _SHOWN.items() if name in faults)
