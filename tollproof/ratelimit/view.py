"""A trace made ready for judging: one lane of requests per key, headers read once.

Times are seconds from the first request. Knows observations, the promise and the
header dialects. Must not judge anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tollproof.ratelimit.headers import (
    Count,
    Fields,
    Reset,
    RetryAfter,
    parse_count,
    parse_http_date,
    parse_rate_limit_fields,
    parse_reset,
    parse_retry_after,
)
from tollproof.ratelimit.observation import ROLES, Headers, Trace
from tollproof.ratelimit.promise import Ietf, RateLimitPromise, ResetForm

#: What became of a request.
REFUSED, ADMITTED, UNKNOWN = 0, 1, 2

#: Statuses that limiters refuse with, besides the promised one.
_OTHER_REFUSALS = (429, 503, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one set of header values says, whatever dialect it is in.

    Attributes:
        date: the answer's Date, Unix seconds.
        fields: the IETF fields; None when neither is there.
        aged: whether the answer came from a cache (it has an Age).
    """

    limit: Count | None = None
    remaining: Count | None = None
    reset: Reset | None = None
    retry_after: RetryAfter | None = None
    date: float | None = None
    fields: Fields | None = None
    aged: bool = False


@dataclass(slots=True, kw_only=True)
class Lane:
    """The requests of one key in order of sending, in parallel lists.

    Attributes:
        outcome: REFUSED, ADMITTED or UNKNOWN.
        told: what each answer's headers say.
        plain: whether it was the ordinary request, not a variant of it.
        where: (worker, connection).
    """

    key: str
    sent: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    outcome: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    phase: list[str] = field(default_factory=list)
    variant: list[str] = field(default_factory=list)
    shot: list[int] = field(default_factory=list)
    where: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sent)

    def rows(self, outcome: int, *, plain: bool = False) -> list[int]:
        """Return the rows with an outcome, of plain requests only when asked."""
        if plain:
            return [
                row
                for row, (what, variant) in enumerate(
                    zip(self.outcome, self.variant, strict=True)
                )
                if what == outcome and variant == "plain"
            ]
        return [row for row, what in enumerate(self.outcome) if what == outcome]

    @property
    def admitted(self) -> tuple[list[float], list[float]]:
        """Sending and receiving times of plain requests admitted, each sorted."""
        rows = self.rows(ADMITTED, plain=True)
        return (
            [self.sent[row] for row in rows],
            sorted(self.received[row] for row in rows),
        )

    @property
    def countable(self) -> tuple[list[float], list[float]]:
        """As `admitted`, with all that may have counted: variants, unknown outcomes.

        What was never answered may have been decided long after it was given up: a
        target that lags behind works off what waits, whoever still listens.
        """
        return self._times(
            row for row, what in enumerate(self.outcome) if what != REFUSED
        )

    @property
    def asked(self) -> tuple[list[float], list[float]]:
        """As `countable`, with the refused ones too, where those count."""
        return self._times(range(len(self)))

    def _times(self, rows: Iterable[int]) -> tuple[list[float], list[float]]:
        rows = tuple(rows)
        return (
            [self.sent[row] for row in rows],
            sorted(
                self.received[row] if self.status[row] else math.inf for row in rows
            ),
        )


@dataclass(frozen=True, kw_only=True)
class View:
    """All lanes of a trace.

    Attributes:
        start: monotonic ns of the first request: the origin of all times.
        refusal: the status that refusals have: the promised one, unless another
            is used in its place throughout.
        trace: where the rest is.
    """

    lanes: Mapping[str, Lane]
    start: int
    refusal: int
    trace: Trace

    def __iter__(self) -> Iterator[Lane]:
        return iter(self.lanes.values())

    @cached_property
    def end(self) -> float:
        """When the last answer came, in seconds."""
        return max((max(lane.received) for lane in self if len(lane)), default=0.0)

    def unix(self, at: float) -> float:
        """Return our Unix time of a moment."""
        return self.trace.wall(self.start + round(at * 1e9))


def view(trace: Trace, promise: RateLimitPromise, refusal: int | None = None) -> View:
    """Sort a trace into lanes.

    Sending order decides the order of a lane; ties are broken by reception.

    Args:
        refusal: the status of refusals, where it is known from elsewhere.
    """
    refusal = _refusal(trace, promise) if refusal is None else refusal
    told = [_told(values, promise) for values in trace.sets]
    order = sorted(
        range(len(trace)), key=lambda row: (trace.sent[row], trace.received[row])
    )
    start = trace.sent[order[0]] if order else 0
    labels = trace.labels
    lanes: dict[int, Lane] = {}
    for row in order:
        number = trace.key[row]
        lane = lanes.get(number)
        if lane is None:
            lane = lanes[number] = Lane(key=labels[number])
        status = trace.status[row]
        heard = told[trace.headers[row]]
        lane.sent.append((trace.sent[row] - start) / 1e9)
        lane.received.append((trace.received[row] - start) / 1e9)
        lane.status.append(status)
        lane.outcome.append(_outcome(status, refusal, aged=heard.aged))
        lane.told.append(heard)
        lane.phase.append(labels[trace.phase[row]])
        lane.variant.append(labels[trace.variant[row]])
        lane.shot.append(trace.shot[row])
        lane.where.append((trace.worker[row], trace.connection[row]))
    return View(
        lanes={lane.key: lane for lane in lanes.values()},
        start=start,
        refusal=refusal,
        trace=trace,
    )


def _outcome(status: int, refusal: int, *, aged: bool) -> int:
    if status == refusal:
        return REFUSED
    if status == 0 or status >= 500 or aged:
        return UNKNOWN
    return ADMITTED


def _refusal(trace: Trace, promise: RateLimitPromise) -> int:
    """Find the status of refusals.

    Another status than the promised one is taken for a refusal only when the promised
    one never occurs, and the other occurs often, after a success of the same key.
    """
    counts: dict[int, int] = {}
    succeeded: set[int] = set()
    for key, status in zip(trace.key, trace.status, strict=True):
        if status < 400:
            succeeded.add(key)
        elif key in succeeded:
            counts[status] = counts.get(status, 0) + 1
    if promise.status in trace.status:
        return promise.status
    often = max(10, len(trace) // 50)
    for status in _OTHER_REFUSALS:
        if counts.get(status, 0) >= often:
            return status
    return promise.status


def _told(values: Headers, promise: RateLimitPromise) -> Told:
    raw = dict(zip(ROLES, values, strict=True))
    headers = promise.headers
    limit, remaining, reset = raw["limit"], raw["remaining"], raw["reset"]
    form = headers.reset_form
    if headers.ietf is Ietf.DRAFT_6:
        form = ResetForm.DELTA_SECONDS
    fields = None
    if raw["ratelimit"] is not None or raw["policy"] is not None:
        fields = parse_rate_limit_fields(
            raw["ratelimit"], raw["policy"], headers.ietf or None
        )
    told = Told(
        limit=None if limit is None else parse_count(limit),
        remaining=None if remaining is None else parse_count(remaining),
        reset=None if reset is None else parse_reset(reset, form),
        retry_after=_maybe_retry(raw["retry_after"]),
        date=parse_http_date(raw["date"]) if raw["date"] else None,
        fields=fields,
        aged=raw["age"] is not None and raw["age"].strip() not in ("", "0"),
    )
    return _with_fields(told, promise)


def _with_fields(told: Told, promise: RateLimitPromise) -> Told:
    """Fill in from the IETF fields what no header of its own says.

    Of several policies the one that the promise's limit matches speaks; without a
    match nothing is taken over, since the numbers would be another limit's.
    """
    if told.fields is None or not told.fields.limits or told.remaining is not None:
        return told
    tightest = promise.tightest
    quotas = {one.name: one for one in told.fields.policies}
    chosen = None
    for one in told.fields.limits:
        policy = quotas.get(one.name)
        quota = policy.quota if policy else one.limit
        same = quota == tightest.limit or one.name == tightest.name != ""
        if same or len(told.fields.limits) == 1:
            chosen = one, quota
            if same:
                break
    if chosen is None:
        return told
    service, quota = chosen
    return Told(
        limit=None if quota is None else Count(value=quota),
        remaining=Count(value=service.remaining),
        reset=None
        if service.reset is None
        else Reset(form=ResetForm.DELTA_SECONDS, seconds=float(service.reset)),
        retry_after=told.retry_after,
        date=told.date,
        fields=told.fields,
        aged=told.aged,
    )


def _maybe_retry(raw: str | None) -> RetryAfter | None:
    return None if raw is None else parse_retry_after(raw)
