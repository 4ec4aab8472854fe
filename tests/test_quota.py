"""Which keys a measurement spends, and how long they rest before."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.deploying import ENVIRON, THINGS, deployment_of, identity, profile_at
from tollproof.errors import Undetermined
from tollproof.quota import RESTED, plan_measurement

BASE = "http://127.0.0.1:9"
BURST = 'purpose = ["burst"]'
BYSTANDER = 'purpose = ["bystander"]'


def promise(*lines: str) -> str:
    text = "\n".join(lines)
    return f"\n[promises.rate_limit]\nlimit = 600\nwindow = 60\n{text}\n"


def keys(folder: Path, *parts: str) -> list[str]:
    profile = profile_at(folder / "profile.toml", BASE, THINGS, *parts)
    with deployment_of(profile) as deployment:
        return [key.name for key in plan_measurement(deployment).keys]


def test_the_key_that_shows_that_things_work_is_spared(tmp_path: Path) -> None:
    assert keys(tmp_path, identity("alpha"), identity("beta"), promise()) == ["beta"]


def test_a_lone_key_is_spent(tmp_path: Path) -> None:
    assert keys(tmp_path, identity("alpha"), promise()) == ["alpha"]


def test_keys_for_bursts_come_first_and_bystanders_never(tmp_path: Path) -> None:
    found = keys(
        tmp_path,
        identity("alpha", BYSTANDER),
        identity("beta"),
        identity("gone", BURST),
        promise(),
    )
    assert found[0] == "gone"
    assert "alpha" not in found


def test_a_key_with_a_limit_of_its_own_shows_nothing_of_the_promise(
    tmp_path: Path,
) -> None:
    own = "limit = { requests = 5, window = 60 }"
    with pytest.raises(Undetermined, match="has a limit of its own"):
        keys(tmp_path, identity("alpha", own), promise())


def test_one_key_is_enough_where_operations_are_counted(tmp_path: Path) -> None:
    parts = [identity(name) for name in ("alpha", "beta", "gone")]
    assert len(keys(tmp_path, *parts, promise('per = "operation"'))) == 1


def test_at_an_address_any_other_key_shares_the_allowance(tmp_path: Path) -> None:
    parts = [identity(name) for name in ("alpha", "beta", "gone")]
    assert keys(tmp_path, *parts, promise('per = "address"')) == ["beta", "gone"]


def test_a_key_of_each_organisation_where_they_are_counted(tmp_path: Path) -> None:
    found = keys(
        tmp_path,
        identity("alpha", 'organisation = "one"'),
        identity("beta", 'organisation = "two"', BURST),
        identity("gone", 'organisation = "two"', BURST),
        promise('per = "organisation"'),
    )
    # The first measures, and its twin shares the allowance.
    assert sorted(found) == ["beta", "gone"]


def test_without_a_harmless_operation_nothing_is_sent(tmp_path: Path) -> None:
    changing = '\n[[target.operations]]\nmethod = "DELETE"\npath = "/things"\n'
    profile = profile_at(
        tmp_path / "profile.toml", BASE, changing, identity("alpha"), promise()
    )
    with (
        deployment_of(profile) as deployment,
        pytest.raises(Undetermined, match="list a harmless one"),
    ):
        plan_measurement(deployment)


def test_keys_rest_a_window_after_whatever_used_them(tmp_path: Path) -> None:
    profile = profile_at(
        tmp_path / "profile.toml", BASE, THINGS, identity("alpha"), promise()
    )
    with deployment_of(profile, environ=ENVIRON) as deployment:
        rest = plan_measurement(deployment).rest
        assert rest == pytest.approx(60 * RESTED)
        # Before the run, somebody else may have used them.
        assert 0 < deployment.rested(["alpha"], rest) <= rest
        deployment.used["alpha"] = time.monotonic() - rest
        assert deployment.rested(["alpha"], rest) == 0.0
        deployment.touch("alpha")
        assert deployment.rested(["alpha", "other"], rest) > 0
