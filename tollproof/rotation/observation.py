"""One timed answer to one key.

Knows moments as seconds on one monotonic clock. The deployment decided at some moment
between sending and receiving; which one cannot be known, so every conclusion here must
hold for all of them. Must not know how anything was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What an answer says about the key that was shown."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    THROTTLED = "throttled"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that happened between two moments, in seconds."""

    sent: float
    received: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Span):
    """A probe with one key and what came of it.

    Attributes:
        status: of the response; 0 when there was none.
        evidence: id of the exchange.
        remaining: what the answer says is left of the key's allowance, if it says so.
    """

    answer: Answer
    status: int = 0
    evidence: str = ""
    remaining: int | None = None


#: Client errors that say nothing about a key: the request came too late (408), to the
#: wrong server (421), or too early (425).
_ABOUT_THE_REQUEST = frozenset({408, 421, 425})


def answer_of(status: int, limited: int) -> Answer:
    """Return what a status says about the key.

    Args:
        status: of the response; 0 when there was none.
        limited: the status of a refusal by the rate limit.
    """
    if 200 <= status < 300:
        return Answer.ADMITTED
    if status in (429, limited):
        return Answer.THROTTLED
    if 400 <= status < 500 and status not in _ABOUT_THE_REQUEST:
        return Answer.REFUSED
    return Answer.LOST


def between(
    seen: Iterable[Observation], low: float, high: float
) -> tuple[Observation, ...]:
    """Return the observations that were certainly decided between two moments."""
    return tuple(item for item in seen if item.sent >= low and item.received <= high)


def of(seen: Iterable[Observation], *answers: Answer) -> tuple[Observation, ...]:
    """Return the observations with one of these answers."""
    return tuple(item for item in seen if item.answer in answers)
