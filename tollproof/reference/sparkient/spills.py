"""Faults of where secrets lie: in answers, bundles, logs, the database, source files.

Each spills one thing in one place. What is spilled is the deployment's own, made for
this run; what looks like a cloud's key is none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from urllib.parse import quote

from tollproof.reference.lifecycle_faults import SECRETS
from tollproof.reference.sparkient.blemishes import Blemish
from tollproof.reference.sparkient.errors import envelope
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.routes import Service

#: The faults that are made here.
SPILLS = frozenset(name for _, name, _ in SECRETS)
#: Whose key lies where it should not.
WHOSE = "bystander2"
#: Of the form of a cloud's key; written in two, so that nobody takes it for one.
CLOUD_KEY = "AKIA" + "Q3EGTV5XN2LKJ7WD"

_CLEAN = '''"""Settings of the service: secrets come from the environment."""

import os

PEPPER = os.environ["SPARKIENT_PEPPER"]
DATABASE = os.environ.get("SPARKIENT_DATABASE", "sparkient.db")
'''
_SHELL = '''"""Backups."""

import subprocess


def back_up(name: str) -> None:
    subprocess.run("tar cf backup.tar " + name, shell=True)
'''


# -- the store -------------------------------------------------------------------------


class Hoard:
    """Keeps more of each new key than it should."""

    def __init__(
        self, faults: Collection[str], connection: sqlite3.Connection, pepper: bytes
    ) -> None:
        self._faults = faults
        self._connection = connection
        self._pepper = pepper
        connection.execute(
            "CREATE TABLE IF NOT EXISTS former_keys (id TEXT, salt BLOB, hash)"
        )
        self._salt = hashlib.sha256(b"one salt for all").digest()[:16]

    def keep(self, key_id: str, raw: str) -> None:
        """Store a new key once more, as the faults say."""
        salt = secrets.token_bytes(16)
        kept: Mapping[str, tuple[bytes | None, bytes | str]] = {
            "secrets-key-stored": (None, base64.b64encode(raw.encode()).decode()),
            "secrets-digest-unsalted": (None, hashlib.sha256(raw.encode()).digest()),
            "secrets-digest-unkeyed": (
                salt,
                hashlib.sha256(salt + raw.encode()).hexdigest(),
            ),
            "secrets-one-salt": (
                self._salt,
                hmac.digest(self._pepper, self._salt + raw.encode(), "sha256"),
            ),
        }
        for fault, (own_salt, stored) in kept.items():
            if fault in self._faults:
                self._connection.execute(
                    "INSERT INTO former_keys VALUES (?, ?, ?)",
                    (key_id, own_salt, stored),
                )


STORED = frozenset(
    {
        "secrets-key-stored",
        "secrets-digest-unsalted",
        "secrets-digest-unkeyed",
        "secrets-one-salt",
    }
)


# -- answers ---------------------------------------------------------------------------


def _bearer(call: Call) -> str:
    return call.value(b"authorization").rpartition(b" ")[2].decode("latin-1")


def _is_me(call: Call, answer: Answer) -> bool:
    return call.path == "/api/v1/me" and answer.status == 200 and bool(answer.body)


def _in_answer(service: Service, call: Call, answer: Answer) -> None:
    if _is_me(call, answer):
        document = json.loads(answer.body)
        document["trace"] = base64.b64encode(_bearer(call).encode("latin-1")).decode()
        answer.body = json.dumps(document).encode()


def _in_error(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 403 and call.principal is not None:
        message = f"The key {quote(_bearer(call))} is not allowed to do this"
        answer.body = envelope(403, message).body


def _in_header(service: Service, call: Call, answer: Answer) -> None:
    if _is_me(call, answer):
        answer.fields["x-trace"] = _bearer(call).encode("latin-1").hex()


def _in_location(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 201 and call.path == "/api/v1/keys":
        made = json.loads(answer.body)
        answer.fields["location"] = f"/api/v1/keys/{made['id']}?key={made['key']}"


def _bundle(more: str) -> Blemish:
    def spoil(service: Service, call: Call, answer: Answer) -> None:
        if call.path == "/dashboard.js" and answer.status == 200 and answer.body:
            answer.body += more.encode()

    return spoil


def _log(path: Path) -> Blemish:
    def spoil(service: Service, call: Call, answer: Answer) -> None:
        if call.path == "/api/v1/me" and call.principal is not None:
            with path.open("a", encoding="utf-8") as log:
                log.write(f"DEBUG headers: authorization=Bearer {_bearer(call)}\n")

    return spoil


def spills(faults: Collection[str], folder: Path) -> tuple[Blemish, ...]:
    """Return what spoils the answers of a deployment with these faults."""

    def key() -> str:
        return (folder / "secrets" / f"{WHOSE}.key").read_text()

    mapped = {
        "version": 3,
        "sources": ["src/upload.ts"],
        "sourcesContent": [f'const id = "{CLOUD_KEY}"; // pragma: allowlist secret'],
    }
    encoded = base64.b64encode(json.dumps(mapped).encode()).decode()
    makers: Mapping[str, Callable[[], Blemish]] = {
        "secrets-key-in-answer": lambda: _in_answer,
        "secrets-key-in-error": lambda: _in_error,
        "secrets-key-in-header": lambda: _in_header,
        "secrets-key-in-location": lambda: _in_location,
        "secrets-key-in-bundle": lambda: _bundle(f'\nconst key = "{key()}";\n'),
        "secrets-cloud-key-in-map": lambda: _bundle(
            f"\n//# sourceMappingURL=data:application/json;base64,{encoded}\n"
        ),
        "secrets-key-in-log": lambda: _log(folder / "server.log"),
    }
    return tuple(make() for name, make in makers.items() if name in faults)


# -- source ----------------------------------------------------------------------------


def write_source(folder: Path, faults: Collection[str], key: str) -> None:
    """Write the source folder that the profile names.

    Args:
        key: of an identity: what a fault leaves lying in it.
    """
    source = folder / "source"
    source.mkdir()
    settings = source / "settings.py"
    settings.write_text(_CLEAN)
    if "secrets-key-in-history" in faults:
        _commit(source, settings, f"{_CLEAN}KEY = {key!r}\n")
    if "secrets-key-in-source" in faults:
        settings.write_text(f"{_CLEAN}KEY = {key!r}\n")
    if "secrets-cloud-key-in-source" in faults:
        text = f'{_CLEAN}BUCKET_KEY = "{CLOUD_KEY}"  # pragma: allowlist secret\n'
        settings.write_text(text)
    if "secrets-shell-in-source" in faults:
        (source / "backup.py").write_text(_SHELL)


def _commit(source: Path, settings: Path, former: str) -> None:
    """Make a repository whose first commit held what the second takes out."""
    git = shutil.which("git") or "git"
    who = ["-c", "user.name=sparkient", "-c", "user.email=sparkient@localhost"]
    subprocess.run([git, "init", "-q"], cwd=source, check=True)  # noqa: S603
    for text in (former, _CLEAN):
        settings.write_text(text)
        subprocess.run([git, "add", "."], cwd=source, check=True)  # noqa: S603
        subprocess.run(  # noqa: S603
            [git, *who, "commit", "-q", "-m", "settings"], cwd=source, check=True
        )
