"""A target that was started anew while it was measured: where to cut, what to withhold.

A limiter that keeps its counters in memory loses them with its process. All keys are
open again at once, which looks like more admitted than allowed, a window that is too
short, or a header that did not say so. None of that is a fault of the limiter, and
whoever measures again sees it. So what a whole run contradicts, but neither the part
before nor the part after, is withheld.

What the counters do is no evidence here, for a window that is wrong does the same. The
evidence is the connections: a process that ends takes those that are in use with it,
and refuses new ones until the next one listens. Behind a proxy that keeps them open a
restart shows only by its errors, or not at all.

Knows traces and findings. Must not know how a part is judged.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tollproof.model import Outcome
from tollproof.ratelimit.finding import Finding
from tollproof.ratelimit.guards import Guard
from tollproof.ratelimit.narrowing import only
from tollproof.ratelimit.observation import Trace

SECOND = 1_000_000_000
#: More outages than so many are how the target is, and no mishap.
MOST = 3
#: Nothing is told apart that lies closer together than this part of a window, or this.
NEAR, AT_LEAST = 0.05, SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From the first connection that broke to the last, in monotonic ns."""

    start: int
    end: int


def outages(trace: Trace, window: float) -> tuple[Outage, ...]:
    """Return when connections broke, few times and briefly; else nothing.

    Args:
        window: the shortest promised window, in seconds.
    """
    near = max(AT_LEAST, round(NEAR * window * SECOND))
    breaks = sorted(trace.breaks)
    if not breaks:
        return ()
    ends = [at for at, after in pairwise(breaks) if after - at > near] + breaks[-1:]
    starts = breaks[:1] + [after for at, after in pairwise(breaks) if after - at > near]
    if len(ends) > MOST:
        return ()
    return tuple(
        Outage(start=start, end=end) for start, end in zip(starts, ends, strict=True)
    )


def parts(trace: Trace, found: Sequence[Outage]) -> tuple[Trace, ...]:
    """Cut a trace at each outage; what was under way as one began is left out."""
    edges = [-(1 << 62), *(one.start for one in found), 1 << 62]
    cut = []
    for begin, end in pairwise(edges):
        rows = array("L")
        rows.extend(
            row
            for row, (sent, received) in enumerate(
                zip(trace.sent, trace.received, strict=True)
            )
            if begin <= sent and received < end
        )
        part = only(trace, rows)
        part.breaks = []
        cut.append(part)
    return tuple(cut)


def started_anew(
    trace: Trace,
    found: Sequence[Outage],
    whole: Sequence[Finding],
    pieces: Sequence[Sequence[Finding]],
) -> Guard | None:
    """Return the guard that withholds what only the whole run contradicts.

    Args:
        whole, pieces: the findings of the whole run and of each of its parts.
    """
    held = {one.aspect for piece in pieces for one in piece if _fails(one)}
    only_whole = {one.aspect for one in whole if _fails(one)} - held
    if not only_whole:
        return None
    begin = min(trace.sent)
    moments = " and ".join(f"{(one.start - begin) / SECOND:.1f} s" for one in found)
    return Guard(
        name="started anew",
        why=f"the target ended the connections in use {moments} into the run, as when "
        "it is started anew, and neither what came before nor what came after shows "
        "this: its counters may have been lost. Measure again while it runs through",
        fails=frozenset(only_whole),
    )


def _fails(finding: Finding) -> bool:
    return finding.outcome is Outcome.FAILED
