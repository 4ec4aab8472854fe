"""Users of the dashboard: provisioned when they first log in.

A user is known by the subject of its ID tokens. The first token of a new subject makes
a user, and an organisation of its own; later ones find them again.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from tollproof.reference.sparkient.keys import Principal, Role

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    subject TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    organisation TEXT NOT NULL REFERENCES organisations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at REAL NOT NULL
);
"""
#: The faults of this module.
FAULTS = frozenset(
    {"login-not-provisioned", "login-provisions-twice", "login-shares-organisation"}
)


class UserStore:
    """The users of a deployment, in SQLite."""

    def __init__(
        self, connection: sqlite3.Connection, faults: Collection[str] = ()
    ) -> None:
        self._connection = connection
        self._faults = frozenset(faults) & FAULTS
        connection.executescript(SCHEMA)

    def add(
        self, subject: str, organisation: str, email: str, role: Role, now: float
    ) -> str:
        """Add a user to an organisation, unless there is one; return its id."""
        self._connection.execute(
            "INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?, ?, ?)",
            (subject, _id("usr"), organisation, email, role, now),
        )
        return self._row(subject)[0]

    def login(self, claims: Mapping[str, Any], now: float) -> Principal:
        """Return who logs in with the claims of a verified token."""
        subject, email = str(claims.get("sub", "")), str(claims.get("email", ""))
        if "login-provisions-twice" in self._faults and not self._known(subject):
            subject = f"{subject}#{secrets.token_hex(4)}"
        if "login-not-provisioned" in self._faults and not self._known(subject):
            return _principal(("", "", email, Role.MEMBER))
        if not self._known(subject):
            self._provision(subject, email, now)
        return _principal(self._row(subject))

    def _provision(self, subject: str, email: str, now: float) -> None:
        organisation = _id("org")
        if "login-shares-organisation" in self._faults:
            organisation = "acme"
        self._connection.execute(
            "INSERT OR IGNORE INTO organisations VALUES (?, ?)",
            (organisation, email or subject),
        )
        # Of two first logins at once one provisions; the other's organisation is idle.
        self.add(subject, organisation, email, Role.MEMBER, now)

    def _known(self, subject: str) -> bool:
        return (
            self._connection.execute(
                "SELECT 1 FROM users WHERE subject = ?", (subject,)
            ).fetchone()
            is not None
        )

    def _row(self, subject: str) -> tuple[str, str, str, str]:
        found: tuple[str, str, str, str] = self._connection.execute(
            "SELECT id, organisation, email, role FROM users WHERE subject = ?",
            (subject,),
        ).fetchone()
        return found


def _principal(row: tuple[str, str, str, str]) -> Principal:
    user, organisation, email, role = row
    return Principal(user, organisation, email, role, "live", None, None, kind="user")


def _id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(8)}"
