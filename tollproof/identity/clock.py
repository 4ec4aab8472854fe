"""The target's clock, as far as its `Date` fields tell.

Tokens are right or wrong by the clock of whoever verifies them. Each answer bounds the
offset: `Date` (RFC 9110, 6.6.1) has whole seconds and was written between sending and
receiving. Knows times. Must not know what they are needed for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

from tollproof.model import Exchange


class TargetClock:
    """Estimates the target's time from the exchanges it is shown.

    Args:
        local: our own clock, Unix seconds.
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self._local = local
        self._lock = threading.Lock()
        self._low = float("-inf")
        self._high = float("inf")

    def observe(self, exchange: Exchange) -> None:
        """Learn from an exchange; nothing from one without a usable `Date`."""
        date = exchange.response.header("Date") if exchange.response else None
        said = _seconds(date) if date else None
        if said is None:
            return
        sent = datetime.fromisoformat(exchange.at).timestamp()
        # `at` is cut to milliseconds.
        low, high = said - (sent + exchange.seconds + 0.001), said + 1 - sent
        with self._lock:
            if max(low, self._low) > min(high, self._high):
                # Several clocks behind one name, or one that was set: the last counts.
                self._low, self._high = low, high
            else:
                self._low, self._high = max(low, self._low), min(high, self._high)

    @property
    def offset(self) -> float:
        """Seconds by which the target's clock is ahead; 0.0 where that is possible."""
        with self._lock:
            if self._low <= 0.0 <= self._high:
                return 0.0
            return (self._low + self._high) / 2

    def now(self) -> float:
        """Return the target's time, Unix seconds."""
        return self._local() + self.offset


def _seconds(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
