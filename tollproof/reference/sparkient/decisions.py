"""Decisions: made, kept per organisation, redacted.

A decision is a record for auditors: deleting one takes away what was decided about and
leaves the fact that it was decided, so deleting it again changes nothing.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

#: Decisions kept of an organisation, beside those that were there from the start.
KEPT = 1000

SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    organisation TEXT NOT NULL,
    decision_type TEXT NOT NULL,
    text TEXT,
    outcome TEXT NOT NULL,
    created_at REAL NOT NULL,
    seeded INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS decisions_of ON decisions (organisation, seeded, number);
"""

_COLUMNS = "id, decision_type, text, outcome, created_at"


class DecisionStore:
    """The decisions of a deployment, in SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._made = 0
        connection.executescript(SCHEMA)

    def decide(
        self,
        organisation: str,
        decision_type: str,
        text: str,
        now: float,
        *,
        seeded: bool = False,
    ) -> Mapping[str, Any]:
        """Decide about a text and keep the decision; the same text, the same outcome.

        Raises:
            UnicodeEncodeError: the text holds half of a surrogate pair.
        """
        digest = hashlib.sha256(f"{decision_type}\0{text}".encode()).digest()
        outcome = ("approve", "review", "decline")[digest[0] % 3]
        row = (f"dec_{secrets.token_hex(8)}", decision_type, text, outcome, now)
        self._connection.execute(
            f"INSERT INTO decisions ({_COLUMNS}, organisation, seeded) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*row, organisation, seeded),
        )
        self._made += 1
        if self._made % 100 == 0:
            self._forget(organisation)
        return _document(row)

    def _forget(self, organisation: str) -> None:
        self._connection.execute(
            "DELETE FROM decisions WHERE organisation = ?1 AND seeded = 0 AND number < "
            "(SELECT number FROM decisions WHERE organisation = ?1 AND seeded = 0 "
            "ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            (organisation, KEPT),
        )

    def listing(self, organisation: str, most: int = 20) -> list[Mapping[str, Any]]:
        """Return an organisation's newest decisions."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM decisions WHERE organisation = ? "  # noqa: S608
            "ORDER BY number DESC LIMIT ?",
            (organisation, most),
        )
        return [_document(row) for row in rows.fetchall()]

    def get(self, organisation: str, decision_id: str) -> Mapping[str, Any] | None:
        """Return a decision of an organisation, or None when it has none such."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM decisions "  # noqa: S608
            "WHERE id = ? AND organisation = ?",
            (decision_id, organisation),
        ).fetchone()
        return None if row is None else _document(row)

    def redact(self, organisation: str, decision_id: str) -> bool:
        """Take away what was decided about.

        Returns:
            Whether the organisation has such a decision.
        """
        found = self._connection.execute(
            "UPDATE decisions SET text = NULL WHERE id = ? AND organisation = ?",
            (decision_id, organisation),
        )
        return found.rowcount == 1


def _document(row: tuple[Any, ...]) -> Mapping[str, Any]:
    decision_id, decision_type, text, outcome, created_at = row
    return {
        "id": decision_id,
        "decision_type": decision_type,
        "input": None if text is None else {"text": text},
        "outcome": outcome,
        "created_at": round(created_at, 3),
    }
