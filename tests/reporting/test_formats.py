"""The registry: every format has a file of its own, and renders from a run alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.reporting.sample import former_run, sample_run
from tollproof.reporting import FORMATS


def test_files_are_told_apart() -> None:
    files = [item.file for item in FORMATS.values()]

    assert len(files) == len(set(files))


@pytest.mark.parametrize("name", FORMATS)
def test_same_run_gives_the_same_text(name: str) -> None:
    """Reports are compared and cached: no clock, no chance, no order of a set."""
    once = FORMATS[name].render(sample_run(), former_run())

    assert once == FORMATS[name].render(sample_run(), former_run())


@pytest.mark.parametrize("name", FORMATS)
def test_run_without_anything_renders(name: str) -> None:
    run = sample_run()
    empty = replace(
        run, checks=(), planned=(), left_out=(), results=(), exchanges=(), waivers=()
    )
    text = FORMATS[name].render(empty, None)
    if name in ("html", "markdown"):
        assert "nothing was determined" in text
