"""Whatever a target says, and whatever a run holds, every format stays inert.

Each format is read by a parser of somebody else's, as its consumers would.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import html5lib
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree
from markdown_it import MarkdownIt
from sarif_kit import validation_errors

from tests.reporting.sample import sample_run
from tests.reporting.strategies import HOSTILE, LONG, runs
from tests.reporting.test_junit import junit_schema
from tollproof.model import Run, from_json
from tollproof.reporting import FORMATS, har, html, jsonreport, junit, markdown, sarif
from tollproof.reporting.schema import schema
from tollproof.reporting.terminal import render as terminal
from tollproof.reporting.text import visible
from tollproof.resources import bundled

_XHTML = "{http://www.w3.org/1999/xhtml}"
_SVG = "{http://www.w3.org/2000/svg}"

any_run = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("name", FORMATS)
@any_run
@given(run=runs())
def test_every_format_renders_any_run_as_utf8(name: str, run: Run) -> None:
    """Nothing a run holds makes a report fail: no report would hide a failure."""
    text = FORMATS[name].render(run, run)

    assert text.encode("utf-8")
    assert text.endswith("\n")


@any_run
@given(run=runs())
def test_html_holds_no_element_attribute_or_link_of_the_targets(run: Run) -> None:
    _assert_html_inert(html.render(run, previous=run))


@pytest.mark.parametrize("payload", [*HOSTILE, *LONG], ids=range(len(HOSTILE + LONG)))
def test_html_holds_no_payload_put_into_every_string(payload: str) -> None:
    _assert_html_inert(html.render(_poisoned(payload)))


@any_run
@given(run=runs())
def test_junit_is_valid_xml_with_unique_names(run: Run) -> None:
    data = junit.render(run).encode()

    junit_schema().assertValid(etree.fromstring(data))
    names = [
        (case.get("classname"), case.get("name"))
        for case in ET.fromstring(data).iter("testcase")
    ]
    assert len(names) == len(set(names))
    assert not _acting(" ".join(ET.fromstring(data).itertext()))


@any_run
@given(run=runs())
def test_sarif_is_valid_and_only_points_into_the_checkout(run: Run) -> None:
    log = json.loads(sarif.render(run))

    assert validation_errors(log) == []
    for result in log["runs"][0]["results"]:
        place = result["locations"][0]["physicalLocation"]
        uri = urlsplit(place["artifactLocation"]["uri"])
        assert (uri.scheme, uri.netloc) == ("", "")
        assert ".." not in uri.path.split("/")
        assert not uri.path.startswith("/")
        assert place["region"]["startLine"] >= 1
    for rule in log["runs"][0]["tool"]["driver"]["rules"]:
        _assert_markdown_inert(rule["help"]["markdown"], links=True)
    _assert_json_inert(log)


@any_run
@given(run=runs())
def test_markdown_holds_no_markup_of_the_targets(run: Run) -> None:
    _assert_markdown_inert(markdown.render(run, previous=run))


@pytest.mark.parametrize("payload", [*HOSTILE, *LONG], ids=range(len(HOSTILE + LONG)))
def test_markdown_holds_no_payload_put_into_every_string(payload: str) -> None:
    _assert_markdown_inert(markdown.render(_poisoned(payload)))


@any_run
@given(run=runs())
def test_json_is_strict_and_keeps_to_the_schema(run: Run) -> None:
    text = jsonreport.render(run)
    data = json.loads(text, parse_constant=_refuse)

    jsonschema.Draft202012Validator(schema()).validate(data)
    assert text.isascii()
    assert isinstance(from_json(Run, data), Run)


@any_run
@given(run=runs())
def test_har_is_strict_json_with_every_exchange(run: Run) -> None:
    data = json.loads(har.render(run.exchanges), parse_constant=_refuse)

    assert len(data["log"]["entries"]) == len(run.exchanges)


@any_run
@given(run=runs())
def test_terminal_gets_no_control_character_but_ours(run: Run) -> None:
    plain = terminal(run, width=60)
    coloured = terminal(run, width=60, colour=True)

    assert not _acting(plain)
    assert "\x1b" not in plain
    assert "\t" not in plain
    assert re.sub(r"\x1b\[[0-9;]{1,5}m", "", coloured) == plain


def _poisoned(payload: str) -> Run:
    """The sample with the payload in every string that is not a keyword or a date."""

    def poison(value: Any) -> Any:
        if isinstance(value, str):
            return value if value in _WORDS else value + payload
        if isinstance(value, list):
            return [poison(item) for item in value]
        if isinstance(value, dict):
            return {key: poison(item) for key, item in value.items()}
        return value

    run = sample_run()
    data = json.loads(jsonreport.render(run))
    poisoned = from_json(Run, poison(data))
    anchors = {f"x{payload}": item for item in poisoned.about.anchors.values()}
    return replace(poisoned, about=replace(poisoned.about, anchors=anchors))


def _words() -> frozenset[str]:
    enums = [item.get("enum", ()) for item in schema()["$defs"].values()]
    dates = {"2027-01-31"}
    return frozenset({word for words in enums for word in words} | dates)


_WORDS = _words()


def _assert_html_inert(page: str) -> None:
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"))
    root = parser.parse(page)
    assert parser.errors == []
    allowed_tags, allowed_attributes = _ours()
    seen: list[str] = []
    for element in root.iter():
        assert isinstance(element.tag, str), "a comment"
        tag = element.tag.removeprefix(_XHTML).removeprefix(_SVG)
        assert tag in allowed_tags
        for name, value in element.attrib.items():
            assert name in allowed_attributes
            assert not _acting(value)
            if name == "href":
                assert re.match(r"#[a-z0-9]+$|https?://|data:,$", value)
            if name == "id":
                seen.append(value)
        if tag == "script":
            assert element.text == _asset("scripts/report.js")
        elif tag == "style":
            assert element.text == _asset("styles/report.css")
        else:
            assert not _acting(element.text or "")
        assert not _acting(element.tail or "")
    assert len(seen) == len(set(seen)), "an id twice"
    assert page.count("<script") == page.count("<style") == 1


def _ours() -> tuple[set[str], set[str]]:
    """The elements and attributes that the templates write, and a parser adds."""
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (bundled("reports") / "templates").glob("*.j2")
    )
    tags = set(re.findall(r"<([a-zA-Z][a-zA-Z0-9]*)", source))
    attributes = set(re.findall(r'[\s}]([a-zA-Z][\w-]*)="', source))
    bare = {"open", "hidden", "checked", "data-suite", "data-check"}
    return tags, attributes | bare


def _asset(name: str) -> str:
    return (bundled("reports") / name).read_text(encoding="utf-8")


_MARKDOWN = MarkdownIt("gfm-like")
_OURS = {"<code>", "</code>"}
_BLOCKS = {"<details><summary>Not tested, and why</summary>", "</details>"}


def _assert_markdown_inert(text: str, *, links: bool = False) -> None:
    assert len(text.encode()) <= markdown.LIMIT
    assert not _acting(text)
    for token in _MARKDOWN.parse(text):
        assert token.type not in {"fence", "code_block", "hr", "blockquote_open"}
        if token.type == "html_block":
            assert token.content.strip() in _BLOCKS
        if token.type == "heading_open":
            assert token.markup in {"##", "###"}
        for part in token.children or ():
            assert part.type not in {"image", "em_open", "s_open", "code_inline"}
            if part.type == "html_inline":
                assert part.content in _OURS
            if part.type == "link_open":
                assert links
                assert str(part.attrs["href"]).startswith("https://")
    for block in text.split("\n\n"):
        bars = {line.count("|") for line in block.split("\n") if line[:1] == "|"}
        assert len(bars) <= 1, "a row with cells of the target's"


def _assert_json_inert(value: Any) -> None:
    if isinstance(value, str):
        assert not _acting(value)
    for item in value.values() if isinstance(value, dict) else ():
        _assert_json_inert(item)
    for item in value if isinstance(value, list) else ():
        _assert_json_inert(item)


def _acting(text: str) -> str:
    """Return the characters of the text that would act instead of being read."""
    return "".join(sorted({char for char in text if visible(char) != char}))


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")
