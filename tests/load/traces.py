"""Files of observations as load processes write them, made for a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tollproof.ratelimit.observation import ROLES, TraceWriter

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


@dataclass(frozen=True)
class Row:
    """One request; times in seconds of its process's clock."""

    sent: float
    status: int = 200
    took: float = 0.001
    late: float = 0.0
    key: str = "alpha"


def written(
    folder: Path, rows: Iterable[Row], *, share: int = 0, host: str = "here"
) -> Path:
    """Write rows in the order of reception, as they are recorded."""
    path = folder / f"observations-{share}-0.trace"
    writer = TraceWriter(path, host=host)
    for row in sorted(rows, key=lambda one: one.sent + one.took):
        sent, took = round(row.sent * SECOND), round(row.took * SECOND)
        writer.append(
            writer.label(row.key),
            *(writer.label("sustained"), writer.label("GET /"), writer.label("plain")),
            *(writer.label(f"worker {share}"), 0, sent, sent + took, row.status),
            *(writer.header_set((None,) * len(ROLES)), 1, round(row.late * SECOND)),
        )
    writer.close()
    return path
