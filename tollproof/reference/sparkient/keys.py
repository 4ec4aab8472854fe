"""API keys: made, stored as keyed hashes, verified, listed, revoked.

A key is `sk_live_` or `sk_test_`, a public id of 10 characters and a secret of 32, all
letters and digits. The id finds the row, so verification costs one look-up however many
keys there are; the hash is an HMAC-SHA256 over a salt of the row's own and the whole
key, under a pepper that is not in the database. The key itself is never stored. An
unknown id costs the same look-up and the same hash as a known one.
"""

from __future__ import annotations

import hmac
import re
import secrets
import sqlite3
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 10
SECRET_LENGTH = 32
PREFIX_LENGTH = len("sk_live_")
ENVIRONMENTS = ("live", "test")
FORM = re.compile(r"sk_(?:live|test)_[A-Za-z0-9]{42}")

SCHEMA = """
CREATE TABLE IF NOT EXISTS organisations (id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    organisation TEXT NOT NULL REFERENCES organisations (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    environment TEXT NOT NULL,
    salt BLOB NOT NULL,
    hash BLOB NOT NULL,
    last_four TEXT NOT NULL,
    requests INTEGER,
    seconds REAL,
    created_at REAL NOT NULL,
    expires_at REAL,
    revoked_at REAL
);
CREATE INDEX IF NOT EXISTS keys_by_organisation ON keys (organisation, created_at);
"""


class Role(StrEnum):
    """What a key may do inside its organisation."""

    ADMIN = "admin"
    MEMBER = "member"
    READER = "reader"


class Flaw(StrEnum):
    """Why a key is not accepted; callers are never told which it was."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    OTHER_ENVIRONMENT = "other-environment"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a key that was verified.

    Attributes:
        requests, seconds: the key's own limit and window; None for the default.
        flaw: why the key is refused all the same; None for a live key.
        kind: `key`; `user` of the dashboard, `client` of the token endpoint.
    """

    id: str
    organisation: str
    name: str
    role: str
    environment: str
    requests: int | None
    seconds: float | None
    flaw: Flaw | None = None
    kind: str = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made; the only time it is seen.

    Attributes:
        raw: the key itself.
    """

    id: str
    raw: str
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A key as a listing shows it.

    Attributes:
        masked: the environment's prefix, asterisks, and the last four characters.
    """

    id: str
    name: str
    role: str
    environment: str
    masked: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None


class KeyStore:
    """The keys of a deployment, in SQLite; nothing is cached, so revocation is at once.

    Args:
        pepper: secret under which all keys are hashed, at least 32 bytes.
        made: told the id and the raw form of each key made.
    """

    _SELECT = (
        "SELECT salt, hash, organisation, name, role, environment, requests, seconds, "
        "expires_at, revoked_at FROM keys WHERE id = ?"
    )

    def __init__(
        self,
        connection: sqlite3.Connection,
        pepper: bytes,
        made: Callable[[str, str], None] | None = None,
    ) -> None:
        self._connection = connection
        self._pepper = pepper
        self._made = made
        self._nobody_salt = secrets.token_bytes(16)
        self._nobody_hash = secrets.token_bytes(32)
        connection.executescript(SCHEMA)

    def verify(self, raw: str, now: float) -> Principal | None:
        """Return who holds a key, or None when nobody does.

        The caller must still look at the principal's `flaw`.
        """
        key_id = raw[PREFIX_LENGTH : PREFIX_LENGTH + ID_LENGTH]
        row = self._connection.execute(self._SELECT, (key_id,)).fetchone()
        salt, expected = row[:2] if row else (self._nobody_salt, self._nobody_hash)
        same = hmac.compare_digest(self.digest(raw, salt), expected)
        return _principal(key_id, row, now) if row and same else None

    def find(self, key_id: str, now: float) -> Principal | None:
        """Return whose key has an id; nothing is verified."""
        row = self._connection.execute(self._SELECT, (key_id,)).fetchone()
        return _principal(key_id, row, now) if row else None

    def ids(self) -> list[str]:
        """Return the public ids of all keys."""
        rows = self._connection.execute("SELECT id FROM keys").fetchall()
        return [key_id for (key_id,) in rows]

    def digest(self, raw: str, salt: bytes) -> bytes:
        """Return what is stored of a key."""
        return hmac.digest(self._pepper, salt + raw.encode(), "sha256")

    def create(
        self,
        organisation: str,
        name: str,
        role: str,
        now: float,
        *,
        environment: str = "live",
        lifetime: float | None = None,
        requests: int | None = None,
        seconds: float | None = None,
    ) -> NewKey:
        """Make a key of 32 random characters, 190 bits, and store its hash.

        Args:
            lifetime: seconds until it expires; None for never.
            requests, seconds: its own limit and window; None for the default.
        """
        key_id = _random(ID_LENGTH)
        raw = self.raw(name, environment, key_id)
        salt = secrets.token_bytes(16)
        self._connection.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                key_id,
                organisation,
                name,
                role,
                environment,
                salt,
                self.digest(raw, salt),
                raw[-4:],
                requests,
                seconds,
                now,
                None if lifetime is None else now + lifetime,
            ),
        )
        if self._made:
            self._made(key_id, raw)
        return NewKey(id=key_id, raw=raw, created_at=now)

    def raw(self, name: str, environment: str, key_id: str) -> str:
        """Return a new key: its id is public, the rest is drawn."""
        return f"sk_{environment}_{key_id}{_random(SECRET_LENGTH)}"

    def listing(self, organisation: str, most: int = 1000) -> Iterable[Listed]:
        """Return an organisation's keys, newest first, masked."""
        rows = self._connection.execute(
            "SELECT id, name, role, environment, last_four, created_at, expires_at, "
            "revoked_at FROM keys WHERE organisation = ? "
            "ORDER BY created_at DESC, id LIMIT ?",
            (organisation, most),
        ).fetchall()
        for (
            key_id,
            name,
            role,
            environment,
            last_four,
            created,
            expires,
            revoked,
        ) in rows:
            yield Listed(
                id=key_id,
                name=name,
                role=role,
                environment=environment,
                masked=f"sk_{environment}_" + "*" * 12 + last_four,
                created_at=created,
                expires_at=expires,
                revoked_at=revoked,
            )

    def revoke(self, organisation: str, key_id: str, now: float) -> bool:
        """Revoke a key for good; revoking it again changes nothing.

        Returns:
            Whether the organisation has such a key.
        """
        found = self._connection.execute(
            "UPDATE keys SET revoked_at = coalesce(revoked_at, ?) "
            "WHERE id = ? AND organisation = ?",
            (now, key_id, organisation),
        )
        return found.rowcount == 1

    def organisation(self, organisation: str) -> str:
        """Return the name of an organisation."""
        row = self._connection.execute(
            "SELECT name FROM organisations WHERE id = ?", (organisation,)
        ).fetchone()
        return str(row[0])


def _principal(key_id: str, row: tuple[Any, ...], now: float) -> Principal:
    _, _, organisation, name, role, environment, requests, seconds, expires, gone = row
    flaw = _flaw(environment, expires, gone, now)
    return Principal(
        key_id, organisation, name, role, environment, requests, seconds, flaw
    )


def _flaw(
    environment: str, expires_at: float | None, revoked_at: float | None, now: float
) -> Flaw | None:
    if revoked_at is not None:
        return Flaw.REVOKED
    if expires_at is not None and expires_at <= now:
        return Flaw.EXPIRED
    if environment != "live":
        return Flaw.OTHER_ENVIRONMENT
    return None


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
