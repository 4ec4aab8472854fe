"""Opens an SQLite file that several processes share.

Knows how such a file is set up. Must not know what is in it.
"""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path

#: Seconds that one process waits for another's transaction.
PATIENCE = 10.0


def connect(path: Path) -> sqlite3.Connection:
    """Open a file, and make it if it is not there; each statement is a transaction.

    SQLite does not wait for others while a file's journal becomes a write-ahead log: it
    says at once that the database is locked, so processes that start together take
    turns. The file lives as long as a deployment, which a power cut ends too: no fsync.
    """
    connection = sqlite3.connect(
        path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
    )
    with open(f"{path}.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    return connection
