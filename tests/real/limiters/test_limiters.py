"""Released limiters, measured: what is right passes, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.limiters.deployments import Limiter
from tests.real.limiters.known import LIMITERS
from tests.real.limiters.measuring import measured


@pytest.mark.parametrize("limiter", LIMITERS, ids=lambda one: one.name)
def test_a_limiter_is_judged_by_what_it_does(limiter: Limiter, tmp_path: Path) -> None:
    judged = measured(limiter, tmp_path)
    assert not limiter.misjudged(judged.failed.keys()), judged.reasons()
