"""The suite of rotation where nothing can be told: silence, and steps that fail.

That each check notices its fault, and no other does, is what `tollproof prove` shows.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tollproof import running
from tollproof.model import Outcome, Run, Tier
from tollproof.record import read_journal, read_run
from tollproof.reference.launch import serving


def judged(profile: str, folder: Path, *suites: str) -> Run:
    path = folder / "profile.toml"
    path.write_text(profile, encoding="utf-8")
    running.run_silently(
        running.Request(
            profile=path,
            output=folder / "run",
            tier=Tier.AUDIT,
            command="test",
            only=suites,
            progress="silent",
        ),
        seconds=120,
    )
    return read_run(folder / "run")


def outcomes(run: Run) -> dict[Outcome, set[str]]:
    found: dict[Outcome, set[str]] = {outcome: set() for outcome in Outcome}
    for result in run.results:
        found[result.verdict.outcome].add(result.check)
    return found


def writes(folder: Path) -> list[str]:
    return [
        f"{item.request.method} {item.status}"
        for item in read_journal(folder / "run")
        if item.request.method in ("POST", "DELETE")
    ]


def test_a_silent_target_is_undetermined_and_not_written_to(tmp_path: Path) -> None:
    with serving("sparkient", in_process=True) as deployment:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        profile = re.sub(
            r'(?m)^base_url = ".*"$',
            f'base_url = "http://127.0.0.1:{port}"',
            deployment.profile_text,
        )
        document = Path("tollproof/reference/sparkient/openapi.json").resolve()
        profile = profile.replace('"/openapi.json"', f'"{document}"', 1)
        run = judged(profile, tmp_path, "rotation")
    found = outcomes(run)
    assert found[Outcome.FAILED] == found[Outcome.PASSED] == set()
    assert len(found[Outcome.INCONCLUSIVE]) > 10
    # The first step was tried once, and nothing after it.
    assert writes(tmp_path) == ["POST 0"]


@pytest.mark.parametrize(
    ("setting", "other", "expected"),
    [
        ('path = "/api/v1/keys"\nbody', 'path = "/api/v1/none"\nbody', ["POST 404"]),
        ('key = "/key"', 'key = "/nothing"', ["POST 201", "DELETE 204"]),
    ],
)
def test_a_creation_that_fails_ends_it(
    tmp_path: Path, setting: str, other: str, expected: list[str]
) -> None:
    with serving("sparkient", in_process=True) as deployment:
        profile = deployment.profile_text
        assert setting in profile
        run = judged(profile.replace(setting, other, 1), tmp_path, "rotation")
    found = outcomes(run)
    assert found[Outcome.FAILED] == found[Outcome.PASSED] == set()
    assert writes(tmp_path) == expected


def test_a_revocation_that_fails_leaves_keys_that_are_listed(tmp_path: Path) -> None:
    with serving("sparkient", in_process=True) as deployment:
        profile = deployment.profile_text.replace(
            'path = "/api/v1/keys/{id}"', 'path = "/api/v1/none/{id}"', 1
        )
        run = judged(profile, tmp_path, "rotation")
    found = outcomes(run)
    assert found[Outcome.FAILED] == set()
    deletions = [item for item in writes(tmp_path) if item.startswith("DELETE")]
    assert set(deletions) == {"DELETE 404"}
    # "Not found" proves nothing of a call that never worked.
    assert len(run.about.notes) == 11
    assert all("is still there" in note for note in run.about.notes)


def test_without_consent_nothing_is_created(tmp_path: Path) -> None:
    with serving("sparkient", in_process=True) as deployment:
        profile = deployment.profile_text.replace(
            "key_lifecycle = true", "key_lifecycle = false"
        )
        run = judged(profile, tmp_path, "rotation")
    assert {item.check for item in run.results} == {"rotation.replicas"}
    reasons = {i.reason for i in run.left_out if i.check.startswith("rotation.")}
    assert reasons == {"set `consent.key_lifecycle = true` in the profile to allow it"}
    assert writes(tmp_path) == []
