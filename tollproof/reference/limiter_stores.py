"""Where limiters of any algorithm keep their states: a process, a file, Redis.

Each makes read, decide and write one atomic step among all who share it. Knows states
as lists of numbers. Must not know how a decision is made.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from tollproof.reference.algorithms import Decide, State
from tollproof.reference.database import connect
from tollproof.reference.limiters import Decision


class MemoryStates:
    """Counts in this process alone."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._lock = threading.Lock()
        self._states: dict[str, State] = {}

    def hit(self, key: str, limit: int, window: float, now: float) -> Decision:
        """Count one request; see :class:`tollproof.reference.limiters.Limiter`."""
        with self._lock:
            state, decision = self._decide(self._states.get(key), limit, window, now)
            self._states[key] = state
        return decision

    def close(self) -> None:
        """Hold nothing."""


class SqliteStates:
    """Counts in a file that workers share, each decision in its own transaction."""

    def __init__(self, decide: Decide, path: Path) -> None:
        self._decide = decide
        self._lock = threading.Lock()
        self._connection = connect(path)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS states "
            "(key TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID"
        )

    def hit(self, key: str, limit: int, window: float, now: float) -> Decision:
        """Count one request; see :class:`tollproof.reference.limiters.Limiter`."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                row = self._connection.execute(
                    "SELECT state FROM states WHERE key = ?", (key,)
                ).fetchone()
                state, decision = self._decide(
                    json.loads(row[0]) if row else None, limit, window, now
                )
                self._connection.execute(
                    "INSERT INTO states VALUES (?1, ?2) "
                    "ON CONFLICT (key) DO UPDATE SET state = ?2",
                    (key, json.dumps(state)),
                )
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        return decision

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class RedisStates:
    """Counts in Redis: what others changed meanwhile is read and decided on again.

    Raises:
        RuntimeError: the `redis` package is not installed.
    """

    def __init__(self, decide: Decide, url: str, prefix: str) -> None:
        try:
            import redis
        except ModuleNotFoundError:
            raise RuntimeError(
                "counting in Redis needs the redis package: install tollproof[redis]"
            ) from None
        self._decide, self._prefix = decide, prefix
        self._client = redis.Redis.from_url(url)
        self._changed = redis.WatchError

    def hit(self, key: str, limit: int, window: float, now: float) -> Decision:
        """Count one request; see :class:`tollproof.reference.limiters.Limiter`."""
        name = f"{self._prefix}:{key}"
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(name)  # type: ignore[no-untyped-call]
                kept = pipe.get(name)
                state, decision = self._decide(
                    json.loads(kept) if kept else None, limit, window, now
                )
                pipe.multi()
                pipe.set(name, json.dumps(state), px=int(window * 3000) + 1)
                try:
                    pipe.execute()
                except self._changed:
                    continue
                return decision

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
