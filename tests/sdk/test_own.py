"""tollproof's own client keeps the promises that it judges in others."""

from __future__ import annotations

from tests.sdk.playing import checks, opened, verdict
from tollproof.declare import spec_of
from tollproof.model import Outcome
from tollproof.resources import bundled


def test_our_own_client_keeps_every_promise() -> None:
    with opened(bundled("profiles") / "sdk" / "own.toml") as target:
        profile = target("").profile
        applicable = [
            name
            for name, function in checks().items()
            if (spec := spec_of(function)) and all(map(profile.has, spec.needs))
        ]
        found = {name: verdict(target, name) for name in applicable}
    wrong = {
        name: one.summary
        for name, one in found.items()
        if one.outcome is not Outcome.PASSED
    }
    assert wrong == {}
    assert len(found) > 40
