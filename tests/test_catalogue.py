"""The catalogue in its three forms: every check of every suite once, with its facts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tollproof.catalogue import (
    as_json,
    as_markdown,
    as_text,
    explain,
    find_check,
    load_catalogue,
)
from tollproof.errors import CatalogueError
from tollproof.model import CheckSpec
from tollproof.running import suite_folders, suite_names

CHECK = '''
from tollproof import CWE, Severity, Target, Verdict, check, passed

@check(id="acme.{slug}", title="It holds", severity=Severity.LOW,
       references=(CWE(287),), remediation="Repair it.", aliases=("acme.former",))
def test_{slug}(target: Target) -> Verdict:
    """It should."""
    return passed("It holds.")
'''


@pytest.fixture(scope="module")
def specs() -> tuple[CheckSpec, ...]:
    return load_catalogue(suite_folders())


def test_every_suite_is_in_it(specs: tuple[CheckSpec, ...]) -> None:
    assert {spec.suite for spec in specs} == suite_names()
    assert len({spec.id for spec in specs}) == len(specs)


def test_text_has_a_line_a_check(specs: tuple[CheckSpec, ...]) -> None:
    lines = as_text(specs).splitlines()

    assert [line.split()[0] for line in lines] == [spec.id for spec in specs]
    assert all(
        line.endswith(spec.title) for line, spec in zip(lines, specs, strict=True)
    )


def test_json_has_every_fact(specs: tuple[CheckSpec, ...]) -> None:
    found = json.loads(as_json(specs))

    assert [item["id"] for item in found] == [spec.id for spec in specs]
    for item, spec in zip(found, specs, strict=True):
        assert item["tier"] == spec.tier
        assert item["severity"] == spec.severity
        labels = [reference["label"] for reference in item["references"]]
        assert labels == [reference.label for reference in spec.references]
        assert all(entry["url"].startswith("https://") for entry in item["references"])


def test_markdown_links_every_check_to_its_section(
    specs: tuple[CheckSpec, ...],
) -> None:
    page = as_markdown(specs)
    headings = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w-]", "", heading) for heading in headings}

    assert headings == [spec.id for spec in specs]
    assert set(re.findall(r"^\| \[`.*?`\]\(#(.*?)\)", page, re.MULTILINE)) == anchors


def test_a_check_is_found_by_its_former_name_too(tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(CHECK.format(slug="one"))
    specs = load_catalogue((tmp_path,))

    found = find_check(specs, "acme.former")
    assert found is not None
    assert found.id == "acme.one"
    assert find_check(specs, "acme.other") is None
    said = explain(found)
    assert "Formerly: acme.former" in said
    assert "CWE-287" in said
    assert "Remedy: Repair it." in said


def test_two_checks_of_one_name_are_named_with_their_files(tmp_path: Path) -> None:
    for slug in ("one", "two"):
        (tmp_path / f"test_{slug}.py").write_text(CHECK.format(slug=slug))

    with pytest.raises(CatalogueError, match=r"acme\.former.*test_one.*test_two"):
        load_catalogue((tmp_path,))


def test_a_file_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text("import nothing_of_that_name\n")

    with pytest.raises(CatalogueError, match=r"test_broken\.py"):
        load_catalogue((tmp_path,))
