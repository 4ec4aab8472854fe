"""Every clause of a mapping exists, and its verdict is the worst of its checks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.reporting.sample import CHECKS, sample_run
from tollproof.model import CheckSpec, Reference, Severity
from tollproof.references import API, ASVS, RFC
from tollproof.reporting.compliance import Clause, Scope, views
from tollproof.reporting.summary import State
from tollproof.resources import bundled

_FOLDER = bundled("reports") / "compliance"


def _data(name: str) -> Any:
    return json.loads((_FOLDER / name).read_text(encoding="utf-8"))


def _clause(label: str) -> Clause:
    found = [
        c for view in views(sample_run()) for c in view.clauses if c.label == label
    ]
    assert len(found) == 1
    return found[0]


def test_asvs_mapping_accounts_for_all_345_requirements() -> None:
    sections = _data("asvs-5.0.0.json")["sections"]

    assert sum(part["requirements"] for part in sections) == 345
    for part in sections:
        for clause in part["clauses"]:
            assert ASVS("5.0.0", clause["clause"]).title == part["title"]
            assert clause["level"] in (1, 2, 3)
        listed = len(part["clauses"])
        assert bool(part["rest"]) == (listed < part["requirements"])


def test_owasp_mapping_names_the_ten_risks() -> None:
    (part,) = _data("owasp-api-2023.json")["sections"]

    for number, clause in enumerate(part["clauses"], 1):
        reference = API(number, 2023)
        assert (clause["title"], clause["url"]) == (reference.title, reference.url)
    assert len(part["clauses"]) == 10


def test_rfc_mapping_names_real_sections() -> None:
    for part in _data("rfc.json")["sections"]:
        number = int(part["section"].removeprefix("RFC "))
        for clause in part["clauses"]:
            assert RFC(number, clause["clause"]).url == clause["url"]


@pytest.mark.parametrize("name", [path.name for path in _FOLDER.glob("*.json")])
def test_what_does_not_show_in_full_says_why(name: str) -> None:
    for part in _data(name)["sections"]:
        for clause in part["clauses"]:
            assert clause["note"] or Scope(clause["scope"]) is Scope.TESTED


def test_clause_takes_the_worst_of_its_checks() -> None:
    assert _clause("API2:2023").state is State.FAILED
    assert _clause("API3:2023").state is State.INCONCLUSIVE
    assert _clause("ASVS 5.0.0 §3.4.1").state is State.WAIVED
    assert _clause("ASVS 5.0.0 §13.3.4").state is State.PASSED
    assert _clause("RFC 6750 §3").state is State.PASSED


def test_not_applicable_alone_is_not_passed() -> None:
    assert _clause("API1:2023").state is State.NOT_APPLICABLE


def test_clause_that_nobody_cites_has_no_verdict() -> None:
    clause = _clause("API6:2023")

    assert clause.state is None
    assert clause.scope is Scope.OUTSIDE
    assert clause.note


def test_clause_that_the_mapping_does_not_list_is_shown_all_the_same() -> None:
    run = sample_run()
    cited = replace(CHECKS[0], references=(ASVS("5.0.0", "6.2.1"), RFC(7617, "2")))
    labels = [
        clause.label
        for view in views(replace(run, checks=(cited, *CHECKS[1:])))
        for clause in view.cited
    ]
    assert "ASVS 5.0.0 §6.2.1" in labels
    assert "RFC 7617 §2" in labels


def test_clauses_are_in_the_order_of_their_numbers() -> None:
    labels = [clause.label for clause in views(sample_run())[0].clauses]

    assert labels == [f"API{rank}:2023" for rank in range(1, 11)]


def test_untestable_clauses_are_counted() -> None:
    owasp, asvs, *_ = views(sample_run())

    assert (owasp.testable, owasp.untestable) == (8, 2)
    assert asvs.testable + asvs.untestable == 345


def test_hostile_clause_number_does_no_harm() -> None:
    run = sample_run()
    strange = Reference(standard="CWE", clause="9" * 6000, title="", url="javascript:x")
    spec = CheckSpec(
        id=CHECKS[0].id, title="t", severity=Severity.LOW, references=(strange,)
    )

    assert views(replace(run, checks=(spec,)))[-1].key == "CWE"
