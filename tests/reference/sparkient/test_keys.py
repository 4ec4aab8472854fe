"""Keys are never stored, verified exactly, and revoked at once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollproof.reference.database import connect
from tollproof.reference.sparkient.keys import FORM, Flaw, KeyStore

NOW = 1e9


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = connect(tmp_path / "keys.db")
    yield made
    made.close()


@pytest.fixture
def keys(connection: sqlite3.Connection) -> KeyStore:
    store = KeyStore(connection, b"p" * 32)
    connection.execute("INSERT INTO organisations VALUES ('acme', 'Acme')")
    return store


def test_a_key_is_verified_and_its_neighbours_are_not(keys: KeyStore) -> None:
    made = keys.create("acme", "one", "member", NOW)
    assert FORM.fullmatch(made.raw)
    who = keys.verify(made.raw, NOW)
    assert who
    assert (who.id, who.organisation, who.role) == (made.id, "acme", "member")
    assert who.flaw is None
    for other in (made.raw[:-1], made.raw + "A", made.raw.swapcase(), "", "sk_live_"):
        assert keys.verify(other, NOW) is None


def test_what_is_stored_is_a_keyed_hash_with_a_salt_of_its_own(
    keys: KeyStore, connection: sqlite3.Connection
) -> None:
    made = [keys.create("acme", str(number), "member", NOW) for number in range(20)]
    rows = connection.execute("SELECT salt, hash FROM keys").fetchall()
    assert len({salt for salt, _ in rows}) == len(made)
    assert all(len(salt) == 16 and len(digest) == 32 for salt, digest in rows)
    # Under another pepper the same row verifies nothing.
    stranger = KeyStore(connection, b"q" * 32)
    assert all(stranger.verify(key.raw, NOW) is None for key in made)


def test_a_listing_masks_and_stays_inside_the_organisation(keys: KeyStore) -> None:
    made = keys.create("acme", "one", "member", NOW)
    keys.create("globex", "two", "member", NOW)
    (shown,) = keys.listing("acme")
    assert re.fullmatch(r"sk_live_\*+[A-Za-z0-9]{4}", shown.masked)
    assert made.raw.endswith(shown.masked[-4:])
    assert shown.id == made.id


def test_revocation_is_for_good_and_only_by_the_owner(keys: KeyStore) -> None:
    made = keys.create("acme", "one", "member", NOW)
    assert not keys.revoke("globex", made.id, NOW)
    who = keys.verify(made.raw, NOW)
    assert who
    assert who.flaw is None
    assert keys.revoke("acme", made.id, NOW + 1)
    assert keys.revoke("acme", made.id, NOW + 2)
    (shown,) = keys.listing("acme")
    assert shown.revoked_at == NOW + 1
    who = keys.verify(made.raw, NOW + 3)
    assert who
    assert who.flaw is Flaw.REVOKED


def test_keys_expire_and_environments_are_kept_apart(keys: KeyStore) -> None:
    short = keys.create("acme", "short", "member", NOW, lifetime=10)
    test = keys.create("acme", "test", "member", NOW, environment="test")

    def flaw(raw: str, now: float) -> Flaw | None:
        who = keys.verify(raw, now)
        assert who
        return who.flaw

    assert flaw(short.raw, NOW + 9.9) is None
    assert flaw(short.raw, NOW + 10) is Flaw.EXPIRED
    assert test.raw.startswith("sk_test_")
    assert flaw(test.raw, NOW) is Flaw.OTHER_ENVIRONMENT
    assert keys.verify(test.raw.replace("_test_", "_live_"), NOW) is None


def test_made_keys_do_not_repeat(keys: KeyStore) -> None:
    made = {keys.create("acme", "x", "member", NOW).raw[8:] for _ in range(300)}
    assert len({raw[:10] for raw in made}) == len({raw[10:] for raw in made}) == 300
