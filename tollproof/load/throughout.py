"""The rate-limit promise, judged all through a load of any length.

Reads the files of a run side by side, a few windows of each key at a time: a day's load
needs no more memory than its busiest windows. A violation holds for every placement of
the decisions in their intervals and of the windows in time. Knows files, the promise
and the analysis's arithmetic. Must not know how the load was made.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tollproof.ratelimit.admission import (
    bucket_excess,
    certain_peak,
    unjustified_refusals,
    windows_explain,
)
from tollproof.ratelimit.observation import read_pieces
from tollproof.ratelimit.promise import Algorithm, Policy, RateLimitPromise

SECOND = 1e9
#: Windows that are judged together; the last of them is looked at again with the next.
SPAN = 4
#: Excesses and refusals of which the particulars are kept.
KEPT = 20

_BUCKETS = (Algorithm.TOKEN_BUCKET, Algorithm.LEAKY_BUCKET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A stretch in which a key was admitted more than any reading of the promise has.

    Attributes:
        at: when the fullest window begins, seconds from the epoch.
        admitted: certainly, in that window.
    """

    key: str
    at: float
    admitted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal although the limit cannot have been reached.

    Attributes:
        counted: the most that can have been admitted in the window before.
    """

    key: str
    at: float
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughout:
    """What a load showed of the promise.

    Attributes:
        windows: windows of keys that were looked at.
        fullest: the most that one of them certainly held.
        saturated: whether some key was refused at all.
        excesses, refusals: the first of what breaks the promise, and how many keys'
            stretches (refusals) did in `over` and `under`.
        held: the most observations that were in memory at a time.
    """

    windows: int = 0
    fullest: int = 0
    saturated: bool = False
    over: int = 0
    under: int = 0
    excesses: tuple[Excess, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    held: int = 0


@dataclass(slots=True)
class _Key:
    """The latest observations of one key: (sent, received, kind), by reception.

    The first `old` of the rows were judged with those before them already.
    """

    begin: float
    old: int = 0
    first: bool = True
    rows: list[tuple[float, float, int]] = field(default_factory=list)


_REFUSED, _ADMITTED, _UNKNOWN = range(3)

Row = tuple[int, int, str, int]


def watch(
    files: Iterable[Path],
    promise: RateLimitPromise,
    *,
    epoch: int,
    refusals: Sequence[int] = (429,),
    shifts: Mapping[Path, tuple[int, int]] | None = None,
) -> Throughout:
    """Judge the recorded files of a run.

    Args:
        epoch: the load's zero, monotonic ns.
        refusals: statuses that mean "not admitted".
        shifts: file of another clock -> bounds of what is to be added to its times,
            ns: each interval is as much wider as that is uncertain.

    Raises:
        OSError: a file cannot be read.
        ValueError: one is not a file of observations.
    """
    judge = _Judge(promise)
    shut = frozenset(refusals)
    # Answers are written as they come, so each file is nearly in order of reception.
    for received, sent, key, status in heapq.merge(
        *(_rows(path, (shifts or {}).get(path, (0, 0))) for path in files)
    ):
        kind = (
            _REFUSED
            if status in shut
            else _UNKNOWN
            if status == 0 or status >= 500
            else _ADMITTED
        )
        judge.add(key, (sent - epoch) / SECOND, (received - epoch) / SECOND, kind)
    return judge.result()


def _rows(path: Path, shift: tuple[int, int]) -> Iterator[Row]:
    low, high = shift
    for trace in read_pieces(path):
        labels = trace.labels
        yield from zip(
            [at + high for at in trace.received],
            [at + low for at in trace.sent],
            [labels[number] for number in trace.key],
            trace.status,
            strict=True,
        )


class _Judge:
    def __init__(self, promise: RateLimitPromise) -> None:
        self._promise, self._policy = promise, promise.tightest
        self._keys: dict[str, _Key] = {}
        self._windows = self._fullest = self._over = self._under = 0
        self._held = self._most = 0
        self._saturated = False
        self._excesses: list[Excess] = []
        self._refusals: list[Refusal] = []

    def add(self, name: str, sent: float, received: float, kind: int) -> None:
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = _Key(begin=sent)
        window = self._policy.window
        if received > key.begin + SPAN * window and key.rows:
            self._judge(name, key)
            key.first = False
            begin = max(received - window, key.begin + (SPAN - 1) * window)
            kept = [row for row in key.rows if row[1] >= begin - window]
            self._held -= len(key.rows) - len(kept)
            key.rows, key.begin, key.old = kept, begin - window, len(kept)
        key.rows.append((sent, received, kind))
        self._held += 1
        self._most = max(self._most, self._held)

    def result(self) -> Throughout:
        for name, key in self._keys.items():
            self._judge(name, key)
        return Throughout(
            windows=self._windows,
            fullest=self._fullest,
            saturated=self._saturated,
            over=self._over,
            under=self._under,
            excesses=tuple(self._excesses),
            refusals=tuple(self._refusals),
            held=self._most,
        )

    def _judge(self, name: str, key: _Key) -> None:
        policy = self._policy
        admitted = [row for row in key.rows if row[2] == _ADMITTED]
        sent = sorted(row[0] for row in admitted)
        received = sorted(row[1] for row in admitted)
        self._windows += SPAN
        peak = certain_peak(sent, received, policy.window)
        self._fullest = max(self._fullest, peak.count)
        if explained(sent, received, self._promise, policy) is False:
            self._over += 1
            if len(self._excesses) < KEPT:
                excess = Excess(key=name, at=round(peak.start, 3), admitted=peak.count)
                self._excesses.append(excess)
        self._refused(name, key)

    def _refused(self, name: str, key: _Key) -> None:
        policy, promise = self._policy, self._promise
        refused = [row for row in key.rows if row[2] == _REFUSED]
        self._saturated = self._saturated or bool(refused)
        if promise.algorithm in (None, Algorithm.SLIDING_COUNTER):
            return  # a counter that weighs the former window may refuse earlier
        # What was admitted before the first row is not known.
        since = key.rows[0][0] + policy.window if key.rows else 0.0
        fresh = key.rows[key.old :]
        shut = [row for row in fresh if row[2] == _REFUSED and row[0] >= since]
        counted = [row for row in key.rows if row[2] != _REFUSED]
        limit = policy.limit
        if promise.algorithm in _BUCKETS and policy.burst:
            limit = min(limit, policy.burst)
        wrong = unjustified_refusals(
            sorted(row[0] for row in counted),
            sorted(row[1] for row in counted),
            [row[0] for row in shut],
            [row[1] for row in shut],
            limit=limit - int(limit * promise.tolerance),
            length=policy.window,
        )
        self._under += len(wrong)
        for one in wrong[: max(0, KEPT - len(self._refusals))]:
            found = Refusal(key=name, at=round(one.at, 3), counted=one.counted)
            self._refusals.append(found)


def explained(
    sent: Sequence[float],
    received: Sequence[float],
    promise: RateLimitPromise,
    policy: Policy,
) -> bool:
    """Whether some limiter that keeps the promise admits a stretch like that.

    The stretch may begin anywhere in a window, or with a bucket of any filling.
    """
    cap = int(policy.limit * (1 + promise.tolerance) + 1e-9)
    if certain_peak(sent, received, policy.window).count <= cap:
        return True
    if promise.any_window or promise.algorithm is Algorithm.SLIDING_LOG:
        return False
    if promise.algorithm in (None, *_BUCKETS):
        size = float(policy.burst or policy.limit) * (1 + promise.tolerance)
        rate = policy.limit * (1 + promise.tolerance) / policy.window
        if bucket_excess(sent, received, capacity=size, rate=rate) < 1:
            return True
        if promise.algorithm is not None:
            return False
    return windows_explain(sent, received, limit=cap, length=policy.window)
