"""How often a key may call: one interface, and the algorithms and stores behind it.

Knows keys as opaque names, and time only as it is told. Must not know HTTP. A
decision is atomic wherever it is made: among threads, and among the processes that
share a store.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tollproof.reference.database import connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a request is admitted, and what is left of the allowance.

    Attributes:
        remaining: requests that are left in the window, after this one.
        reset_at: end of the window, Unix seconds.
        retry_after: seconds until a request is admitted again; 0 when one is now.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_at: float
    retry_after: float


class Limiter(Protocol):
    """Counts requests."""

    def hit(self, key: str, limit: int, window: float, now: float) -> Decision:
        """Count one request and decide on it.

        Args:
            key: whose allowance it is.
            limit: requests admitted in a window.
            window: length of the window in seconds.
            now: Unix seconds; callers on one machine share its clock.
        """
        ...

    def close(self) -> None:
        """Let go of whatever the store holds open."""
        ...


def fixed_window(
    started: float, used: int, limit: int, window: float, now: float
) -> Decision:
    """Decide on the `used`-th request of a window that began at `started`."""
    reset_at = started + window
    allowed = used <= limit
    return Decision(
        allowed=allowed,
        limit=limit,
        remaining=max(0, limit - used),
        reset_at=reset_at,
        retry_after=0.0 if allowed else max(0.0, reset_at - now),
    )


def in_window(started: float, window: float, now: float) -> bool:
    """Tell whether a window is still running.

    A clock that was set back by more than a window starts a new one: otherwise a
    caller would be locked out until the old time comes round again.
    """
    return started - window < now < started + window


class MemoryLimiter:
    """Fixed windows from the first request, counted in this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def hit(self, key: str, limit: int, window: float, now: float) -> Decision:
        """Count one request; see :class:`Limiter`."""
        with self._lock:
            started, used = self._windows.get(key, (-math.inf, 0))
            if not in_window(started, window, now):
                started, used = now, 0
            # What is refused does not count, so the number needs to go no further.
            used = min(used, limit) + 1
            self._windows[key] = (started, used)
        return fixed_window(started, used, limit, window, now)

    def close(self) -> None:
        """Hold nothing."""


class SqliteLimiter:
    """Fixed windows from the first request, counted in a file that workers share.

    One statement reads, decides and writes under SQLite's write lock, so two workers
    never count the same request as different ones, nor two requests as one.
    """

    _HIT = """
        INSERT INTO windows (key, started, used) VALUES (?1, ?2, 1)
        ON CONFLICT (key) DO UPDATE SET
            used = CASE WHEN ?2 < started + ?3 AND ?2 > started - ?3
                        THEN min(used, ?4) + 1 ELSE 1 END,
            started = CASE WHEN ?2 < started + ?3 AND ?2 > started - ?3
                           THEN started ELSE ?2 END
        RETURNING started, used
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._lock = threading.Lock()
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS windows "
            "(key TEXT PRIMARY KEY, started REAL NOT NULL, used INTEGER NOT NULL) "
            "WITHOUT ROWID"
        )

    def hit(self, key: str, limit: int, window: float, now: float) -> Decision:
        """Count one request; see :class:`Limiter`."""
        with self._lock:
            cursor = self._connection.execute(self._HIT, (key, now, window, limit))
            ((started, used),) = cursor.fetchall()
        return fixed_window(started, used, limit, window, now)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class RedisLimiter:
    """Fixed windows from the first request, counted in Redis by one script.

    Raises:
        RuntimeError: the `redis` package is not installed.
    """

    _HIT = """
        local started = tonumber(redis.call('HGET', KEYS[1], 'started'))
        local used = tonumber(redis.call('HGET', KEYS[1], 'used'))
        local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        if not started or now >= started + window or now <= started - window then
            started, used = now, 0
            redis.call('HSET', KEYS[1], 'started', ARGV[1])
        end
        used = math.min(used, limit) + 1
        redis.call('HSET', KEYS[1], 'used', used)
        redis.call('PEXPIRE', KEYS[1], math.ceil(window * 2000))
        return {redis.call('HGET', KEYS[1], 'started'), used}
    """  # noqa: E501

    def __init__(self, url: str, prefix: str) -> None:
        try:
            import redis
        except ModuleNotFoundError:
            raise RuntimeError(
                "counting in Redis needs the redis package: install tollproof[redis]"
            ) from None
        self._client = redis.Redis.from_url(url)
        self._script = self._client.register_script(self._HIT)
        self._prefix = prefix

    def hit(self, key: str, limit: int, window: float, now: float) -> Decision:
        """Count one request; see :class:`Limiter`."""
        started, used = self._script(
            keys=[f"{self._prefix}:{key}"], args=[repr(now), repr(window), limit]
        )
        return fixed_window(float(started), int(used), limit, window, now)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
