"""The suite of secrets where places are missing, and what a run itself may spill.

That each check notices its fault, and no other does, is what `tollproof prove` shows.
"""

from __future__ import annotations

import base64
import gzip
import os
import sqlite3
from pathlib import Path

import pytest

from tests.keyed import ADMIN, PROFILE, Keys
from tests.servers import Connection, scripted
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


def test_odd_logs_and_trees_are_read_within_bounds(tmp_path: Path) -> None:
    """A binary log; one that is renamed and packed during the run; a tree of loops."""
    log, binary, source = (tmp_path / name for name in ("s.log", "b.log", "src"))
    log.write_text("started\n")
    binary.write_bytes(bytes(range(256)) * 500 + ADMIN.encode() + b"\0\xff" * 500)
    source.mkdir()
    (source / "loop").symlink_to(source)
    (source / "away.py").symlink_to("/etc/hostname")
    os.mkfifo(source / "pipe")
    (source / "binary.bin").write_bytes(bytes(range(256)) * 100)
    (source / "long.js").write_text("var a = 1;" * 100_000)
    (source / "own.py").write_text("print('hello')\n")
    keys = Keys()

    def handler(connection: Connection) -> None:
        if log.stat().st_size < 100:
            # It is written to, and rotated away, when the first request comes.
            written = b"started\n" + f"Authorization: Bearer {ADMIN}\n".encode() * 3
            (tmp_path / "s.log.1.gz").write_bytes(gzip.compress(written))
            log.write_text("rotated\n" * 20)
        keys.serve(connection)

    places = f"""
[places]
logs = [{{ file = "{log}" }}, {{ file = "{binary}" }}]
source = ["{source}"]
"""
    with scripted(handler) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADMIN_KEY", ADMIN)
        run = judged(PROFILE % server.origin + places, tmp_path, "preflight", "secrets")
    found = outcomes(run)
    assert found[Outcome.FAILED] == {"secrets.logs"}
    assert {"secrets.source", "secrets.source-code"} <= found[Outcome.PASSED]
    (logs,) = (item.verdict for item in run.results if item.check == "secrets.logs")
    assert "admin (plain) in s.log.1.gz:2" in (logs.actual or "")
    assert "admin (plain) in b.log:" in (logs.actual or "")
    assert ADMIN not in logs.summary + (logs.actual or "")


def test_a_log_that_is_cut_short_is_not_called_clean(tmp_path: Path) -> None:
    log = tmp_path / "s.log"
    log.write_text("what was written before\n" * 20)
    keys = Keys()

    def handler(connection: Connection) -> None:
        log.write_text("")
        keys.serve(connection)

    places = f'\n[places]\nlogs = [{{ file = "{log}" }}]\n'
    with scripted(handler) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADMIN_KEY", ADMIN)
        run = judged(PROFILE % server.origin + places, tmp_path, "preflight", "secrets")
    assert "secrets.logs" in outcomes(run)[Outcome.INCONCLUSIVE]
    (logs,) = (item.verdict for item in run.results if item.check == "secrets.logs")
    assert "cut short during the run" in logs.summary
