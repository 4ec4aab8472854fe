"""The suite of secrets where places are missing, and what a run itself may spill.

That each check notices its fault, and no other does, is what `tollproof prove` shows.
"""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest

from tests.suites.test_rotation import judged, outcomes
from tollproof.model import Outcome
from tollproof.redaction import Credential, Redactor
from tollproof.reference.launch import serving

SPILLING = (
    "secrets-key-in-answer",
    "secrets-key-in-error",
    "secrets-key-in-header",
    "secrets-key-in-location",
    "secrets-key-in-log",
    "secrets-key-in-bundle",
    "secrets-key-stored",
    "secrets-digest-unsalted",
    "secrets-key-in-source",
)


def test_places_that_are_not_there_are_said(tmp_path: Path) -> None:
    with serving("sparkient", in_process=True) as deployment:
        profile = deployment.profile_text
        for name in ("server.log", "sparkient.db", '/source"'):
            assert name in profile
            profile = profile.replace(name, f"none{name}")
        run = judged(profile, tmp_path, "secrets")
    found = outcomes(run)
    assert found[Outcome.FAILED] == set()
    assert {
        "secrets.logs",
        "secrets.stored-raw",
        "secrets.stored-salt",
        "secrets.source",
        "secrets.source-code",
    } <= found[Outcome.INCONCLUSIVE]


def test_a_locked_store_is_undetermined(tmp_path: Path) -> None:
    with serving("sparkient", in_process=True) as deployment:
        with sqlite3.connect(tmp_path / "locked.db", isolation_level=None) as holder:
            holder.execute("CREATE TABLE keys (hash)")
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("BEGIN EXCLUSIVE")
            place = str(deployment.folder / "sparkient.db")
            profile = deployment.profile_text.replace(
                place, str(tmp_path / "locked.db")
            )
            run = judged(profile, tmp_path, "secrets")
        holder.close()
    found = outcomes(run)
    assert {"secrets.stored-raw", "secrets.stored-salt"} <= found[Outcome.INCONCLUSIVE]
    (why,) = (
        item.verdict.summary for item in run.results if item.check.endswith("d-salt")
    )
    assert "locked" in why


@pytest.mark.parametrize("suites", [("secrets", "rotation", "authorization")])
def test_no_file_of_a_run_holds_what_the_target_spills(
    tmp_path: Path, suites: tuple[str, ...]
) -> None:
    """Nine faults at once spill every key; nothing that is written holds one."""
    with serving("sparkient", faults=SPILLING) as deployment:
        run = judged(deployment.profile_text, tmp_path, *suites)
        keys = {
            path.stem: path.read_text()
            for path in (deployment.folder / "secrets").glob("*.key")
        }
        with sqlite3.connect(deployment.folder / "sparkient.db") as store:
            stored = store.execute("SELECT id, hash FROM former_keys").fetchall()
        store.close()
    created = {f"created {name}": _decoded(text) for name, text in stored}
    failures = outcomes(run)[Outcome.FAILED]
    assert {f"secrets.{name}" for name in ("in-answer", "in-error", "logs")} <= failures
    looking = Redactor()
    for label, value in (keys | created).items():
        looking.add(Credential(label=label, value=value, public_prefix="sk_live_"))
    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(written) > 5
    for path in written:
        assert looking.find(path.read_bytes(), path.name) == ()


def _decoded(stored: str | bytes) -> str:
    text = stored if isinstance(stored, str) else ""
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        return "never-anything-that-is-written"
