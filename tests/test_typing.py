"""That a suite of somebody else's type-checks strictly, and a forgotten verdict not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "how-to" / "write-a-suite.md"


def strictly(suite: Path) -> subprocess.CompletedProcess[str]:
    """Run mypy as a third party would, on the suite alone."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", suite.name]
    return subprocess.run(
        [*command, f"--cache-dir={ROOT / '.mypy_cache'}"],
        cwd=suite.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def example() -> str:
    """The suite of the guide."""
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_a_suite_is_checked_and_a_forgotten_verdict_found(
    example: str, tmp_path: Path
) -> None:
    (tmp_path / "test_acme.py").write_text(example)
    assert "return passed(" in example
    forgotten = example.replace("return passed(", "passed(")

    done = strictly(tmp_path / "test_acme.py")
    assert done.returncode == 0, done.stdout
    assert "Success" in done.stdout

    (tmp_path / "test_bad.py").write_text(forgotten.partition("    return failed(")[0])
    done = strictly(tmp_path / "test_bad.py")
    assert done.returncode == 1
    assert "[return]" in done.stdout
