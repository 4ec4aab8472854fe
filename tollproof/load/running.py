"""A shot under way, and the moment that answers to it name.

Knows shots and header values. Must not know connections' bytes or when to send.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tollproof.load.connection import Connection
from tollproof.load.job import Template
from tollproof.load.pool import Pool
from tollproof.ratelimit.headers import (
    parse_rate_limit_fields,
    seconds_to_wait,
    seconds_until_reset,
)
from tollproof.ratelimit.observation import ROLES
from tollproof.ratelimit.promise import ResetForm
from tollproof.ratelimit.schedule import Cue, Shot

_RETRY_AFTER, _RESET = ROLES.index("retry_after"), ROLES.index("reset")
_DATE, _RATELIMIT = ROLES.index("date"), ROLES.index("ratelimit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer that may decide when another shot is due.

    Attributes:
        at: when it was received, seconds from the start.
        wall: Unix time then.
        values: its header values in the order of the roles.
    """

    at: float
    wall: float
    values: tuple[bytes | None, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Running:
    """A shot under way.

    Attributes:
        numbers: of its key, phase and variant among the recorder's labels.
        due: when its first request is, monotonic ns.
        asked: requests dispatched; `settled` of them are over, whatever came.
        extra: connections for what goes beyond the shot's count.
        row: how many of those were refused in a row.
        ending: no further request will be dispatched.
        held: a burst's connections that lack the last bytes only; `missing` are not
            ready yet.
        refusal, last: the last refusal and the last answer.
    """

    shot: Shot
    pool: Pool[Request]
    numbers: tuple[int, int, int]
    template: Template
    due: int = 0
    asked: int = 0
    settled: int = 0
    extra: Pool[Request] | None = None
    row: int = 0
    ending: bool = False
    held: list[Connection] = field(default_factory=list)
    missing: int = 0
    refusal: Heard | None = None
    last: Heard | None = None

    @property
    def over(self) -> bool:
        """Whether it has sent all and heard of all."""
        return self.ending and self.settled == self.asked


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """One request of a shot: when it was due, and when it went out (monotonic ns)."""

    running: Running
    due: int
    sent: int = 0


def is_burst(shot: Shot) -> bool:
    """Return whether the requests of a shot go out together."""
    return shot.count > 1 and shot.seconds == 0


def step(shot: Shot) -> float:
    """Return the seconds between two requests of a paced shot."""
    return shot.seconds / shot.count


def told(cue: Cue, source: Running | None, form: ResetForm | None) -> float | None:
    """Return the moment that the answers to a shot name, in seconds from the start."""
    if source is None or cue is Cue.CLOCK:
        return None
    heard = source.refusal if cue is Cue.RETRY_AFTER else source.last
    if heard is None:
        return None
    text = [None if one is None else one.decode("latin-1") for one in heard.values]
    date = text[_DATE]
    if cue is Cue.RETRY_AFTER:
        wait = seconds_to_wait(text[_RETRY_AFTER], date=date, wall=heard.wall)
    else:
        wait = seconds_until_reset(text[_RESET], form, date=date, wall=heard.wall)
        if wait is None and text[_RATELIMIT]:
            fields = parse_rate_limit_fields(text[_RATELIMIT], None)
            resets = [one.reset for one in fields.limits if one.reset is not None]
            wait = float(min(resets)) if resets else None
    return None if wait is None else heard.at + wait
