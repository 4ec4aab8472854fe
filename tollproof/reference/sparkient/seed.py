"""What a fresh deployment holds: two organisations, their keys and decisions.

Roles and names are always the same, secrets never. Each key lies in a file of its own
that only its owner can read; the database holds hashes.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollproof.reference.database import connect
from tollproof.reference.sparkient.decisions import DecisionStore
from tollproof.reference.sparkient.keys import KeyStore, Role
from tollproof.reference.sparkient.lapses import LAPSES, LapsingKeyStore
from tollproof.reference.sparkient.loopholes import Loopholes
from tollproof.reference.sparkient.oauth import LOOPHOLES, Rules, TokenEndpoint
from tollproof.reference.sparkient.spills import STORED, WHOSE, Hoard, write_source
from tollproof.reference.sparkient.users import UserStore

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
    # Of two organisations, so that a limit per key, per organisation and for all are
    # three different things.
    *(Cast(name=f"burst{number}", purpose=("burst",)) for number in (1, 2)),
    *(
        Cast(name=f"burst{number}", organisation="globex", purpose=("burst",))
        for number in (3, 4)
    ),
    *(Cast(name=f"bystander{number}", purpose=("bystander",)) for number in (1, 2)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the dashboard who has logged in before."""

    name: str
    organisation: str
    role: Role = Role.MEMBER

    @property
    def subject(self) -> str:
        """The `sub` of the user's ID tokens."""
        return f"firebase-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A client of the token endpoint.

    Attributes:
        life: seconds that its access tokens live.
    """

    name: str
    organisation: str = "acme"
    role: Role = Role.MEMBER
    life: float = 300.0
    state: str = "live"


USERS = (
    User(name="user", organisation="acme"),
    User(name="visitor", organisation="globex"),
)
CLIENTS = (
    Registered(name="svc"),
    Registered(name="brief", life=3.0),
    Registered(name="former", state="revoked"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The open database of a deployment, and the ways past it."""

    connection: sqlite3.Connection
    keys: KeyStore
    decisions: DecisionStore
    users: UserStore
    endpoint: TokenEndpoint
    loopholes: Loopholes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What is known of the seeds, beside the files with the keys.

    Attributes:
        key_files: by identity.
        decisions: ids of decisions by identity: each owns one, of its organisation.
        spare_keys: ids of keys by organisation that nobody uses, to be revoked.
        client_files: JSON with client id and secret, by client.
    """

    key_files: Mapping[str, Path]
    decisions: Mapping[str, str]
    spare_keys: Mapping[str, str]
    client_files: Mapping[str, Path]


def open_stores(folder: Path, faults: frozenset[str]) -> Stores:
    """Open the database in a run folder, making it when there is none."""
    pepper = _pepper(folder / "pepper")
    connection = connect(folder / "sparkient.db")
    loopholes = Loopholes(faults, connection, pepper) if faults else None
    made = loopholes.remember if loopholes else None
    if STORED & faults:
        made = Hoard(faults, connection, pepper).keep
    lapsing = LAPSES & faults
    keys = (
        LapsingKeyStore(connection, pepper, made, faults=lapsing, seeded=_SEEDED)
        if lapsing
        else KeyStore(connection, pepper, made)
    )
    if loopholes:
        loopholes.keys = keys
    return Stores(
        connection=connection,
        keys=keys,
        decisions=DecisionStore(connection),
        users=UserStore(connection, faults),
        endpoint=TokenEndpoint(
            connection=connection, pepper=pepper, rules=_rules(faults)
        ),
        loopholes=loopholes,
    )


_SEEDED = frozenset({"spare", *(cast.name for cast in IDENTITIES)})


def _rules(faults: frozenset[str]) -> Rules:
    broken: dict[str, Any] = {}
    for fault in sorted(faults & LOOPHOLES.keys()):
        broken |= LOOPHOLES[fault]
    return Rules(**broken)


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
        for user in USERS:
            email = f"{user.name}@{user.organisation}.example"
            stores.users.add(user.subject, user.organisation, email, user.role, now)
            text = f"A text that {user.organisation} had decided about for {user.name}"
            decision = stores.decisions.decide(
                user.organisation, "demo", text, now, seeded=True
            )
            decisions[user.name] = decision["id"]
        client_files = {
            client.name: _register(stores, client, secrets_folder, now)
            for client in CLIENTS
        }
        spare_keys = {
            name: stores.keys.create(name, "spare", Role.READER, now).id
            for name in ORGANISATIONS
        }
    stores.connection.close()
    write_source(folder, faults, key_files[WHOSE].read_text())
    return Seeded(
        key_files=key_files,
        decisions=decisions,
        spare_keys=spare_keys,
        client_files=client_files,
    )


def _register(stores: Stores, client: Registered, folder: Path, now: float) -> Path:
    client_id, secret = stores.endpoint.register(
        client.name, client.organisation, client.role, client.life
    )
    if client.state == "revoked":
        stores.endpoint.revoke(client.organisation, client_id, now)
    path = folder / f"{client.name}.json"
    pair = {"client_id": client_id, "client_secret": secret}
    write_secret(path, json.dumps(pair))
    return path


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
