"""The suite of tokens against the real firebase-admin, with and without an emulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.real.identity.judging import Judged, judge, operation, quoted
from tests.real.identity.services import python_service
from tollproof.reference.issuer import Issuer, serving

PROJECT = "tollproof-demo"
#: What firebase-admin does not look at, each a true finding about it.
LENIENT = {
    "tokens.auth-time",
    "tokens.not-before",
    "tokens.lifetime",
    # It pads what it decodes, reads over foreign characters, and knows no crit.
    "tokens.encoding",
    "tokens.canonical-encoding",
    "tokens.critical-header",
}


#: What becomes of a verifier when the issuer's keys change.
KEYS = ("tokens.key-rotation", "tokens.retired-key")


def _keys(issuer: str) -> str:
    """Return how the issuer's keys are changed, and what is promised of that."""
    command = [sys.executable, "-m", "tollproof.identity.token_cli"]
    rotate = [*command, "rotate", "--issuer-url", issuer]
    retire = [*command, "retire", "--issuer-url", issuer, "--key-id", "{kid}"]
    return f"""\
rotate = {quoted(rotate)}
retire = {quoted(retire)}
retired_within = 5.0
[consent]
key_lifecycle = true
"""


@contextmanager
def judged(
    folder: Path, *checks: str, tier: str = "gate", **environment: str
) -> Iterator[Judged]:
    issuer = Issuer(project=PROJECT)
    with ExitStack() as stack:
        keys = stack.enter_context(serving(issuer))
        (url,) = stack.enter_context(
            python_service(
                "firebase_service.py",
                PROJECT,
                f"{keys}/certificates",
                packages=("firebase-admin>=7.7,<8",),
                **environment,
            )
        )
        (folder / "issuer.pem").write_bytes(issuer.key.pem())
        profile = f"""\
name = "firebase-admin"
[target]
base_url = {quoted(url)}
environment = "development"
{operation()}
[identities.user]
kind = "firebase"
signing_key = {{ file = "issuer.pem" }}
subject = "user-1"
[promises.tokens]
issuer = {quoted(issuer.name)}
audience = {quoted(PROJECT)}
certificates = {quoted(keys + "/certificates")}
max_age = 3600
{_keys(keys)}"""
        yield judge(profile, folder, "tokens", "preflight", tier=tier, checks=checks)


def test_a_sound_service_fails_only_what_the_library_leaves_out(tmp_path: Path) -> None:
    with judged(tmp_path) as run:
        assert run.of("inconclusive") == set(), run.why
        assert run.of("failed") == LENIENT
        assert "PRIVATE KEY" not in run.text


def test_an_emulator_is_named_and_nothing_else_is_concluded(tmp_path: Path) -> None:
    host = "127.0.0.1:9099"
    with judged(tmp_path, FIREBASE_AUTH_EMULATOR_HOST=host) as run:
        assert run.of("failed") == {"tokens.emulator-mode"}
        assert "tokens.signature" in run.of("inconclusive")


def test_keys_that_change_are_followed_both_ways(tmp_path: Path) -> None:
    """It keeps keys for as long as the issuer's Cache-Control allows, and no longer."""
    with judged(tmp_path, *KEYS, tier="audit") as run:
        assert run.of("passed") == set(KEYS), run.why
        assert "PRIVATE KEY" not in run.text
