"""Which keys a measurement spends, and how long they rest before."""

from __future__ import annotations

import random
import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploying import ENVIRON, KEYS, THINGS, deployment_of, identity, profile_at
from tollproof.errors import Undetermined
from tollproof.quota import RESTED, Plan, guessed, plan_measurement, spent_before
from tollproof.ratelimit.aside import ERRORS
from tollproof.ratelimit.finding import Aspect

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


def planned(folder: Path, *parts: str) -> Plan:
    profile = profile_at(folder / "profile.toml", BASE, THINGS, *parts)
    with deployment_of(profile) as deployment:
        return plan_measurement(deployment)


def test_a_key_asks_with_errors_where_that_is_promised_and_only_there(
    tmp_path: Path,
) -> None:
    parts = [identity(name) for name in ("alpha", "beta", "gone")]

    def asks(*lines: str) -> set[str]:
        shots = planned(tmp_path, *parts, promise(*lines)).schedule.shots
        return {shot.key for shot in shots if shot.phase.startswith(ERRORS)}

    assert asks() == set()
    assert asks("counts = { rejected = false }") == set()
    # Both keys are measured, so one of them asks after that.
    assert asks("counts = { errors = true }") == {"beta"}
    assert asks("counts = { errors = true }", 'per = "operation"') == set()
    more = "policies = [{ limit = 9000, window = 3600 }]"
    assert asks("counts = { errors = true }", more) == set()


@pytest.mark.parametrize(("per", "callers"), [("address", 4), ("key", 1)])
def test_strangers_come_last_and_show_what_nobody_has(
    tmp_path: Path, per: str, callers: int
) -> None:
    limit = f'failed_authentications = {{ limit = 20, window = 60, per = "{per}" }}'
    plan = planned(tmp_path, identity("alpha"), promise(limit))
    assert len(plan.strangers) == callers
    shown = [value for ((_, value),) in plan.strangers.values()]
    assert not any(KEYS["alpha"] in value for value in shown)
    assert len({*shown}) == callers
    others = [
        shot.ends for shot in plan.schedule.shots if shot.key not in plan.strangers
    ]
    assert plan.failing >= max(others)
    sent = sum(shot.count for shot in plan.schedule.shots if shot.key in plan.strangers)
    assert sent > 20


@given(st.text(alphabet=string.ascii_letters + string.digits + "_-.", max_size=60))
def test_a_guess_has_the_form_of_what_it_stands_for(value: str) -> None:
    guess = guessed(value, random.Random(1))
    assert guess.startswith(value.rpartition("_")[0])
    assert len(guess) == len(value)
    for old, new in zip(value, guess, strict=True):
        assert new.isdigit() or not old.isdigit()
        assert old == new or (old.isalnum() and new.isalnum())


def planned_with(folder: Path, policies: str) -> Plan:
    parts = [identity(name) for name in ("alpha", "beta", "gone")]
    profile = profile_at(folder / "profile.toml", BASE, THINGS, *parts, policies)
    with deployment_of(profile) as deployment:
        return plan_measurement(deployment)


def test_keys_rest_as_long_as_a_longer_limit_lasts(tmp_path: Path) -> None:
    longer = "policies = [{ limit = 900, window = 110 }]"
    assert planned_with(tmp_path, promise(longer)).rest == pytest.approx(110 * RESTED)


def test_an_hour_is_not_waited_for_but_excuses_who_refuses(tmp_path: Path) -> None:
    longer = "policies = [{ limit = 3000, window = 3600 }]"
    planned = planned_with(tmp_path, promise(longer))
    assert planned.rest == pytest.approx(60 * RESTED)
    guard = spent_before(planned, 100_000)
    assert guard is not None
    assert "3000 requests per 3600 s" in guard.why
    assert Aspect.UNDER_ADMISSION in guard.fails
    assert not guard.passes


def test_a_limit_out_of_reach_excuses_nothing(tmp_path: Path) -> None:
    longer = "policies = [{ limit = 1000000, window = 86400 }]"
    assert spent_before(planned_with(tmp_path, promise(longer)), 1000) is None
