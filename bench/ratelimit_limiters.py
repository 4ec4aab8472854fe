"""Measures released rate limiters and writes docs/reference/real-limiters.md.

    python -m bench.ratelimit_limiters             # all of them, then the page
    python -m bench.ratelimit_limiters --only flask   # some, printed

Each is judged by `tollproof audit --suite ratelimit` under the promise of its settings;
the checks know nothing of any limiter. Exits 1 when a verdict is not what is known of
the limiter, or when nothing was determined about something.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.limiters.deployments import LIMIT, WINDOW, Limiter
from tests.real.limiters.known import LIMITERS
from tests.real.limiters.measuring import measured
from tests.real.stacks import Judged
from tollproof.model import Outcome, Reason, Result

PAGE = Path(__file__).resolve().parent.parent / "docs/reference/real-limiters.md"
HEAD = f"""\
# Real rate limiters, measured

Each limiter is a release, set up as its documentation shows, {LIMIT} requests per
{WINDOW} s and key; its profile promises what its settings say. `tollproof audit
--suite ratelimit` judges it; the checks know nothing of any limiter.
Written by `make study-limiters`; `make test` judges all of them too.
*Wrong* is a verdict that is not what is known of the limiter by other means.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What came of one limiter."""

    limiter: Limiter
    judged: Judged

    @property
    def wrong(self) -> list[str]:
        """The checks whose verdict is not what is known."""
        return sorted(self.limiter.misjudged(self.judged.failed.keys()))

    @property
    def open(self) -> list[str]:
        """The checks that did not decide and have no failure to blame for it."""
        return sorted(
            item.check
            for item in self.judged.run.results
            if item.verdict.outcome is Outcome.INCONCLUSIVE
            and item.verdict.reason is not Reason.PRECONDITION
        )

    def result(self, check: str) -> Result:
        """Return the result of a check."""
        return next(one for one in self.judged.run.results if one.check == check)

    def seen(self, check: str) -> str:
        """Return a verdict's sentence as a cell of a table."""
        verdict = self.result(check).verdict
        text = f"{verdict.summary} {verdict.actual}".strip()
        return text.replace("|", "\\|").replace("\n", " ")

    def row(self) -> str:
        """Return the line of the table."""
        counts = {
            outcome: len(self.judged.with_outcome(outcome))
            for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE)
        }
        cells = (
            self.limiter.name,
            self.limiter.said,
            self.seen("ratelimit.algorithm"),
            self.seen("ratelimit.over-admission"),
            " / ".join(map(str, counts.values())),
            ", ".join(f"`{one}`" for one in sorted(self.judged.failed)) or "–",
        )
        return f"| {' | '.join(cells)} |"


def page(lines: list[Line]) -> str:
    """Return the page of docs/."""
    wrong = sum(len(line.wrong) for line in lines)
    undecided = sum(len(line.open) for line in lines)
    text = HEAD + (
        f"{len(lines)} limiters, {sum(len(x.judged.run.results) for x in lines)} "
        f"verdicts: {wrong} wrong, {undecided} inconclusive without a cause of their "
        "own.\n\n"
        "| limiter | promises | algorithm inferred | measured "
        "| passed / failed / inconclusive | fails |\n|---|---|---|---|---|---|\n"
    )
    text += "".join(f"{line.row()}\n" for line in lines)
    text += "\n## What fails, and why\n\n"
    for line in lines:
        for check in sorted(line.judged.failed):
            text += f"- {line.limiter.name}, `{check}`: {line.seen(check)}\n"
    rest = [(line, check) for line in lines for check in line.open]
    if rest:
        text += "\n## What stayed open\n\n"
    for line, check in rest:
        text += f"- {line.limiter.name}, `{check}`: {line.seen(check)}\n"
    return text


def main() -> int:
    """Measure, print a line each, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="with this in the name")
    asked = parser.parse_args()
    lines = []
    for limiter in LIMITERS:
        if asked.only.lower() not in limiter.name.lower():
            continue
        with tempfile.TemporaryDirectory(prefix="study-") as folder:
            try:
                judged = measured(limiter, Path(folder))
            except (pytest.skip.Exception, pytest.fail.Exception) as error:
                sys.exit(f"{limiter.name} cannot be measured: {error}")
        line = Line(limiter=limiter, judged=judged)
        lines.append(line)
        print(line.row())
        for kind, checks in (("wrong", line.wrong), ("open", line.open)):
            for check in checks:
                print(f"  {kind} {check}: {line.seen(check)}", flush=True)
    if not asked.only:
        PAGE.write_text(page(lines), encoding="utf-8")
    return int(any(line.wrong or line.open for line in lines))


if __name__ == "__main__":
    sys.exit(main())
