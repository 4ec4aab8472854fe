"""The Markdown tells the decision first and fits into a step summary."""

from __future__ import annotations

from dataclasses import replace

from markdown_it import MarkdownIt

from tests.reporting.sample import big_run, former_run, sample_run
from tollproof.model import Outcome
from tollproof.reporting import markdown

_HTML = MarkdownIt("gfm-like")


def test_decision_comes_first() -> None:
    shown = _HTML.render(markdown.render(sample_run()))

    assert shown.startswith(
        "<h2>:no_entry: Do not release: 5 promises are broken.</h2>"
    )
    assert "5 results failed: 2 critical, 1 high, 2 medium." in shown


def test_failure_names_subject_expected_actual_remedy_and_clauses() -> None:
    shown = _HTML.render(markdown.render(sample_run()))

    assert "<code>GET /api/v1/projects</code>: It answered 200" in shown
    assert "expected: <code>401 Unauthorized</code>" in shown
    assert "Remedy: Refuse by default" in shown
    assert "See CWE-306, API2:2023, ASVS 5.0.0 §8.2.1, RFC 9110 §15.5.2" in shown


def test_waiver_comparison_and_left_out_are_told() -> None:
    shown = _HTML.render(markdown.render(sample_run(), previous=former_run()))

    assert "<td>2027-01-31</td>" in shown
    assert ": 1 new, 1 fixed, 5 still failing." in shown
    assert "The profile has no identity with client credentials." in shown


def test_too_much_is_cut_between_blocks_and_said() -> None:
    run = big_run(3_000)
    unsure = tuple(
        replace(r, verdict=replace(r.verdict, outcome=Outcome.INCONCLUSIVE))
        for r in run.results
    )
    text = markdown.render(replace(run, results=unsure), limit=20_000)

    assert len(text.encode()) <= 20_000
    assert "did not fit in here" in text
    assert text.count("<code>") == text.count("</code>")


def test_whole_big_run_fits_into_a_step() -> None:
    assert len(markdown.render(big_run(20_000)).encode()) <= 1024 * 1024
