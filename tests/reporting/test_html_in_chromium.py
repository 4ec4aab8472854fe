"""In a real browser the page is quiet, asks for nothing, and anybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.reporting.sample import big_run, former_run, sample_run
from tests.reporting.strategies import HOSTILE
from tests.support import require
from tollproof.model import Run
from tollproof.reporting import html

_SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = str(require("chromium"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


class Watched:
    """A page, with all that it said and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(dialog.message))
        page.on("request", lambda request: self.asked.append(request.url))


def _open(browser: Browser, folder: Path, run: Run, **settings: Any) -> Watched:
    file = folder / "report.html"
    file.write_text(html.render(run, previous=former_run()), encoding="utf-8")
    watched = Watched(browser.new_context(**settings).new_page())
    watched.page.goto(file.as_uri())
    return watched


def _hostile() -> Run:
    """The sample, its answers and summaries full of what would like to run."""
    run = sample_run()
    poison = " ".join(HOSTILE)
    return replace(
        run,
        about=replace(run.about, deployment=poison, notes=HOSTILE),
        results=tuple(
            replace(
                r,
                subject=f"{r.subject}{poison}",
                verdict=replace(
                    r.verdict, summary=poison, expected=poison, actual=poison
                ),
            )
            for r in run.results
        ),
        planned=(),
        exchanges=tuple(
            replace(
                e,
                purpose=poison,
                response=e.response
                and replace(e.response, body=poison, headers=((poison, poison),)),
            )
            for e in run.exchanges
        ),
    )


def test_hostile_page_runs_nothing_says_nothing_asks_for_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    watched = _open(browser, tmp_path, _hostile())
    watched.page.evaluate(
        "document.querySelectorAll('details').forEach((item) => (item.open = true))"
    )
    watched.page.mouse.wheel(0, 100_000)

    assert watched.page.evaluate("window.pwned") is None
    assert watched.said == []
    assert watched.asked == [(tmp_path / "report.html").as_uri()]


def test_script_that_got_in_would_not_run(browser: Browser, tmp_path: Path) -> None:
    """The policy is the second wall: it holds even where escaping would not."""
    file = tmp_path / "report.html"
    page = html.render(sample_run())
    file.write_text(
        page.replace(
            "<main>",
            "<main><script>window.pwned=1</script><img src=x onerror=window.pwned=1>",
        ),
        encoding="utf-8",
    )
    watched = Watched(browser.new_page())
    watched.page.goto(file.as_uri())

    assert watched.page.evaluate("window.pwned") is None
    assert any("Content Security Policy" in text for text in watched.said)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", _SCREENS)
def test_axe_finds_nothing_and_nothing_runs_off_the_side(
    browser: Browser, tmp_path: Path, screen: str, scheme: Any
) -> None:
    width, height = _SCREENS[screen]
    watched = _open(
        browser,
        tmp_path,
        sample_run(),
        color_scheme=scheme,
        viewport={"width": width, "height": height},
    )
    watched.page.evaluate(
        "document.querySelectorAll('details').forEach((item) => (item.open = true))"
    )
    found = Axe().run(watched.page)

    assert [v["id"] for v in found.response["violations"]] == [], (
        found.generate_report()
    )
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    assert watched.said == []


def test_without_scripts_the_document_is_whole(
    browser: Browser, tmp_path: Path
) -> None:
    page = _open(browser, tmp_path, sample_run(), java_script_enabled=False).page

    expect(page.locator("h1")).to_have_text("Do not release: 5 promises are broken.")
    expect(page.locator("#filter")).to_be_hidden()
    page.locator("summary", has_text="A 401 carries a challenge").click()
    expect(page.get_by_text("WWW-Authenticate: Bearer is there.").first).to_be_visible()


def test_search_and_filters_narrow_the_results(
    browser: Browser, tmp_path: Path
) -> None:
    page = _open(browser, tmp_path, sample_run()).page
    shown = page.locator("#shown")
    expect(shown).to_have_text("26 shown")

    page.get_by_label("Search").fill("revoked delete")
    expect(shown).to_have_text("1 of 26 shown")
    expect(page.locator(".row:visible")).to_have_count(1)
    page.get_by_label("Search").fill("")
    page.get_by_role("checkbox", name="passed").uncheck()
    expect(shown).to_have_text("9 of 26 shown")
    page.get_by_label("Severity at least").select_option(label="critical")
    expect(shown).to_have_text("5 of 26 shown")


def test_link_to_a_result_opens_what_holds_it(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, sample_run()).page
    page.goto(page.url + "#r2")

    expect(page.locator("#r2")).to_be_in_viewport()


def test_keyboard_reaches_the_verdict_first(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, sample_run()).page
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the verdict")


def test_print_shows_what_is_folded_away(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, sample_run()).page
    page.emulate_media(media="print")

    expect(page.get_by_text("WWW-Authenticate: Bearer is there.").first).to_be_visible()
    expect(page.locator(".contents")).to_be_hidden()


def test_big_run_can_be_searched(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, big_run(5_000)).page
    page.get_by_label("Search").fill("#4711")

    expect(page.locator("#shown")).to_have_text("1 of 5,000 shown")
