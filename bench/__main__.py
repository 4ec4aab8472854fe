"""Prints one row a figure, `name  ratio  bar  ok|short`; exits 1 when one falls short.

python -m bench [NAME …]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

from bench import identity_suites, load, overhead, ratelimit, scaling, secrets, startup
from bench.figures import Row

FIGURES: Mapping[str, Callable[[], Iterator[Row]]] = {
    "startup": startup.measure,
    "overhead": overhead.measure,
    "identity-suites": identity_suites.measure,
    "scaling": scaling.measure,
    "memory": scaling.measure_memory,
    "ratelimit-plan": ratelimit.measure_plan,
    "ratelimit-proof": ratelimit.measure_proof,
    "ratelimit-analysis": ratelimit.measure_analysis,
    "load": load.measure,
    "secrets": secrets.measure,
}


def main(names: list[str]) -> int:
    """Measure the figures named, or all of them."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        print(f"no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
        return 2
    short = False
    for name in names or FIGURES:
        for row in FIGURES[name]():
            print(row.line(), flush=True)
            short |= row.is_short
    return int(short)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
