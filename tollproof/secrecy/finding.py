"""One secret in one place: what it is and where it lies, never the secret itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """A secret that was found.

    Attributes:
        where: file and line, table and column, URL: enough to go there.
        kind: what it is and how it is written: `alpha (base64)`, `AWS Access Key`.
    """

    where: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What came of looking at some places.

    Attributes:
        looked_at: what was read, with its size in bytes.
        skipped: what was not, each with the reason.
    """

    findings: tuple[Finding, ...] = ()
    looked_at: dict[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """How much was read."""
        return sum(self.looked_at.values())


def joined(scans: Iterable[Scan]) -> Scan:
    """Put scans together; a finding that was made twice counts once."""
    found: dict[Finding, None] = {}
    looked_at: dict[str, int] = {}
    skipped: dict[str, None] = {}
    for scan in scans:
        found |= dict.fromkeys(scan.findings)
        looked_at |= scan.looked_at
        skipped |= dict.fromkeys(scan.skipped)
    return Scan(findings=tuple(found), looked_at=looked_at, skipped=tuple(skipped))


def listed(findings: Sequence[Finding], most: int = 4) -> str:
    """Name findings in a sentence: kind and place of the first, the number of all."""
    shown = "; ".join(f"{item.kind} in {item.where}" for item in findings[:most])
    more = len(findings) - most
    return f"{shown}; and {more} more" if more > 0 else shown


def by_kind(findings: Iterable[Finding]) -> dict[str, int]:
    """Count findings by kind, commonest first."""
    return dict(Counter(item.kind for item in findings).most_common(20))
