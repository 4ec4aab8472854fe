"""How a check is declared, and how it states its verdict.

Knows the wording rules of a declaration. Must not know how checks are found, run or
reported: the decorator only fastens a :class:`~tollproof.model.CheckSpec` to a
function that stays an ordinary pytest function.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

from tollproof.errors import CatalogueError
from tollproof.model import (
    CheckSpec,
    Exchange,
    Impact,
    Outcome,
    Reason,
    Reference,
    Severity,
    Tier,
    Verdict,
)

P = ParamSpec("P")

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*")
_SPEC = "__tollproof_check__"


def check(
    *,
    id: str,
    title: str,
    severity: Severity,
    remediation: str,
    references: tuple[Reference, ...],
    needs: tuple[str, ...] = (),
    impact: Impact = Impact.READS,
    tier: Tier = Tier.GATE,
    aliases: tuple[str, ...] = (),
) -> Callable[[Callable[P, Verdict]], Callable[P, Verdict]]:
    """Declare that a pytest function decides one requirement.

    The function's docstring is the rationale. Its first parameter is `target`, so
    that without tollproof's plugin pytest errors instead of passing; a further
    parameter named after a kind of subject (`operation`, `identity`, `exchange` …,
    see :data:`tollproof.plan.SUBJECTS`) runs it once for each.

    Args:
        id: `suite.slug` in lower case, stable for ever.
        title: the secure condition: "Unsigned tokens are refused".
        severity: the harm done when the promise is broken.
        remediation: what the owner of the deployment should change.
        references: the clauses it rests on, at least one.
        needs: dotted names of what the profile must have; where one is missing the
            check is not applicable, and the report says which line to add.
        impact: what it does to the target; the profile must consent.
        tier: the smallest command that runs it.
        aliases: former ids.

    Raises:
        CatalogueError: the declaration breaks a rule; the text says which.
    """

    def declare(function: Callable[P, Verdict]) -> Callable[P, Verdict]:
        spec = CheckSpec(
            id=id,
            title=title,
            severity=severity,
            rationale=inspect.cleandoc(function.__doc__ or ""),
            remediation=remediation,
            references=references,
            needs=needs,
            impact=impact,
            tier=tier,
            aliases=aliases,
        )
        parameters = list(inspect.signature(function).parameters)
        if complaint := _complaint(spec, parameters):
            raise CatalogueError(f"{function.__module__}: check {id!r}: {complaint}")
        setattr(function, _SPEC, spec)
        return function

    return declare


def spec_of(function: Callable[..., Any]) -> CheckSpec | None:
    """Return what :func:`check` declared of a function, or None for any other."""
    spec = getattr(function, _SPEC, None)
    return spec if isinstance(spec, CheckSpec) else None


def _complaint(spec: CheckSpec, parameters: list[str]) -> str:
    if any(not _ID.fullmatch(name) for name in (spec.id, *spec.aliases)):
        return "an id is `suite.slug`, in lower case with dashes"
    if not spec.title or len(spec.title) > 150 or spec.title.endswith("."):
        return "the title is one sentence of at most 150 characters, no full stop"
    if spec.title.split()[0].lower() in {"ensure", "check", "verify", "test"}:
        return "the title states the secure condition, not what is done about it"
    if not spec.rationale:
        return "the docstring is the rationale and is missing"
    if not spec.remediation.endswith("."):
        return "the remediation is missing, or is not a sentence"
    if not spec.references:
        return "a check rests on at least one clause of a standard"
    if parameters[:1] != ["target"]:
        return "the first parameter must be `target`"
    return ""


# -- verdicts ------------------------------------------------------------------------


def passed(
    summary: str, *exchanges: Exchange, measurements: Mapping[str, Any] | None = None
) -> Verdict:
    """The promise was seen to hold; `summary` says how it was seen."""
    return Verdict(
        outcome=Outcome.PASSED,
        summary=summary,
        exchanges=_ids(exchanges),
        measurements=dict(measurements or {}),
    )


def failed(
    summary: str,
    *exchanges: Exchange,
    expected: str,
    actual: str,
    measurements: Mapping[str, Any] | None = None,
) -> Verdict:
    """The promise was seen not to hold: what was promised, what was seen, and where."""
    return Verdict(
        outcome=Outcome.FAILED,
        summary=summary,
        expected=expected,
        actual=actual,
        exchanges=_ids(exchanges),
        measurements=dict(measurements or {}),
    )


def inconclusive(
    reason: Reason,
    summary: str,
    *exchanges: Exchange,
    measurements: Mapping[str, Any] | None = None,
) -> Verdict:
    """Nothing was determined; `summary` says why, and `reason` says it to machines."""
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        summary=summary,
        reason=reason,
        exchanges=_ids(exchanges),
        measurements=dict(measurements or {}),
    )


def not_applicable(summary: str, *exchanges: Exchange) -> Verdict:
    """The profile, or what the target is, says that there is no such thing."""
    return Verdict(
        outcome=Outcome.NOT_APPLICABLE, summary=summary, exchanges=_ids(exchanges)
    )


def _ids(exchanges: tuple[Exchange, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(exchange.id for exchange in exchanges))
