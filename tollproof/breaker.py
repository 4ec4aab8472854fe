"""When a target that has gone silent is not asked again for a while.

Knows how many silences are enough, of one operation and of the whole target. Must not
know sockets or clocks: the time is given. Not safe between threads by itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Silences in a row, of one operation or of as many different ones, that are enough.
THRESHOLD = 3
#: Seconds after which what has gone silent is asked again.
PAUSE = 5.0
#: Operations that answered before and are asked all the same: is the target gone, or
#: were those that hang only next to each other?
TRIALS = 2


@dataclass(slots=True)
class Breaker:
    """Who may be asked, by who has answered and who was silent.

    One operation that hangs is no reason not to judge the others; a target that is
    gone costs a few time-outs and not one a probe. Times are in seconds on any clock
    that does not go back.
    """

    _silent: int = 0
    _silent_at: Counter[str] = field(default_factory=Counter)
    _mute: set[str] = field(default_factory=set)
    _spoke: set[str] = field(default_factory=set)
    _closed_until: float = 0.0
    _closed_at: dict[str, float] = field(default_factory=dict)
    _has_answered: bool = False
    _tried: set[str] = field(default_factory=set)
    _last: str = ""

    def refusal(self, operation: str, clock: float) -> str:
        """Return why an operation is not to be asked now; empty when it may be."""
        if clock < self._closed_at.get(operation, clock):
            return (
                f"{operation or 'The target'} has not answered the last "
                f"{self._silent_at[operation]} probes ({self._last}); "
                "it was not asked again."
            )
        if clock >= self._closed_until:
            return ""
        if operation in self._spoke and len(self._tried | {operation}) <= TRIALS:
            self._tried.add(operation)
            return ""
        return (
            f"The target has not answered the last {self._silent} probes "
            f"({self._last}); it was not asked again."
        )

    def answered(self, operation: str) -> None:
        """Note an answer: the target is there, and so is the operation."""
        self._has_answered = True
        self._spoke.add(operation)
        if not self._silent_at:
            return
        self._silent, self._closed_until = 0, 0.0
        self._mute.clear()
        self._silent_at.pop(operation, None)
        self._closed_at.pop(operation, None)

    def silent(self, operation: str, detail: str, clock: float) -> None:
        """Note a silence, and close what has been silent too often."""
        self._silent += 1
        self._silent_at[operation] += 1
        self._mute.add(operation)
        self._spoke.discard(operation)
        self._last = detail
        if self._silent_at[operation] >= THRESHOLD:
            self._closed_at[operation] = clock + PAUSE
        apart = not self._has_answered or len(self._mute) >= THRESHOLD
        if self._silent >= THRESHOLD and apart:
            if clock >= self._closed_until:
                self._tried.clear()
            self._closed_until = clock + PAUSE
