"""How pytest is called, and how its exit code meets the judgement of the record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tollproof.errors import UsageError
from tollproof.judgement import Exit
from tollproof.model import Tier
from tollproof.resources import bundled
from tollproof.running import Request, command, suite_folders, suite_names, worst


def request(**more: object) -> Request:
    fields = {"profile": Path("p.toml"), "output": Path("out"), "tier": Tier.GATE}
    return Request(**{**fields, "command": "tollproof gate", **more})  # type: ignore[arg-type]


def test_nothing_of_the_users_is_loaded() -> None:
    arguments = command(request())

    assert "-P" in arguments
    assert {"--disable-plugin-autoload", "--noconftest"} <= set(arguments)
    assert arguments[arguments.index("-c") + 1] == os.devnull
    assert arguments[-1] == str(bundled("suites"))


def test_a_suite_is_a_name_or_a_folder(tmp_path: Path) -> None:
    arguments = command(request(only=("tenancy", str(tmp_path))))

    assert "--tollproof-suite=tenancy" in arguments
    assert f"--tollproof-suite={tmp_path}" not in arguments
    assert arguments[-1] == str(tmp_path.resolve())


def test_a_folder_called_like_a_suite_is_not_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tenancy").mkdir()
    monkeypatch.chdir(tmp_path)

    assert suite_folders(("tenancy",)) == suite_folders()


def test_a_suite_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"no suite 'tenacy'.*tenancy"):
        command(request(only=("tenacy",)))


def test_the_suites_are_those_of_the_design() -> None:
    assert {"authentication", "envelope", "headers", "ratelimit"} <= suite_names()


@pytest.mark.parametrize(
    ("code", "judged", "exit_code"),
    [
        (0, Exit.PASSED, Exit.PASSED),
        (1, Exit.FAILED, Exit.FAILED),
        (1, Exit.PASSED, Exit.PASSED),  # what failed is waived, or weighs too little
        (0, Exit.UNDETERMINED, Exit.UNDETERMINED),
        (2, Exit.PASSED, Exit.INTERRUPTED),
        (2, Exit.UNDETERMINED, Exit.INTERRUPTED),
        (2, Exit.FAILED, Exit.FAILED),
        (3, Exit.PASSED, Exit.UNDETERMINED),
        (-9, Exit.PASSED, Exit.UNDETERMINED),
        (4, Exit.PASSED, Exit.USAGE),
        (4, Exit.FAILED, Exit.USAGE),
    ],
)
def test_the_graver_of_both_decides(code: int, judged: Exit, exit_code: Exit) -> None:
    assert worst(code, judged) is exit_code
