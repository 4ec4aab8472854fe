"""What the analysis concludes about one aspect of a rate limit.

Knows the four outcomes. Must not know checks, suites or reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tollproof.model import Outcome


class Aspect(StrEnum):
    """What is judged, one finding each."""

    OVER_ADMISSION = "over_admission"
    UNDER_ADMISSION = "under_admission"
    PACED = "paced"
    EDGE = "edge"
    ALGORITHM = "algorithm"
    WINDOW = "window"
    RECOVERY = "recovery"
    RACES = "races"
    WORKERS = "workers"
    STAYS_CLOSED = "stays_closed"
    ISOLATION = "isolation"
    SHARING = "sharing"
    SCOPE = "scope"
    EVASION = "evasion"
    COUNTING = "counting"
    ERRORS = "errors"
    STRANGERS = "strangers"
    STATUS = "status"
    LIMIT = "limit_header"
    REMAINING = "remaining_header"
    RESET = "reset_header"
    RETRY_AFTER = "retry_after_header"
    IETF = "ietf_fields"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One judgement.

    Attributes:
        sentence: why, with what was still established when it is inconclusive.
        expected, actual: for a failure, what was promised and what was seen.
        figures: named numbers behind it, plain JSON.
    """

    aspect: Aspect
    outcome: Outcome
    sentence: str
    expected: str = ""
    actual: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


def passed(aspect: Aspect, sentence: str, **figures: object) -> Finding:
    """The promise was seen to hold."""
    return Finding(
        aspect=aspect, outcome=Outcome.PASSED, sentence=sentence, figures=figures
    )


def failed(
    aspect: Aspect, sentence: str, *, expected: str, actual: str, **figures: object
) -> Finding:
    """The promise was seen not to hold."""
    return Finding(
        aspect=aspect,
        outcome=Outcome.FAILED,
        sentence=sentence,
        expected=expected,
        actual=actual,
        figures=figures,
    )


def inconclusive(aspect: Aspect, sentence: str, **figures: object) -> Finding:
    """Nothing was determined."""
    return Finding(
        aspect=aspect, outcome=Outcome.INCONCLUSIVE, sentence=sentence, figures=figures
    )


def not_applicable(aspect: Aspect, sentence: str, **figures: object) -> Finding:
    """Nothing of the kind is promised."""
    return Finding(
        aspect=aspect,
        outcome=Outcome.NOT_APPLICABLE,
        sentence=sentence,
        figures=figures,
    )


def withheld(finding: Finding, why: str) -> Finding:
    """Turn a judgement into an inconclusive one, keeping what it had established."""
    return replace(
        finding,
        outcome=Outcome.INCONCLUSIVE,
        sentence=f"{why}. What was still seen: {finding.sentence}",
    )
