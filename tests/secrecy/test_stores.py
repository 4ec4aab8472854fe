"""Stores of every kind are read; what is wrong in them is told apart."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import json
import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tollproof.errors import Undetermined
from tollproof.profile.acts import StorePlace
from tollproof.redaction import Credential, Redactor
from tollproof.secrecy.salting import Sought, Stored, Table, examine
from tollproof.secrecy.stores import Store, read_store

KEYS = {
    "alpha": "tp_live_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3",
    "beta": "tp_live_Ws5Jf8Gp3Ne6Qa1Cu4Xz7Mk9",
}
PEPPER = b"somewhere else"
Rows = list[dict[str, object]]


def sought() -> Sought:
    redactor = Redactor()
    for label, value in KEYS.items():
        redactor.add(Credential(label=label, value=value, public_prefix="tp_live_"))
    return Sought(redactor=redactor, values=KEYS)


def rows(stored: Callable[[str, bytes], object], one_salt: bool = False) -> Rows:
    alike = secrets.token_bytes(16)
    made = []
    for number, key in enumerate(KEYS.values()):
        salt = alike if one_salt else secrets.token_bytes(16)
        made.append(
            {
                "id": number,
                "salt": salt.hex(),
                "hash": stored(key, salt),
                "last": key[-4:],
            }
        )
    return made


def keyed(key: str, salt: bytes) -> str:
    return hmac.new(PEPPER, salt + key.encode(), "sha256").hexdigest()


CASES: dict[str, tuple[Rows, set[str]]] = {
    "right": (rows(keyed), set()),
    "raw": (rows(lambda key, _: key), {"raw"}),
    "raw in base64": (
        rows(lambda key, _: base64.b64encode(key.encode()).decode()),
        {"raw"},
    ),
    "sha256": (
        rows(lambda key, _: hashlib.sha256(key.encode()).hexdigest()),
        {"unsalted"},
    ),
    "md5 in base64": (
        rows(
            lambda key, _: base64.b64encode(
                hashlib.md5(key.encode(), usedforsecurity=False).digest()
            ).decode()
        ),
        {"unsalted"},
    ),
    "salted": (
        rows(lambda key, salt: hashlib.sha256(salt + key.encode()).hexdigest()),
        {"unkeyed"},
    ),
    "keyed with its salt": (
        rows(lambda key, salt: hmac.new(salt, key.encode(), "sha512").hexdigest()),
        {"unkeyed"},
    ),
    "one salt": (rows(keyed, one_salt=True), {"one_salt"}),
}


def as_sqlite(folder: Path, content: Rows) -> StorePlace:
    with sqlite3.connect(folder / "s.db") as database:
        database.execute("CREATE TABLE keys (id, salt, hash, last)")
        database.executemany(
            "INSERT INTO keys VALUES (:id, :salt, :hash, :last)", content
        )
    database.close()
    return StorePlace(sqlite="s.db")


def as_sql(folder: Path, content: Rows) -> StorePlace:
    values = ",\n".join(
        f"({row['id']}, '{row['salt']}', '{row['hash']}', 'it''s {row['last']}')"
        for row in content
    )
    into = "INSERT INTO `keys` (id, salt, hash, last) VALUES"
    text = f"CREATE TABLE keys;\n{into} {values};"
    (folder / "dump.sql").write_text(text)
    return StorePlace(dump="dump.sql")


def as_copy(folder: Path, content: Rows) -> StorePlace:
    lines = "\n".join("\t".join(map(str, row.values())) for row in content)
    text = f"COPY public.keys (id, salt, hash, last) FROM stdin;\n{lines}\n\\.\n"
    (folder / "dump.sql").write_text(text)
    return StorePlace(dump="dump.sql")


def as_json(folder: Path, content: Rows) -> StorePlace:
    (folder / "dump.json").write_text(json.dumps({"collections": {"keys": content}}))
    return StorePlace(dump="dump.json")


def as_json_lines(folder: Path, content: Rows) -> StorePlace:
    (folder / "dump.json").write_text("\n".join(map(json.dumps, content)))
    return StorePlace(dump="dump.json")


def as_csv(folder: Path, content: Rows) -> StorePlace:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(content[0]))
    writer.writeheader()
    writer.writerows(content)
    (folder / "export").mkdir()
    (folder / "export" / "keys.csv").write_text(out.getvalue())
    return StorePlace(dump="export")


def found_in(store: Store) -> Stored:
    return examine(store.tables, sought(), store.name)


def kinds(found: Stored) -> set[str]:
    names = ("raw", "unsalted", "unkeyed", "one_salt")
    return {name for name in names if getattr(found, name)}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "write", [as_sqlite, as_sql, as_copy, as_json, as_json_lines, as_csv]
)
def test_each_mistake_is_told_from_each_other(
    tmp_path: Path, case: str, write: Callable[[Path, Rows], StorePlace]
) -> None:
    content, expected = CASES[case]
    found = found_in(read_store(write(tmp_path, content), tmp_path))
    assert kinds(found) == expected
    assert not any(key in repr(found) for key in KEYS.values())


def test_bytes_are_read_like_their_hexadecimal_form() -> None:
    digest = hashlib.sha256(KEYS["alpha"].encode()).digest()
    table = Table(name="keys", columns=("hash",), rows=[(digest,), (os.urandom(32),)])
    (finding,) = examine([table], sought(), "s.db").unsalted
    assert finding.where == "s.db, keys.hash"
    assert finding.kind == "alpha (sha256-hex)"


def test_hashes_of_password_hashers_may_not_share_a_salt() -> None:
    def row(salt: str, digest: str) -> tuple[str]:
        return (f"$argon2id$v=19$m=65536,t=3,p=4${salt}${digest}",)

    alike = [row("c29tZXNhbHQxMjM0", "aaaaaaaa"), row("c29tZXNhbHQxMjM0", "bbbbbbbb")]
    apart = [row("c29tZXNhbHQxMjM0", "aaaaaaaa"), row("b3RoZXJzYWx0MTIz", "bbbbbbbb")]
    for content, count in ((alike, 1), (apart, 0)):
        table = Table(name="users", columns=("password",), rows=content)
        assert len(examine([table], sought(), "s").one_salt) == count


def test_a_locked_database_is_read_as_bytes_and_said(tmp_path: Path) -> None:
    place = as_sqlite(tmp_path, CASES["raw"][0])
    holder = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        store = read_store(place, tmp_path)
    finally:
        holder.close()
    assert KEYS["alpha"].encode() in store.files[0].data
    assert "locked" in " ".join(store.notes)


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk.db").write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    assert "cannot be read" in " ".join(
        read_store(StorePlace(sqlite="junk.db"), tmp_path).notes
    )
    for place in (
        StorePlace(sqlite="none.db"),
        StorePlace(dump="empty"),
        StorePlace(command=("false",)),
    ):
        with pytest.raises(Undetermined):
            read_store(place, tmp_path)


def test_the_newest_rows_of_a_large_table_are_read(tmp_path: Path) -> None:
    content = [{"id": n, "salt": "", "hash": "x", "last": ""} for n in range(6_000)]
    content.append({"id": 1, "salt": "", "hash": KEYS["alpha"], "last": ""})
    store = read_store(as_sqlite(tmp_path, content), tmp_path)
    assert store.tables[0].cut
    assert kinds(found_in(store)) == {"raw"}
