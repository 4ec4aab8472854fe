"""What is stored of a credential: raw, digested without a salt, without a key, alike.

Knows credentials, and the cells of tables. An HMAC under a pepper that is not in the
store cannot be told from chance, and that is the point of it: here is found whatever
can be recomputed by somebody who holds the store and one credential.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tollproof.redaction import Redactor
from tollproof.secrecy.finding import Finding

Cell = bytes | str | int | float | None
Row = Sequence[Cell]

#: Digests by their length in bytes: only what fits is tried.
_BY_LENGTH: Mapping[int, tuple[str, ...]] = {
    16: ("md5",),
    20: ("sha1",),
    28: ("sha224",),
    32: ("sha256", "sha3_256", "blake2s"),
    48: ("sha384",),
    64: ("sha512", "blake2b"),
}
#: Rows of a table that are looked at, digests that are computed, and the salts and
#: tables that are tried for each row.
MOST_ROWS = 5_000
MOST_DIGESTS = 400_000
_LONGEST_SALT = 128
_SALTED = re.compile(r"salt|nonce", re.IGNORECASE)
_COMMON = re.compile(r"salt|pepper|secret|config|setting", re.IGNORECASE)
_PHC = re.compile(
    r"\$(?:argon2(?:id|i|d)\$v=\d+\$[^$]{1,80}|scrypt\$[^$]{1,80}"
    r"|pbkdf2[-\w]*\$[^$]{1,40})\$([A-Za-z0-9+/._=-]{8,120})\$"
    r"|\$2[abxy]\$\d\d\$([./A-Za-z0-9]{22})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a store.

    Attributes:
        cut: whether it has more rows than these.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What was found in the tables of a store, by what is wrong with it."""

    raw: tuple[Finding, ...] = ()
    unsalted: tuple[Finding, ...] = ()
    unkeyed: tuple[Finding, ...] = ()
    one_salt: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """The credentials of the run.

    Attributes:
        values: some of the credentials themselves, by what they are called: a store
            keeps all of its keys in one way.
    """

    redactor: Redactor = field(repr=False)
    values: Mapping[str, str] = field(repr=False)


def examine(tables: Sequence[Table], sought: Sought, store: str) -> Stored:
    """Look at every cell of the tables.

    Args:
        store: what the store is called in findings.
    """
    raw: dict[Finding, None] = {}
    unsalted: dict[Finding, None] = {}
    unkeyed: dict[Finding, None] = {}
    one_salt: dict[Finding, None] = {}
    common = _common_salts(tables)
    left = [MOST_DIGESTS]
    for table in tables:
        for column, cell, _ in _cells(table):
            for kind, plain in _leaks(cell, sought.redactor):
                where = f"{store}, {table.name}.{column}"
                (raw if plain else unsalted)[Finding(where=where, kind=kind)] = None
        for row in table.rows:
            for column, kind in _recomputed(table, row, common, sought, left):
                where = f"{store}, {table.name}.{column}"
                unkeyed[Finding(where=where, kind=kind)] = None
        for column, kind in _alike(table):
            where = f"{store}, {table.name}.{column}"
            one_salt[Finding(where=where, kind=kind)] = None
    return Stored(
        raw=tuple(raw),
        unsalted=tuple(unsalted),
        unkeyed=tuple(unkeyed),
        one_salt=tuple(one_salt),
    )


def _cells(table: Table) -> Iterator[tuple[str, bytes, Cell]]:
    for row in table.rows:
        for column, cell in zip(table.columns, row, strict=False):
            if isinstance(cell, str):
                yield column, cell.encode("utf-8", "surrogatepass"), cell
            elif isinstance(cell, bytes):
                yield column, cell, cell


def _leaks(cell: bytes, redactor: Redactor) -> Iterator[tuple[str, bool]]:
    """Yield what a cell gives away, and whether the credential can be read from it."""
    found = [*redactor.find(cell, "")]
    if len(cell) in _BY_LENGTH:
        # A digest kept as bytes is known by its hexadecimal form.
        found += redactor.find(cell.hex(), "")
    for leak in found:
        digest = re.match(r"(?:md5|sha\d+)-", leak.encoding)
        yield f"{leak.credential} ({leak.encoding})", digest is None


# -- digests that can be recomputed --------------------------------------------------


def _common_salts(tables: Sequence[Table]) -> list[bytes]:
    """Return what may be one salt for all: in small tables, such as settings."""
    found: dict[bytes, None] = {}
    for table in tables:
        if len(table.rows) > 20:
            continue
        for column, _, cell in _cells(table):
            if isinstance(cell, bytes) or _COMMON.search(f"{table.name} {column}"):
                found |= dict.fromkeys(_readings(cell))
    return [item for item in found if 4 <= len(item) <= 64][:8]


def _recomputed(
    table: Table,
    row: Row,
    common: Sequence[bytes],
    sought: Sought,
    left: list[int],
) -> Iterator[tuple[str, str]]:
    """Yield columns that hold a digest of a credential with a salt beside it."""
    cells = dict(zip(table.columns, row, strict=False))
    readings = {
        name: _readings(cell)
        for name, cell in cells.items()
        if isinstance(cell, bytes | str) and len(cell) <= 2 * _LONGEST_SALT
    }
    salts = dict.fromkeys(
        [
            (name, salt)
            for name, items in readings.items()
            for salt in items
            if len(salt) <= _LONGEST_SALT
        ]
        + [("a salt for all", salt) for salt in common]
    )
    for name, items in readings.items():
        for digest in items:
            for algorithm in _BY_LENGTH.get(len(digest), ()):
                for label, value in sought.values.items():
                    for source, salt in salts:
                        if source == name or left[0] <= 0:
                            continue
                        left[0] -= 4
                        if digest in _digests(algorithm, salt, value.encode()):
                            yield (
                                name,
                                f"{label} ({algorithm}, salted with {source}, no key)",
                            )


def _digests(algorithm: str, salt: bytes, value: bytes) -> tuple[bytes, ...]:
    def plain(data: bytes) -> bytes:
        return hashlib.new(algorithm, data, usedforsecurity=False).digest()

    return (
        plain(salt + value),
        plain(value + salt),
        hmac.digest(salt, value, algorithm),
        hmac.digest(value, salt, algorithm),
    )


def _readings(cell: Cell) -> list[bytes]:
    """Return the bytes that a cell may stand for."""
    if isinstance(cell, bytes):
        return [cell]
    if not isinstance(cell, str) or not cell:
        return []
    found = [cell.encode("utf-8", "surrogatepass")]
    if len(cell) % 2 == 0 and re.fullmatch(r"[0-9A-Fa-f]+", cell):
        found.append(bytes.fromhex(cell))
    elif re.fullmatch(r"[A-Za-z0-9+/_-]{11,}={0,2}", cell):
        padded = cell.rstrip("=") + "=" * (-len(cell.rstrip("=")) % 4)
        try:
            found.append(base64.b64decode(padded.replace("-", "+").replace("_", "/")))
        except (binascii.Error, ValueError):
            return found
    return found


# -- one salt for all ----------------------------------------------------------------


def _alike(table: Table) -> Iterator[tuple[str, str]]:
    """Yield columns in which several rows have the same salt."""
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows if index < len(row)]
        salts = [cell for cell in cells if cell not in (None, "", b"")]
        if _SALTED.search(column) and len(salts) > 1 and len(set(salts)) < len(salts):
            yield column, f"one salt for {len(salts) - len(set(salts)) + 1} rows"
            continue
        texts = [cell for cell in cells if isinstance(cell, str)]
        inside = [
            match[1] or match[2] for text in texts if (match := _PHC.search(text))
        ]
        if len(inside) > 1 and len(set(inside)) < len(inside):
            yield column, f"one salt for {len(inside) - len(set(inside)) + 1} hashes"
