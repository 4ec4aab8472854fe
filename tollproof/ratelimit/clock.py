"""Where the target's clock stands against ours, from the Date of its answers.

An answer's Date, cut to the second, was written between sending and reception. Each
answer therefore confines the offset (target minus us) to an interval; all of them
together to their intersection. A target that caches its Date, as some servers do,
makes the intersection empty or wrong, which is detected. Knows lanes. Must not know
what the offset is for.
"""

from __future__ import annotations

from dataclasses import dataclass

from tollproof.ratelimit.view import View

#: What is assumed of a target whose Date is of no use, in seconds either way.
FALLBACK = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """The target's clock minus ours lies between `low` and `high`, in seconds.

    Attributes:
        trusted: whether it was measured; otherwise the bounds are a fall-back.
        why: what it rests on, as a sentence.
        answers: how many answers had a Date.
    """

    low: float
    high: float
    trusted: bool
    why: str
    answers: int = 0

    @property
    def width(self) -> float:
        """How much is left open, in seconds."""
        return self.high - self.low

    @property
    def middle(self) -> float:
        """The centre of what is possible."""
        return (self.low + self.high) / 2


def clock_offset(view: View) -> Offset:
    """Measure the offset; fall back to a second either way about the best guess."""
    low, high = -float("inf"), float("inf")
    lows: list[float] = []
    answers = 0
    for lane in view:
        base = view.unix(0.0)
        for sent, received, told in zip(
            lane.sent, lane.received, lane.told, strict=True
        ):
            if told.date is None or told.aged:
                continue
            answers += 1
            # The Date's second [D, D + 1) meets [base + sent, base + received] shifted.
            low = max(low, told.date - (base + received))
            high = min(high, told.date + 1.0 - (base + sent))
            lows.append(told.date - (base + received))
    if not answers:
        return Offset(
            low=-FALLBACK,
            high=FALLBACK,
            trusted=False,
            why="no answer has a Date; clocks are taken to agree within a second",
        )
    if low <= high:
        return Offset(
            low=low,
            high=high,
            trusted=True,
            why=f"the Date of {answers} answers confines it to {high - low:.3f} s",
            answers=answers,
        )
    # A cached Date is up to a second or two old: the freshest ones are the best.
    lows.sort()
    fresh = lows[min(len(lows) - 1, int(0.99 * len(lows)))]
    guess = fresh
    return Offset(
        low=guess - FALLBACK,
        high=guess + FALLBACK,
        trusted=False,
        why=(
            f"the Date of {answers} answers contradicts itself by {low - high:.3f} s, "
            "as one that is cached does"
        ),
        answers=answers,
    )
