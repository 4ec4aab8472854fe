"""What a load job came to, beside the observations themselves.

Knows the counts that the processes report. Must not know what the promise was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollproof.load.sentinel import Stalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """Requests of a shot that certainly never reached the target, and why."""

    shot: int
    why: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareReport:
    """What one process did.

    Attributes:
        sent: requests given to the kernel; `observed` of them are on record.
        statuses: observations by status, "0" for an unknown outcome.
        failures: why an answer was missing or cut short.
        left_out: shots whose cue named no moment.
        refused: requests the allowance did not cover.
        seconds: from the first instant to the last answer; `cpu` of one core.
        connections: how many were begun.
        clock: name of its monotonic clock.
        offset: bounds of what must be added to its clock to have the collector's, ns.
        fault: why it did not finish, as it saw it; empty when it did.
        stopped: whether that is because it was told to.
    """

    share: int
    sent: int = 0
    observed: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    unsent: tuple[Unsent, ...] = ()
    left_out: tuple[int, ...] = ()
    refused: int = 0
    stalls: Stalls = field(default_factory=lambda: Stalls(threshold=0))
    seconds: float = 0.0
    cpu: float = 0.0
    connections: int = 0
    clock: str = ""
    offset: tuple[int, int] = (0, 0)
    fault: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What the collecting process knows at the end; it lies beside the observations.

    Attributes:
        epoch: the schedule's zero on the collector's clock, monotonic ns; 0 when
            nothing was started.
        clock: name of the collector's clock.
        shares: how many the job was divided into.
        reports: of those that finished, and of those that said why they did not.
        lost: share -> when it was found to be gone, monotonic ns.
        fault: why nothing was sent at all; empty when something was.
        complete: whether the process came to its regular end.
    """

    epoch: int = 0
    clock: str = ""
    shares: int = 1
    reports: tuple[ShareReport, ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)
    fault: str = ""
    complete: bool = False
