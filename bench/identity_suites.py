"""What the suites of identity add to their own requests, sent by a bare program.

Each suite is run by itself, and the four together, as `overhead` does it for the whole
gate. Both are timed from their first request to their last answer: what a program takes
to start, and to write its reports, is the same for one suite and for all, and other
rows have it (`startup`, `overhead`). The ratio is what is *added*, divided by what the
bare program takes; the note says where it goes, and the whole programs' times.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

from bench.figures import Row
from bench.overhead import Round, replayed

SUITES = ("tokens", "oauth", "authorization", "tenancy")
ROUNDS = 3
BAR = 1.5


def measure() -> Iterator[Row]:
    """Yield a row for each suite, and one for the four in one run."""
    for suite in SUITES:
        yield _row(suite, suite)
    yield _row("identity-suites", *SUITES)


def _row(name: str, *suites: str) -> Row:
    arguments = [word for suite in suites for word in ("--suite", suite)]
    rounds = [replayed(*arguments) for _ in range(ROUNDS)]

    def median(of: Callable[[Round], float]) -> float:
        return statistics.median(of(one) for one in rounds)

    return Row(
        name=name,
        ratio=median(lambda one: (_judging(one) - one.sending) / one.sending),
        bar=BAR,
        note=f"{median(_judging):.2f} s, {median(lambda one: one.busy):.2f} of them "
        f"with a request under way / bare {median(lambda one: one.sending):.2f} s, "
        f"{median(lambda one: one.requests):g} requests; whole programs "
        f"{median(lambda one: one.ours):.2f} s "
        f"({median(lambda one: one.before):.2f} before, "
        f"{median(lambda one: one.after):.2f} after) / "
        f"{median(lambda one: one.bare):.2f} s; median of {ROUNDS}",
    )


def _judging(one: Round) -> float:
    """Return the seconds from the first request of a gate to its last answer."""
    return one.ours - one.before - one.after
