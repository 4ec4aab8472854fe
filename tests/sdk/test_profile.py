"""A profile is about a deployment or about an SDK, and checks keep to their kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploying import ALPHA, THINGS, profile_at
from tests.sdk.playing import opened, profile_of
from tollproof.cases import Selection, cases
from tollproof.catalogue import load_entries
from tollproof.errors import ProfileError
from tollproof.model import Tier
from tollproof.opening import Options, open_deployment
from tollproof.profile import load_profile
from tollproof.resources import bundled

SDK = 'name = "x"\n[sdk]\ncommand = ["driver"]\n'
EVERY = Selection(tier=Tier.LOAD)


def refused(folder: Path, text: str) -> str:
    path = folder / "p.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as raised:
        load_profile(path, environ={})
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SDK, "names no mechanism"),
        (
            SDK + "[sdk.token]\n[target]\nbase_url = 'http://h'\n",
            "a profile of its own",
        ),
        (SDK + "order = ['token', 'token']\n[sdk.token]\n", "ranks a mechanism twice"),
        (
            SDK + "[sdk.token]\n[sdk.environment]\nclient_id = 'ID'\n",
            "names half a pair",
        ),
        (SDK + "[sdk.token]\n[sdk.environment]\ntoken = 'not a name'\n", "environment"),
        (SDK + "masked = '('\n[sdk.token]\n", "regular expression"),
        (SDK + "colour = 'red'\n[sdk.token]\n", "colour"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, why: str) -> None:
    assert why in refused(tmp_path, text)


@pytest.mark.parametrize("path", sorted((bundled("profiles") / "sdk").glob("*.toml")))
def test_the_shipped_profiles_are_read(path: Path) -> None:
    profile = load_profile(path, environ={"TOLLPROOF_BASE_URL": "http://elsewhere"})
    assert profile.sdk is not None
    assert profile.sdk.mechanisms == ("api_key", "token", "oauth")
    assert profile.target.base_url == "http://127.0.0.1"


def test_an_sdk_is_judged_by_the_checks_of_sdks_alone(tmp_path: Path) -> None:
    with opened(profile_of(tmp_path / "p.toml", "driver")) as target:
        deployment = target("").deployment
        for entry in load_entries([bundled("suites")]):
            found = cases(entry.spec, entry.parameters, deployment, EVERY)
            if entry.spec.suite != "sdk":
                assert "a client SDK" in found[0].left_out
            else:
                assert not any(case.left_out for case in found)


def test_a_deployment_is_not_judged_by_the_checks_of_sdks(tmp_path: Path) -> None:
    profile = profile_at(tmp_path / "p.toml", "http://127.0.0.1:9", ALPHA, THINGS)
    deployment = open_deployment(
        profile,
        options=Options(),
        environ={"TOLLPROOF_TEST_ALPHA": "tp_live_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3"},
        record=lambda _: None,
    )
    with deployment:
        for entry in load_entries([bundled("suites") / "sdk"]):
            (case,) = cases(entry.spec, entry.parameters, deployment, EVERY)
            assert "about a deployment" in case.left_out
