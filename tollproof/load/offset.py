"""Comparing the monotonic clocks of two machines by questions and answers.

Knows instants. Must not know what carries the questions.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Offset:
    """Bounds of `ours - theirs`, in ns, from exchanges of messages.

    They read their clock between our asking and our hearing, so each exchange proves
    `asked - read <= ours - theirs <= heard - read`. Clocks of two machines drift, so
    exchanges are not combined across time: the tightest of each spell is kept and the
    bounds hold for all spells.
    """

    spells: list[tuple[int, int]] = field(default_factory=list)
    _current: tuple[int, int] | None = None

    def learn(self, *, asked: int, read: int, heard: int) -> None:
        """Take one exchange."""
        low, high = asked - read, heard - read
        if self._current is not None:
            low, high = max(low, self._current[0]), min(high, self._current[1])
            if low > high:  # a step of a clock: both are true, one after the other
                self.close_spell()
                low, high = asked - read, heard - read
        self._current = (low, high)

    def close_spell(self) -> None:
        """End a spell: what is learnt from now on is about another time."""
        if self._current is not None:
            self.spells.append(self._current)
            self._current = None

    @property
    def bounds(self) -> tuple[int, int]:
        """The bounds over all spells.

        Raises:
            ValueError: nothing was learnt.
        """
        known = [*self.spells, *([self._current] if self._current else [])]
        if not known:
            raise ValueError("no exchange")
        return min(low for low, _ in known), max(high for _, high in known)
