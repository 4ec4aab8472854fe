"""Every check of SDKs passes on a sound SDK and fails on the fault that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.playing import checks, opened, verdict
from tests.support import require
from tollproof.declare import spec_of
from tollproof.model import Exchange, Outcome
from tollproof.sdk.proving import SDK_FAULTS, SdkFault, write_profile


def test_every_check_has_a_fault_and_every_fault_a_check() -> None:
    assert {fault.check for fault in SDK_FAULTS} == set(checks())
    assert len({fault.name for fault in SDK_FAULTS}) == len(SDK_FAULTS)


def _tools(sample: str, check: str = "") -> None:
    if sample == "sample-node":
        require("node")
    if "browser" in check:
        require("chromium")


@pytest.mark.parametrize("sample", ["sample", "sample-node"])
def test_a_sound_sdk_keeps_every_promise(tmp_path: Path, sample: str) -> None:
    _tools(sample)
    seen: list[Exchange] = []
    with opened(write_profile(tmp_path, None, sample), seen.append) as target:
        profile = target("").profile
        found = {
            name: verdict(target, name)
            for name, function in checks().items()
            if (spec := spec_of(function)) and all(map(profile.has, spec.needs))
            if "browser" not in name
        }
        redactor = target("").deployment.redactor
    kept = {name for name, one in found.items() if one.outcome is Outcome.PASSED}
    assert kept == set(found)
    assert len(found) > 40
    assert seen
    assert [item for item in seen if redactor.holds(repr(item))] == []


@pytest.mark.parametrize("fault", SDK_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_noticed_by_the_check_that_names_it(
    tmp_path: Path, fault: SdkFault
) -> None:
    _tools(fault.profile, fault.check)
    with opened(write_profile(tmp_path, fault)) as target:
        found = verdict(target, fault.check)
    assert found.outcome is Outcome.FAILED, found.summary
    assert found.expected
    assert found.actual
