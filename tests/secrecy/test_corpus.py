"""The corpus of the bench: every planted secret is found, and nothing else.

What others find in it is what docs/reference/secret-scanners.md says of them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.secrets import corpus, keys, ours, plain_detect_secrets

DOCS = Path(__file__).parents[2] / "docs/reference/secret-scanners.md"


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, str, set[str], set[str]]:
    own = keys(1)[0]
    files, secret = corpus(own)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path, own, secret, set(files) - secret


def told(scanner: str) -> tuple[int, int]:
    """Return what the docs say that a scanner finds, and how often it is wrong."""
    row = re.search(rf"\| {scanner}[^|]*\| (\d+) \|[^|]*\| (\d+)", DOCS.read_text())
    assert row is not None
    return int(row[1]), int(row[2])


def test_every_planted_secret_is_found_and_nothing_else(
    planted: tuple[Path, str, set[str], set[str]],
) -> None:
    folder, own, secret, harmless = planted
    found = ours(folder, own)
    assert found == secret
    assert told("tollproof") == (len(secret), len(found & harmless))


def test_the_docs_say_what_plain_detect_secrets_finds(
    planted: tuple[Path, str, set[str], set[str]],
) -> None:
    folder, own, secret, harmless = planted
    found = plain_detect_secrets(folder, own)
    assert told("detect-secrets") == (len(found & secret), len(found & harmless))
