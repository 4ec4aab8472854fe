"""Generated pages are fresh, and pages point at what exists."""

import re
from pathlib import Path

import pytest

from tollproof.catalogue import as_markdown, load_catalogue
from tollproof.manual import manual
from tollproof.resources import bundled

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_check_catalogue_is_fresh() -> None:
    page = ROOT / "docs" / "reference" / "checks.md"

    assert page.read_text() == as_markdown(load_catalogue([bundled("suites")])), (
        "run `make catalogue`"
    )


def test_the_command_line_page_is_fresh() -> None:
    page = ROOT / "docs" / "reference" / "command-line.md"

    assert page.read_text() == manual(), "run `make catalogue`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} points at {target}"


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    docs = ROOT / "docs"
    index = docs / "README.md"
    linked = set(re.findall(r"\]\(([^)#]+)", index.read_text()))
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}

    assert pages - linked == {index.name}
