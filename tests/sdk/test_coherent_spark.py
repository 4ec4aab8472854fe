"""The real Coherent Spark SDK: an old release and a current one, told apart.

Each is installed into a folder of its own, never into the one that tests run in;
TOLLPROOF_TEST_SDKS names a folder where they are kept from one run to the next.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.sdk_study import PROFILE, RELEASES, interpreter
from tests.sdk.playing import opened, verdict
from tests.support import lacking
from tollproof.model import Outcome
from tollproof.sdk.bench import PYTHON

OLD, NEW = RELEASES
#: Check → what it says of the old release and of the current one.
EXPECTED = {
    "sdk.api-key": "passed passed",
    "sdk.token": "passed passed",
    "sdk.client-credentials": "passed passed",
    "sdk.credentials-file": "passed passed",
    "sdk.environment-file": "passed passed",
    "sdk.prefix": "passed passed",
    "sdk.open": "passed passed",
    "sdk.redirect": "passed passed",
    "sdk.read-back": "passed passed",
    "sdk.token-once": "passed passed",
    "sdk.refresh-refused": "passed passed",
    "sdk.throttle-bounded": "passed passed",
    "sdk.forbidden-once": "passed passed",
    "sdk.order": "passed failed",
    "sdk.explicit-mechanism": "passed failed",
    "sdk.raised": "passed failed",
    "sdk.no-placeholder": "failed failed",
    "sdk.token-request-alone": "failed failed",
    "sdk.token-shared": "failed failed",
    "sdk.refresh-expired": "failed failed",
    "sdk.grant-bounded": "failed failed",
    "sdk.open-over-environment": "failed failed",
    "sdk.short-key": "failed failed",
    "sdk.token-read-back": "failed failed",
    "sdk.printed": "failed failed",
    "sdk.token-intact": "failed failed",
    "sdk.retries-off": "failed failed",
    "sdk.retry-after-seconds": "failed failed",
    "sdk.host": "failed failed",
    "sdk.copy": "failed failed",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that releases are installed into."""
    given = os.environ.get("TOLLPROOF_TEST_SDKS")
    return Path(given) if given else tmp_path_factory.mktemp("sdks")


@pytest.fixture(params=RELEASES)
def release(
    request: pytest.FixtureRequest, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A release, installed and named to the bench."""
    try:
        python = interpreter(kept, request.param)
    except (subprocess.SubprocessError, OSError):
        lacking(f"cspark {request.param}")
    monkeypatch.setenv(PYTHON, str(python))
    return str(request.param)


def test_a_release_keeps_what_it_keeps_and_no_more(release: str) -> None:
    with opened(PROFILE) as target:
        found = {check: verdict(target, check) for check in EXPECTED}
    said = {check: one.outcome for check, one in found.items()}
    index = RELEASES.index(release)
    assert said == {
        check: Outcome(words.split()[index]) for check, words in EXPECTED.items()
    }
