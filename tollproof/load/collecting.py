"""From the files of a run to one trace, with everything missing marked as such.

Knows the files and the plan. Must not know how the load was made, nor judge it.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from tollproof.load.arrivals import arrivals
from tollproof.load.histogram import Histogram
from tollproof.load.job import LoadJob, Sustained
from tollproof.load.outcome import Ledger, ShareReport, Unsent
from tollproof.load.recorder import file_name
from tollproof.load.share import divide
from tollproof.model import from_json
from tollproof.ratelimit.observation import Trace, read_pieces, read_trace
from tollproof.ratelimit.schedule import Cue, Shot

SECOND = 1_000_000_000
STEP_AFTER_BURST = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOutcome:
    """What a run came to.

    Attributes:
        trace: all observations on one clock; for sustained load they stay in `files`.
            Requests that a lost process may have sent are among them, with status 0.
        epoch: the schedule's zero, monotonic ns of the trace's clock.
        reports: what each process says of itself, stalls included.
        lost: processes that were lost, by the number of their share.
        missing: requests whose outcome is unknown because their process was lost;
            of a schedule each is an observation, of a sustained load they are counted.
        unsent: requests that certainly never reached the target, and why.
        left_out: shots whose cue named no moment.
        lateness: percentiles of the time from due to sent, µs.
        uncertainty: the widest bounds on another machine's clock, ns; the times of its
            observations are widened by as much already.
        shifts: file of another machine's clock -> bounds of what must be added to its
            times, ns; the trace's are moved already.
        complete: everything planned was tried, and all that was seen is here.
        fault: why not, in a sentence, where it can be said.
    """

    trace: Trace
    files: tuple[Path, ...] = ()
    epoch: int = 0
    reports: tuple[ShareReport, ...] = ()
    lost: tuple[int, ...] = ()
    missing: int = 0
    unsent: tuple[Unsent, ...] = ()
    left_out: tuple[int, ...] = ()
    lateness: dict[str, int] = field(default_factory=dict)
    uncertainty: int = 0
    shifts: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    complete: bool = False
    fault: str = ""

    @property
    def sent(self) -> int:
        """Requests that were sent, as far as the processes could say."""
        return sum(report.sent for report in self.reports)

    @property
    def stopped(self) -> bool:
        """Whether all of it did less than planned because it was told to end."""
        return bool(self.reports) and all(one.stopped for one in self.reports)

    @property
    def longest_stall(self) -> int:
        """The longest time in which a process attended to nothing, ns."""
        return max((one.stalls.longest for one in self.reports), default=0)


def read_ledger(folder: Path) -> Ledger | None:
    """Return what the collecting process wrote at its end, if it came to that."""
    try:
        text = (folder / "ledger.json").read_text(encoding="utf-8")
        return from_json(Ledger, json.loads(text))
    except (OSError, ValueError):
        return None


def share_files(folder: Path, share: int) -> Iterator[Path]:
    """Yield the files of one share's observations."""
    part = 0
    while (path := folder / file_name(share, part)).exists():
        yield path
        part += 1


def shifts_of(
    files: Iterable[Path], ledger: Ledger | None
) -> Mapping[Path, tuple[int, int]]:
    """Return the bounds by which the times of each other machine's file are moved."""
    if ledger is None:
        return {}
    offsets = {one.share: one.offset for one in ledger.reports}
    found = {}
    for path in files:
        share = int(path.name.split("-")[1])
        host = next((piece.host for piece in read_pieces(path)), ledger.clock)
        if host != ledger.clock and share in offsets:
            found[path] = offsets[share]
    return found


def collect(job: LoadJob, folder: Path, *, fault: str = "") -> LoadOutcome:
    """Read what a run left in `folder`.

    Args:
        fault: what whoever started the run has to say against it.
    """
    ledger = read_ledger(folder)
    shares = ledger.shares if ledger else 1
    reports = {one.share: one for one in ledger.reports} if ledger else {}
    lost = {int(share): at for share, at in ledger.lost.items()} if ledger else {}
    files: list[Path] = []
    trace = Trace(host=ledger.clock if ledger else "")
    shifts: Mapping[Path, tuple[int, int]] = {}
    uncertainty = missing = 0
    for share in range(shares):
        found = tuple(share_files(folder, share))
        files.extend(found)
        if job.sustained is not None and share in lost and ledger and ledger.epoch:
            missing += _unseen(job.sustained, ledger, share, found)
        if job.schedule is None:
            continue
        report = reports.get(share)
        low, high = report.offset if report else (0, 0)
        seen: Counter[int] = Counter()
        for path in found:
            part = read_trace(path)
            trace.host = trace.host or part.host
            if report is not None and part.host != trace.host:
                _move(part, low, high, trace.host)
                uncertainty = max(uncertainty, high - low)
            seen.update(part.shot)
            trace.merge(part)
        if share in lost and ledger is not None and ledger.epoch:
            shots = divide(job.schedule, shares)[share]
            missing += _mark(trace, shots, seen, ledger.epoch, lost[share], share, job)
    if job.sustained is not None:
        shifts = shifts_of(files, ledger)
        widths = (high - low for low, high in shifts.values())
        uncertainty = max(widths, default=0)
    late = Histogram()
    for lateness in trace.lateness:
        late.add(lateness // 1000)
    faults = [fault, ledger.fault if ledger else "the load process left no account"]
    faults += [one.fault for one in reports.values()]
    said = next((one for one in faults if one), "")
    return LoadOutcome(
        trace=trace,
        files=tuple(files),
        epoch=ledger.epoch if ledger else 0,
        reports=tuple(reports.values()),
        lost=tuple(lost),
        missing=missing,
        unsent=tuple(one for report in reports.values() for one in report.unsent),
        left_out=tuple(one for report in reports.values() for one in report.left_out),
        lateness=dict(late.percentiles()),
        uncertainty=uncertainty,
        shifts=shifts,
        complete=bool(ledger and ledger.complete and not lost and not said),
        fault=said,
    )


def _unseen(
    plan: Sustained, ledger: Ledger, share: int, files: tuple[Path, ...]
) -> int:
    """How many requests a lost process may have sent beside those on record."""
    before = ledger.lost[str(share)] - ledger.epoch
    dues = arrivals(plan.stages, share=share, shares=ledger.shares, seed=plan.seed)
    due = sum(1 for _ in takewhile(lambda at: at < before, dues))
    seen = sum(len(piece) for path in files for piece in read_pieces(path))
    return max(0, due - seen)


def _move(trace: Trace, low: int, high: int, host: str) -> None:
    """Put a trace on another clock: each interval as wide as that is uncertain."""
    middle = (low + high) // 2
    trace.sent = array("q", [at + low for at in trace.sent])
    trace.received = array("q", [at + high for at in trace.received])
    trace.gaps = [(start + low, end + high) for start, end in trace.gaps]
    trace.breaks = [at + low for at in trace.breaks]
    trace.anchors = [(mono + middle, unix) for mono, unix in trace.anchors]
    trace.notes.append(("moved-clock", f"{trace.host} by {low} to {high} ns"))
    trace.host = host


def _mark(
    trace: Trace,
    shots: tuple[Shot, ...],
    seen: Counter[int],
    epoch: int,
    lost_at: int,
    share: int,
    job: LoadJob,
) -> int:
    """Add an unknown outcome for each request a lost process may have sent unseen."""
    worker, operation = trace.label(f"worker {share}"), trace.label(job.operation)
    added = 0
    for shot in shots:
        first = shot.at
        if shot.cue is not Cue.CLOCK:
            first = min(shot.at, shot.earliest + shot.delay)
        step = shot.seconds / shot.count or (STEP_AFTER_BURST if shot.most else 0.0)
        for number in range(seen[shot.number], max(shot.count, shot.most)):
            extra = max(0, number - shot.count + 1)
            offset = number * shot.seconds / shot.count if not extra else 0.0
            offset = shot.seconds + extra * step if extra else offset
            due = epoch + round((first + offset) * SECOND)
            if due >= lost_at:
                break
            trace.append(
                key=trace.label(shot.key),
                phase=trace.label(shot.phase),
                operation=operation,
                variant=trace.label(shot.variant),
                worker=worker,
                shot=shot.number,
                sent=due,
                received=lost_at,
                status=0,
            )
            added += 1
    trace.notes.append(("lost-worker", f"{share}: {added} outcomes unknown"))
    return added
