"""How long `tollproof --help` takes, against what click and rich cost alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bench.figures import Row, interleaved, median_ratio, program, wall

ROUNDS = 9
BAR = 3.0


def measure() -> Iterator[Row]:
    """Yield the one row of start-up."""
    ours, bare = interleaved(
        ROUNDS,
        lambda: wall([program("tollproof"), "--help"]),
        lambda: wall([sys.executable, "-c", "import click, rich"]),
    )
    yield Row(
        name="startup",
        ratio=median_ratio(ours, bare),
        bar=BAR,
        note=f"`tollproof --help` / `import click, rich`; medians of {ROUNDS}",
    )
