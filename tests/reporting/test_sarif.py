"""The SARIF log is what the OASIS schema and GitHub's code scanning accept."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sarif_kit import validation_errors

from tests.reporting.sample import big_run, sample_run
from tests.support import require
from tollproof.model import Anchor, Run
from tollproof.reporting import sarif


def _results(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sarif.render(run))["runs"][0]["results"]
    return found


def test_sample_is_valid_against_the_oasis_schema() -> None:
    assert validation_errors(json.loads(sarif.render(sample_run()))) == []


def test_sample_keeps_githubs_rules(tmp_path: Path) -> None:
    """Microsoft's own validator, with the rules of GitHub Advanced Security."""
    tool = require("sarif-multitool")
    log = tmp_path / "results.sarif"
    log.write_text(sarif.render(sample_run()), encoding="utf-8")
    done = subprocess.run(
        [tool, "validate", log, "--rule-kind", "Sarif;Ghas"],
        capture_output=True,
        text=True,
        env={"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "HOME": str(tmp_path)},
        timeout=120,
        check=False,
    )
    told = [
        line
        for line in done.stdout.splitlines()
        if ": error " in line or ": warning " in line
        # There is no page to point to yet that would stay.
        if "SARIF2005" not in line
    ]
    assert told == []
    assert "Analysis completed successfully" in done.stdout


def test_states_become_levels_kinds_and_suppressions() -> None:
    found = {r["ruleId"]: r for r in _results(sample_run())}

    assert found["authentication.missing"]["level"] == "error"
    assert found["authentication.missing"]["kind"] == "fail"
    assert found["envelope.disclosure"]["level"] == "warning"
    assert found["tokens.unsigned"]["level"] == "note"
    assert "kind" not in found["tokens.unsigned"]
    (suppression,) = found["headers.hsts"]["suppressions"]
    assert suppression["status"] == "accepted"
    assert "TLS ends at the load balancer" in suppression["justification"]
    assert "rotation.overlap" not in found
    assert "tenancy.read" not in found
    assert [r["ruleId"] for r in _results(sample_run()) if "suppressions" in r] == [
        "headers.hsts"
    ]


@pytest.mark.parametrize(
    ("check", "file", "line"),
    [
        ("authentication.missing", "openapi.yaml", 88),  # by its subject
        ("headers.hsts", "profiles/sparkient.toml", 67),  # by the check's id
        ("ratelimit.admitted", "profiles/sparkient.toml", 41),  # by the suite
        ("envelope.disclosure", "profiles/sparkient.toml", 1),  # by nothing
    ],
)
def test_result_is_anchored_where_the_promise_is(
    check: str, file: str, line: int
) -> None:
    (result,) = [r for r in _results(sample_run()) if r["ruleId"] == check]

    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == file
    assert place["region"]["startLine"] == line


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("/abs/olute.toml", "abs/olute.toml"),
        ("../../up.toml", "up.toml"),
        ("./here.toml", "here.toml"),
        ("a b#c.toml", "a%20b%23c.toml"),
        ("https://evil.example/x", "https%3A/evil.example/x"),
        ("win\\dows.toml", "win/dows.toml"),
        ("", "profile.toml"),
    ],
)
def test_every_location_is_a_relative_uri(file: str, uri: str) -> None:
    run = sample_run()
    anchors = {"authentication": Anchor(file=file, line=-3)}
    about = replace(run.about, anchors=anchors)
    place = next(
        r["locations"][0]["physicalLocation"]
        for r in _results(replace(run, about=about))
        if r["ruleId"] == "authentication.revoked-key"
    )
    assert place["artifactLocation"]["uri"] == uri
    assert place["region"]["startLine"] == 1


def test_fingerprints_are_stable_whatever_else_changes() -> None:
    """An alert that changed its fingerprint would be closed and opened again."""
    run = sample_run()
    reworded = replace(
        run,
        about=replace(run.about, run_id="other", anchors={}),
        results=tuple(
            replace(r, seconds=9.0, verdict=replace(r.verdict, summary="Other words."))
            for r in reversed(run.results)
        ),
    )

    def prints(of: Run) -> set[str]:
        return {r["partialFingerprints"]["tollproof/v1"] for r in _results(of)}

    assert prints(run) == prints(reworded)
    assert len(prints(run)) == len(_results(run))


def test_rules_carry_what_github_sorts_by() -> None:
    log = json.loads(sarif.render(sample_run()))
    rules = {r["id"]: r for r in log["runs"][0]["tool"]["driver"]["rules"]}
    rule = rules["authentication.missing"]

    assert rule["properties"]["security-severity"] == "9.5"
    assert "security" in rule["properties"]["tags"]
    assert "external/cwe/cwe-306" in rule["properties"]["tags"]
    assert rule["name"] == "AuthenticationMissing"
    assert len(rule["properties"]["tags"]) <= 10
    for result in _results(sample_run()):
        assert list(rules)[result["ruleIndex"]] == result["ruleId"]


def test_log_of_a_big_run_keeps_the_worst_within_githubs_limit() -> None:
    found = _results(big_run(20_000))

    assert len(found) == 5_000
    assert all(
        "suppressions" not in r and r.get("kind") == "fail" for r in found[:3800]
    )


def test_braces_and_brackets_of_a_target_are_no_placeholders() -> None:
    run = sample_run()
    verdict = replace(run.results[2].verdict, summary="see {0} and [x](1)")
    first = replace(run.results[2], verdict=verdict)
    text = _results(replace(run, results=(first,), planned=()))[0]["message"]["text"]

    assert r"see {{0}} and \[x\](1)" in text
