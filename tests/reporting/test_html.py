"""The page is complete without scripts, bounded, and admits no code but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import html5lib
import pytest

from tests.reporting.sample import big_run, former_run, sample_run
from tollproof.model import Reference, Run
from tollproof.reporting import html

_NS = "{http://www.w3.org/1999/xhtml}"


def _page(run: Run, previous: Run | None = None) -> ET.Element:
    root: ET.Element = html5lib.parse(html.render(run, previous=previous))
    return root


def _text(element: ET.Element | None) -> str:
    assert element is not None
    return " ".join(" ".join(element.itertext()).split())


def _by_id(root: ET.Element, name: str) -> ET.Element | None:
    return next((item for item in root.iter() if item.get("id") == name), None)


def test_verdict_comes_first_and_is_a_sentence() -> None:
    root = _page(sample_run())

    (headline,) = root.iter(f"{_NS}h1")
    assert _text(headline) == "Do not release: 5 promises are broken."
    main = next(root.iter(f"{_NS}main"))
    assert main[0].get("id") == "verdict"
    assert "2 critical, 1 high, 2 medium" in _text(main[0])


def test_policy_admits_our_style_and_script_by_hash_and_nothing_else() -> None:
    page = html.render(sample_run())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[directive] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    # A policy binds only what comes after it.
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_nothing_is_loaded_from_anywhere() -> None:
    root = _page(sample_run())

    for element in root.iter():
        assert "src" not in element.attrib
        assert "style" not in element.attrib
        if str(element.tag).endswith("}link"):
            assert element.get("href") == "data:,"


def test_failure_shows_expected_actual_remedy_and_how_to_send_it_again() -> None:
    case = _text(_by_id(_page(sample_run()), "f2"))

    assert "Expected 401 Unauthorized, within 1 s of the revocation" in case
    assert "Actual 200 OK, 4.1 s after the revocation" in case
    assert "Remedy. Look the key's state up on every request" in case
    assert "CWE-613" in case
    assert "Authorization: Bearer [redacted:alpha-revoked]" in case
    assert "'Authorization: Bearer '\"$ALPHA_REVOKED_KEY\"" in case


def test_drawings_have_a_name_a_description_and_a_table() -> None:
    root = _page(sample_run())
    figures = [f for f in root.iter(f"{_NS}figure") if f.get("class") == "chart"]

    assert len(figures) == 2
    for figure in figures:
        svg = next(item for item in figure.iter() if item.get("role") == "img")
        for name in svg.get("aria-labelledby", "").split():
            assert _text(_by_id(root, name))
        assert len(list(figure.iter(f"{_NS}tr"))) > 20


def test_every_result_is_on_the_page_once() -> None:
    run = sample_run()
    anchors = [
        item.get("id", "")
        for item in _page(run).iter()
        if re.fullmatch(r"r\d+", item.get("id", ""))
    ]
    assert sorted(anchors) == sorted(f"r{n}" for n in range(1, len(run.results) + 1))


def test_every_link_within_the_page_leads_somewhere() -> None:
    root = _page(big_run(200), former_run())
    ids = {item.get("id") for item in root.iter()}
    targets = {
        link.get("href", "")[1:]
        for link in root.iter(f"{_NS}a")
        if link.get("href", "").startswith("#")
    }
    assert targets
    assert targets <= ids


def test_waiver_left_out_and_not_applicable_are_told() -> None:
    root = _page(sample_run())

    assert "Waived until 2027-01-31 by jane@example.com" in _text(
        _by_id(root, "waived")
    )
    untested = _text(_by_id(root, "untested"))
    assert "The profile has no identity with client credentials." in untested
    assert "The profile names one organisation only." in untested


def test_comparison_is_there_when_there_is_a_former_run() -> None:
    assert _by_id(_page(sample_run()), "change") is None
    change = _text(_by_id(_page(sample_run(), former_run()), "change"))
    assert "New failures 1" in change
    assert "Fixed 1" in change
    assert "Still failing 5" in change


@pytest.mark.parametrize("url", ["javascript:x", "data:text/html,x", "//e.example", ""])
def test_reference_that_is_no_web_address_is_no_link(url: str) -> None:
    run = sample_run()
    spec = replace(
        run.checks[0],
        references=(Reference(standard="Own", clause="1", title="t", url=url),),
    )
    root = _page(replace(run, checks=(spec, *run.checks[1:])))

    assert "Own §1" in _text(_by_id(root, "f1"))
    assert "Own §1" not in [_text(link) for link in root.iter(f"{_NS}a")]


def test_backticks_become_code_and_stay_escaped() -> None:
    run = sample_run()
    spec = replace(run.checks[0], rationale="so `<b>` is", remediation="a ` alone")
    page = html.render(replace(run, checks=(spec, *run.checks[1:])))

    assert "so <code>&lt;b&gt;</code> is" in page
    assert "a ` alone" in page


def test_interrupted_run_without_an_end_renders() -> None:
    run = sample_run()
    about = replace(run.about, interrupted=True, ended="", started="yesterday")
    text = _text(_page(replace(run, about=about, results=run.results[:2])))

    assert "The run was interrupted" in text
    assert "interrupted not recorded" in text


def test_big_run_is_bounded_and_keeps_its_failures() -> None:
    page = html.render(big_run(5_000))

    assert len(page) < 10_000_000
    root = html5lib.parse(page)
    rows = [i for i in root.iter(f"{_NS}li") if i.get("class") == "row"]
    assert len(rows) == 5_000


def test_results_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_ROWS", 20)
    root = _page(sample_run(), former_run())
    results = _text(_by_id(root, "results"))

    assert (
        "6 results of them, the least weighty, are in the JSON record only." in results
    )
    failed = [i for i in root.iter() if re.fullmatch(r"f\d+", i.get("id", ""))]
    assert len(failed) == 5
