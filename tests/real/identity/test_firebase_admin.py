"""The suite of tokens against the real firebase-admin, with and without an emulator."""

from __future__ import annotations

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


@contextmanager
def judged(folder: Path, **environment: str) -> Iterator[Judged]:
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
"""
        yield judge(profile, folder, "tokens", "preflight")


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
