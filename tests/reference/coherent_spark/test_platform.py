"""The platform passes the ordinary suites, and each fault is noticed by one check."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tollproof import running
from tollproof.errors import UsageError
from tollproof.model import Outcome, Run, Tier
from tollproof.record import read_run
from tollproof.reference.coherent_spark.app import CONFIG, HEALTH, TOKEN_PATH
from tollproof.reference.coherent_spark.launch import FAULTS, Running, serving


def get(platform: Running, path: str, **headers: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(platform.base_url + path, headers=headers)


def test_each_mechanism_is_let_in_and_strangers_are_not() -> None:
    with serving() as platform:
        made = platform.made
        assert get(platform, HEALTH).json() == {"status": "UP"}
        assert get(platform, CONFIG).status_code == 401
        key = {"x-synthetic-key": made["key"]}
        assert get(platform, CONFIG, **key).json()["status"] == "Success"
        token = {"Authorization": f"Bearer {made['token']}"}
        assert get(platform, CONFIG, **token).status_code == 200
        swapped = {"Authorization": f"Bearer {made['key']}"}
        assert get(platform, CONFIG, **swapped).status_code == 401
        narrow = {"x-synthetic-key": made["narrow"]}
        assert get(platform, CONFIG, **narrow).status_code == 403
        refused = {"x-synthetic-key": made["revoked"], **token}
        assert get(platform, CONFIG, **refused).status_code == 401


def test_client_credentials_are_granted_at_the_realms_endpoint() -> None:
    with serving() as platform:
        file = platform.folder / "client-credentials.json"
        pair = json.loads(file.read_text())
        form = {
            "grant_type": "client_credentials",
            "client_id": pair["clientId"],
            "client_secret": pair["clientSecret"],
        }
        with httpx.Client(trust_env=False) as client:
            granted = client.post(platform.base_url + TOKEN_PATH, data=form)
        shown = {"Authorization": f"Bearer {granted.json()['access_token']}"}
        assert get(platform, CONFIG, **shown).status_code == 200
        assert file.stat().st_mode & 0o077 == 0
    assert not platform.folder.exists()


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(UsageError, match="no fault"), serving(faults=["nonsense"]):
        pass


def judged(folder: Path, *faults: str) -> Run:
    with serving(faults=faults) as platform:
        request = running.Request(
            profile=platform.write_profile(folder / "profile.toml"),
            output=folder / "run",
            tier=Tier.GATE,
            command="test",
            progress="silent",
            formats=("json",),
        )
        running.run_silently(request, seconds=120.0)
    return read_run(folder / "run")


def test_a_sound_platform_passes_the_gate(tmp_path: Path) -> None:
    run = judged(tmp_path)
    wrong = {
        (item.check, item.subject, item.verdict.summary)
        for item in run.results
        if item.verdict.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)
    }
    assert wrong == set()
    assert sum(item.verdict.outcome is Outcome.PASSED for item in run.results) > 100


@pytest.mark.parametrize(("name", "check", "title"), FAULTS, ids=lambda value: value)
def test_a_fault_is_noticed_by_its_check_and_no_other(
    tmp_path: Path, name: str, check: str, title: str
) -> None:
    run = judged(tmp_path, name)
    failed = {
        item.check for item in run.results if item.verdict.outcome is Outcome.FAILED
    }
    assert failed == {check}, title
