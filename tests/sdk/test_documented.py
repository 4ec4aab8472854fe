"""The driver of the how-to page is complete: it is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.sdk.playing import opened, verdict
from tollproof.model import Outcome
from tollproof.resources import bundled
from tollproof.sdk import sample

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-driver.md"


@pytest.mark.parametrize(
    "check", ["sdk.api-key", "sdk.printed", "sdk.read-back", "sdk.token-shared"]
)
def test_the_documented_driver_works(tmp_path: Path, check: str) -> None:
    source = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert source
    assert len([line for line in source[1].splitlines() if line.strip()]) <= 45
    library = Path(sample.__path__[0]) / "client.py"
    (tmp_path / "acme.py").write_text(library.read_text("utf-8"), "utf-8")
    (tmp_path / "driver.py").write_text(source[1], "utf-8")
    shipped = (bundled("profiles") / "sdk" / "sample.toml").read_text("utf-8")
    profile = tmp_path / "acme.toml"
    profile.write_text(
        shipped.replace("{drivers}/sample.py", "{profile}/driver.py"), "utf-8"
    )
    with opened(profile) as target:
        found = verdict(target, check)
    assert found.outcome is Outcome.PASSED, found.summary
