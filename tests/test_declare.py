"""A declaration that breaks a rule is refused when it is made."""

from typing import Any

import pytest

from tollproof.declare import (
    check,
    failed,
    inconclusive,
    not_applicable,
    passed,
    spec_of,
)
from tollproof.errors import CatalogueError
from tollproof.model import Exchange, Outcome, Reason, Request, Severity, Verdict
from tollproof.references import CWE

GOOD: dict[str, Any] = {
    "id": "suite.slug",
    "title": "Unsigned tokens are refused",
    "severity": Severity.HIGH,
    "remediation": "Verify the signature.",
    "references": (CWE(347),),
}


def declare(doc: str = "Why it matters.", **changes: Any) -> Any:
    def test_it(target: object) -> Verdict:
        return passed("yes")

    test_it.__doc__ = doc
    return check(**{**GOOD, **changes})(test_it)


def test_a_declaration_is_fastened_to_the_function() -> None:
    spec = spec_of(declare(aliases=("suite.former",)))

    assert spec is not None
    assert (spec.id, spec.suite, spec.rationale) == (
        "suite.slug",
        "suite",
        "Why it matters.",
    )
    assert spec_of(lambda: None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "noslug"},
        {"id": "Suite.slug"},
        {"id": "suite.a.b"},
        {"id": "suite.a_b"},
        {"aliases": ("Bad",)},
        {"title": ""},
        {"title": "Ensure tokens are signed"},
        {"title": "Check that tokens are signed"},
        {"title": "Unsigned tokens are refused."},
        {"title": "x" * 151},
        {"doc": ""},
        {"remediation": ""},
        {"remediation": "no full stop"},
        {"references": ()},
    ],
)
def test_what_breaks_a_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CatalogueError, match="check "):
        declare(**changes)


def test_the_first_parameter_must_be_target() -> None:
    """Without the plugin there is no such fixture: pytest then errors, never passes."""

    def test_it(operation: object) -> Verdict:
        """Why."""
        return passed("yes")

    with pytest.raises(CatalogueError, match="first parameter"):
        check(**GOOD)(test_it)


def exchange(id: str) -> Exchange:
    return Exchange(
        id=id, at="", seconds=0.0, request=Request(method="GET", url="http://x")
    )


def test_verdicts_carry_their_evidence_once() -> None:
    one, two = exchange("a-1"), exchange("a-2")

    assert passed("yes", one, two, one).exchanges == ("a-1", "a-2")
    verdict = failed("no", one, expected="401", actual="200")
    assert (verdict.outcome, verdict.expected, verdict.actual) == (
        Outcome.FAILED,
        "401",
        "200",
    )
    undecided = inconclusive(Reason.NOISE, "too noisy")
    assert (undecided.outcome, undecided.reason) == (
        Outcome.INCONCLUSIVE,
        Reason.NOISE,
    )
    assert not_applicable("none").outcome is Outcome.NOT_APPLICABLE
