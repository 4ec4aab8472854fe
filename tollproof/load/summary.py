"""What a sustained load measured: throughput and latency, from our own records.

Latency counts from when a request was due, so the wait that a slow target causes is in
it; service time counts from when it was sent. Reads files piece by piece: a day's load
needs no more memory than a minute's. Must not know how the load was made.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tollproof.load.histogram import Histogram
from tollproof.ratelimit.observation import read_pieces

SECOND = 1_000_000_000

#: Names a threshold may have beside percentiles of latency.
SHARES = ("errors", "refused", "unsent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One second of a load.

    Attributes:
        second: from the epoch on.
        due: requests that were due in it and were sent, then or later.
        statuses: answers received in it, by status; "0" for given up.
    """

    second: int
    due: int
    statuses: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A sustained load in figures; durations in µs.

    Attributes:
        planned: requests the stages asked for; `sent` of them left.
        seconds: from the first due time to the last answer.
        statuses: answers by status; "0" counts unknown outcomes.
        latency: percentiles from due to answered, by status, and of `all` and `ok`
            (below 400).
        service: percentiles from sent to answered, likewise.
        lateness: percentiles from due to sent.
    """

    planned: int
    sent: int
    seconds: float
    statuses: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    service: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    lateness: Mapping[str, int] = field(default_factory=dict)
    timeline: tuple[Moment, ...] = ()

    @property
    def per_second(self) -> float:
        """Answers in a second, on average."""
        known = sum(number for name, number in self.statuses.items() if name != "0")
        return known / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A bound on a figure of a load.

    Attributes:
        figure: `p50`, `p99`, … of the latency of answers below 400, in ms; `errors`
            (5xx and no answer), `refused` or `unsent`, as a share of the planned; or
            `per_second`.
        most, least: the bounds; None for none.
    """

    figure: str
    most: float | None = None
    least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A threshold that was not met; None when there is no such figure."""

    threshold: Threshold
    actual: float | None


def summarise(
    files: Iterable[Path],
    *,
    planned: int,
    epoch: int,
    shifts: Mapping[Path, tuple[int, int]] | None = None,
) -> Summary:
    """Read the files of a run and sum them up.

    Args:
        shifts: file of another clock -> bounds of what is to be added to its times, ns.

    Raises:
        OSError: a file cannot be read.
        ValueError: one is not a file of observations.
    """
    latency: defaultdict[str, Histogram] = defaultdict(Histogram)
    service: defaultdict[str, Histogram] = defaultdict(Histogram)
    lateness = Histogram()
    statuses: Counter[str] = Counter()
    due_in: Counter[int] = Counter()
    answers_in: defaultdict[int, Counter[str]] = defaultdict(Counter)
    first, last, sent_in_all = 1 << 62, -(1 << 62), 0
    for path in files:
        low, high = (shifts or {}).get(path, (0, 0))
        # A duration is of one clock; a moment is as good as the middle of its bounds.
        zero = epoch - (low + high) // 2
        for trace in read_pieces(path):
            for sent, received, late, status in zip(
                trace.sent, trace.received, trace.lateness, trace.status, strict=True
            ):
                name, due = str(status), sent - late
                statuses[name] += 1
                due_in[(due - zero) // SECOND] += 1
                answers_in[(received - zero) // SECOND][name] += 1
                latency[name].add((received - due) // 1000)
                service[name].add((received - sent) // 1000)
                lateness.add(late // 1000)
                first, last = min(first, due - zero), max(last, received - zero)
            sent_in_all += len(trace)
    return Summary(
        planned=planned,
        sent=sent_in_all,
        seconds=max(0, last - first) / SECOND,
        statuses=dict(statuses),
        latency=_by_kind(latency),
        service=_by_kind(service),
        lateness=lateness.percentiles(),
        timeline=tuple(
            Moment(second=second, due=due_in[second], statuses=dict(answers_in[second]))
            for second in sorted(due_in.keys() | answers_in.keys())
        ),
    )


def breaches(
    summary: Summary,
    thresholds: Sequence[Threshold],
    *,
    refusals: Sequence[int] = (429,),
) -> tuple[Breach, ...]:
    """Return the thresholds that a load did not meet."""
    found = []
    for threshold in thresholds:
        actual = _figure(summary, threshold.figure, refusals)
        met = actual is not None and (
            (threshold.most is None or actual <= threshold.most)
            and (threshold.least is None or actual >= threshold.least)
        )
        if not met:
            found.append(Breach(threshold=threshold, actual=actual))
    return tuple(found)


def beyond_repair(
    summary: Summary,
    thresholds: Sequence[Threshold],
    *,
    refusals: Sequence[int] = (429,),
) -> tuple[Breach, ...]:
    """Return the thresholds that a load cut short had missed, whatever had followed.

    Were every request that is not on record answered, well and at once, they would be
    missed all the same. Throughput never is: nobody knows what had followed. Requests
    without an answer are not counted, since the end may have been what they lack.
    """
    known = {name: number for name, number in summary.statuses.items() if name != "0"}
    seen = replace(summary, statuses=known)
    missed = []
    for breach in breaches(seen, thresholds, refusals=refusals):
        threshold = breach.threshold
        if threshold.figure in ("errors", "refused"):
            missed.append(breach)  # as a share of all that were planned
        elif threshold.figure.startswith("p") and threshold.figure[1:].isdecimal():
            over = _at_least_over(seen, (threshold.most or 0.0) * 1000)
            allowed = seen.planned * (1 - float(threshold.figure[1:]) / 100)
            if threshold.most is not None and over > allowed:
                missed.append(breach)
    return tuple(missed)


def _at_least_over(summary: Summary, micro: float) -> float:
    """How many good answers took longer, as far as the percentiles tell."""
    good = sum(
        number for status, number in summary.statuses.items() if "0" < status < "400"
    )
    over = [
        100 - float(name[1:])
        for name, value in summary.latency.get("ok", {}).items()
        if value > micro
    ]
    return good * max(over, default=0.0) / 100


def _figure(summary: Summary, name: str, refusals: Sequence[int]) -> float | None:
    if name == "per_second":
        return summary.per_second
    if name in SHARES:
        if not summary.planned:
            return None
        refused = {str(status) for status in refusals}
        count = {
            "unsent": max(0, summary.planned - summary.sent),
            "refused": sum(summary.statuses.get(one, 0) for one in refused),
            "errors": sum(
                number
                for status, number in summary.statuses.items()
                if (status == "0" or status >= "500") and status not in refused
            ),
        }[name]
        return count / summary.planned
    micro = summary.latency.get("ok", {}).get(name)
    return None if micro is None else micro / 1000


def _by_kind(histograms: Mapping[str, Histogram]) -> Mapping[str, Mapping[str, int]]:
    everything, fine = Histogram(), Histogram()
    for status, histogram in histograms.items():
        everything.merge(histogram)
        if "0" < status < "400":
            fine.merge(histogram)
    named = {**histograms, "all": everything, "ok": fine}
    return {name: one.percentiles() for name, one in named.items() if one.number}
