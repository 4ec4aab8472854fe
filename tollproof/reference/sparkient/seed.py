"""What a fresh deployment holds: two organisations, their keys and decisions.

Roles and names are always the same, secrets never. Each key lies in a file of its own
that only its owner can read; the database holds hashes.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tollproof.reference.sparkient.decisions import DecisionStore
from tollproof.reference.sparkient.keys import KeyStore, Role, connect
from tollproof.reference.sparkient.loopholes import Loopholes

ORGANISATIONS = {"acme": "Acme Corporation", "globex": "Globex Corporation"}
#: Requests in a window of the key that has a smaller limit than all others.
TINY_LIMIT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One identity of the deployment, as the profile tells of it.

    Attributes:
        state: `live`, or why it is refused, in the profile's words.
        requests: its own limit, where it has one.
    """

    name: str
    organisation: str = "acme"
    role: Role = Role.MEMBER
    state: str = "live"
    purpose: tuple[str, ...] = ()
    requests: int | None = None


IDENTITIES = (
    Cast(name="alpha", role=Role.ADMIN, purpose=("control",)),
    Cast(name="beta"),
    Cast(name="reader", role=Role.READER),
    Cast(name="gamma", organisation="globex", role=Role.ADMIN),
    Cast(name="revoked", role=Role.ADMIN, state="revoked"),
    Cast(name="expired", role=Role.ADMIN, state="expired"),
    Cast(name="staging", role=Role.ADMIN, state="wrong_environment"),
    Cast(name="tiny", requests=TINY_LIMIT, purpose=("burst",)),
    *(Cast(name=f"burst{number}", purpose=("burst",)) for number in range(1, 5)),
    *(Cast(name=f"bystander{number}", purpose=("bystander",)) for number in (1, 2)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The open database of a deployment, and the ways past it."""

    connection: sqlite3.Connection
    keys: KeyStore
    decisions: DecisionStore
    loopholes: Loopholes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What is known of the seeds, beside the files with the keys.

    Attributes:
        key_files: by identity.
        decisions: ids of decisions by identity: each owns one, of its organisation.
        spare_keys: ids of keys by organisation that nobody uses, to be revoked.
    """

    key_files: Mapping[str, Path]
    decisions: Mapping[str, str]
    spare_keys: Mapping[str, str]


def open_stores(folder: Path, faults: frozenset[str]) -> Stores:
    """Open the database in a run folder, making it when there is none."""
    pepper = _pepper(folder / "pepper")
    connection = connect(folder / "sparkient.db")
    loopholes = Loopholes(faults, connection, pepper) if faults else None
    made = loopholes.remember if loopholes else None
    keys = KeyStore(connection, pepper, made)
    if loopholes:
        loopholes.keys = keys
    return Stores(
        connection=connection,
        keys=keys,
        decisions=DecisionStore(connection),
        loopholes=loopholes,
    )


def _pepper(path: Path) -> bytes:
    if not path.exists():
        write_secret(path, secrets.token_hex(32))
    return bytes.fromhex(path.read_text())


def write_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def seed(folder: Path, faults: frozenset[str], window: float) -> Seeded:
    """Fill the database in a run folder, and write the keys beside it."""
    stores = open_stores(folder, faults)
    secrets_folder = folder / "secrets"
    secrets_folder.mkdir(mode=0o700)
    now = time.time()
    key_files: dict[str, Path] = {}
    decisions: dict[str, str] = {}
    with stores.connection:
        stores.connection.execute("BEGIN")
        stores.connection.executemany(
            "INSERT INTO organisations VALUES (?, ?)", ORGANISATIONS.items()
        )
        for cast in IDENTITIES:
            path = secrets_folder / f"{cast.name}.key"
            write_secret(path, _make_key(stores.keys, cast, now, window))
            key_files[cast.name] = path
            text = f"A text that {cast.organisation} had decided about for {cast.name}"
            decision = stores.decisions.decide(
                cast.organisation, "demo", text, now, seeded=True
            )
            decisions[cast.name] = decision["id"]
        spare_keys = {
            name: stores.keys.create(name, "spare", Role.READER, now).id
            for name in ORGANISATIONS
        }
    stores.connection.close()
    return Seeded(key_files=key_files, decisions=decisions, spare_keys=spare_keys)


def _make_key(keys: KeyStore, cast: Cast, now: float, window: float) -> str:
    made = keys.create(
        cast.organisation,
        cast.name,
        cast.role,
        now,
        environment="test" if cast.state == "wrong_environment" else "live",
        lifetime=-3600.0 if cast.state == "expired" else None,
        requests=cast.requests,
        seconds=window if cast.requests else None,
    )
    if cast.state == "revoked":
        keys.revoke(cast.organisation, made.id, now)
    return made.raw
