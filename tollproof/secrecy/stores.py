"""Databases at rest: SQLite files, SQL dumps, JSON and CSV exports, folders of them.

Knows how to make tables of them, and to read a file that others are writing. A store
that is locked is read as bytes. Must not know what is wrong with a cell.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tollproof.errors import Undetermined
from tollproof.model import Reason
from tollproof.profile.acts import StorePlace
from tollproof.secrecy.places import Read, files_in, read_file, read_program
from tollproof.secrecy.salting import MOST_ROWS, Cell, Table

#: Seconds that a locked database is waited for.
PATIENCE = 2.0
_MOST_TABLES = 200
_LARGEST_CELL = 1 << 16
_SQLITE = b"SQLite format 3\0"
_INSERT = re.compile(
    r"""INSERT\s+INTO\s+["`\[]?(?:\w+["`\]]?\.["`\[]?)?(\w+)["`\]]?\s*"""
    r"""(?:\(([^()]{1,2000})\))?\s*VALUES\s*""",
    re.IGNORECASE,
)
_COPY = re.compile(r"COPY\s+(?:\w+\.)?\"?(\w+)\"?\s*\(([^()]{1,2000})\)\s+FROM\s+stdin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A store as it was read.

    Attributes:
        files: all of its bytes, deleted rows and logs of the database included.
        tables: what could be told apart in it.
        notes: what was left out, in words.
    """

    name: str
    files: tuple[Read, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def read_store(place: StorePlace, folder: Path) -> Store:
    """Read a store that a profile names.

    Raises:
        Undetermined: there is none, or nothing of it can be read.
    """
    if place.sqlite is not None:
        return _sqlite(folder / place.sqlite, place.sqlite)
    if place.command is not None:
        read = read_program(place.command, folder)
        return _of_files(read.name, [read])
    path = folder / (place.dump or "")
    if path.is_dir():
        paths, left_out = files_in(path)
        if not paths:
            raise Undetermined(Reason.PRECONDITION, f"{path.name}/ holds no files.")
        reads = [read_file(item, str(item.relative_to(path))) for item in paths]
        store = _of_files(path.name, reads)
        return Store(
            name=store.name,
            files=store.files,
            tables=store.tables,
            notes=store.notes + tuple(left_out),
        )
    read = read_file(path, path.name)
    if read.data.startswith(_SQLITE):
        return _sqlite(path, path.name)
    return _of_files(path.name, [read])


def _of_files(name: str, reads: list[Read]) -> Store:
    tables: list[Table] = []
    for read in reads:
        tables += tables_in(read)
    notes = tuple(f"{read.name} is read in part" for read in reads if read.cut)
    return Store(name=name, files=tuple(reads), tables=tuple(tables), notes=notes)


# -- SQLite --------------------------------------------------------------------------


def _sqlite(path: Path, name: str) -> Store:
    files = [read_file(path, path.name)]
    # What is committed may not have left the log yet, nor what is deleted the file.
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file():
            files.append(read_file(beside, beside.name))
    notes = [f"{read.name} is read in part" for read in files if read.cut]
    try:
        tables = _tables(path)
    except sqlite3.Error as error:
        tables = []
        notes.append(f"the rows of {path.name} cannot be read ({error})")
    return Store(
        name=Path(name).name,
        files=tuple(files),
        tables=tuple(tables),
        notes=tuple(notes),
    )


def _tables(path: Path) -> list[Table]:
    """Return the tables of a database, without changing a byte of it.

    Raises:
        sqlite3.Error: it is locked, broken, or no database.
    """
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE)
    try:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        names = [
            str(name)
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' LIMIT ?",
                (_MOST_TABLES,),
            )
        ]
        return [_table(connection, name) for name in names]
    finally:
        connection.close()


def _table(connection: sqlite3.Connection, name: str) -> Table:
    quoted = '"' + name.replace('"', '""') + '"'
    # The newest rows: those are the run's own. A name cannot be a parameter.
    query = f"SELECT * FROM {quoted} LIMIT ?"  # noqa: S608
    newest = f"SELECT * FROM {quoted} ORDER BY rowid DESC LIMIT ?"  # noqa: S608
    try:
        cursor = connection.execute(newest, (MOST_ROWS + 1,))
    except sqlite3.OperationalError:
        cursor = connection.execute(query, (MOST_ROWS + 1,))  # WITHOUT ROWID, a view
    columns = tuple(str(column[0]) for column in cursor.description or ())
    rows = [tuple(_bounded(cell) for cell in row) for row in cursor]
    return Table(
        name=name, columns=columns, rows=rows[:MOST_ROWS], cut=len(rows) > MOST_ROWS
    )


def _bounded(cell: Any) -> Cell:
    if isinstance(cell, str | bytes):
        return cell[:_LARGEST_CELL]
    return cell if isinstance(cell, int | float) else None


# -- text ----------------------------------------------------------------------------


def tables_in(read: Read) -> list[Table]:
    """Make tables of a dump or an export, as far as it can be understood."""
    text = read.data.decode("utf-8", "replace")
    name = read.name
    head = text.lstrip()[:1]
    if head in ("[", "{"):
        return _json_tables(text, name)
    if _INSERT.search(text) or _COPY.search(text):
        return [*_inserts(text), *_copies(text)]
    if name.endswith((".csv", ".tsv")) or "," in text.partition("\n")[0]:
        return _csv_tables(text, name)
    return []


def _json_tables(text: str, name: str) -> list[Table]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # One document a line, as MongoDB and others export.
        document = []
        for line in text.splitlines()[:MOST_ROWS]:
            try:
                document.append(json.loads(line))
            except (ValueError, RecursionError):
                continue
    waiting: list[tuple[str, Any]] = [(name, document)]
    tables: list[Table] = []
    while waiting and len(tables) < _MOST_TABLES:
        place, value = waiting.pop()
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            tables.append(_of_objects(place, value))
        elif isinstance(value, dict):
            tables.append(_of_objects(place, [value]))
            waiting += [(f"{place}/{key}", item) for key, item in value.items()]
    return tables


def _of_objects(name: str, items: list[Any]) -> Table:
    objects = [item for item in items if isinstance(item, dict)]
    columns = tuple(dict.fromkeys(str(key) for item in objects for key in item))[:500]
    rows = [tuple(_flat(item.get(column)) for column in columns) for item in objects]
    return Table(
        name=name, columns=columns, rows=rows[:MOST_ROWS], cut=len(rows) > MOST_ROWS
    )


def _flat(value: Any) -> Cell:
    if isinstance(value, dict | list):
        return json.dumps(value)[:_LARGEST_CELL]
    return _bounded(value)


def _csv_tables(text: str, name: str) -> list[Table]:
    delimiter = "\t" if name.endswith(".tsv") else ","
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        columns = tuple(next(reader, ()))
        rows = [tuple(row) for row, _ in zip(reader, range(MOST_ROWS), strict=False)]
    except csv.Error:
        return []
    return [Table(name=name, columns=columns, rows=rows)]


def _inserts(text: str) -> list[Table]:
    found: dict[str, tuple[tuple[str, ...], list[tuple[Cell, ...]]]] = {}
    for match in _INSERT.finditer(text):
        name = match[1]
        columns = _names(match[2]) if match[2] else ()
        known, rows = found.setdefault(name, (columns, []))
        for row in _tuples(text, match.end()):
            if len(rows) >= MOST_ROWS:
                break
            rows.append(row)
            if not known:
                known = tuple(f"column {number}" for number in range(1, len(row) + 1))
                found[name] = (known, rows)
    return [
        Table(name=name, columns=columns, rows=rows)
        for name, (columns, rows) in found.items()
    ]


def _copies(text: str) -> Iterator[Table]:
    for match in _COPY.finditer(text):
        end = text.find("\n\\.", match.end())
        body = text[match.end() : end if end >= 0 else None].partition("\n")[2]
        rows = [
            tuple(_postgres(cell) for cell in line.split("\t"))
            for line in body.splitlines()[:MOST_ROWS]
        ]
        yield Table(name=match[1], columns=_names(match[2]), rows=rows)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip('"`[]') for part in text.split(","))


def _postgres(cell: str) -> Cell:
    if cell == "\\N":
        return None
    if cell.startswith("\\\\x") and re.fullmatch(r"[0-9a-f]*", cell[3:]):
        return bytes.fromhex(cell[3:]) if len(cell) % 2 else cell
    return cell[:_LARGEST_CELL]


_VALUE = re.compile(
    r"\s*(?:[xX]'([0-9A-Fa-f]*)'|'((?:[^'\\]|''|\\.)*)'|([^,()'\s][^,()']*))\s*([,)])"
)
_OPEN = re.compile(r"\s*,?\s*\(")


def _tuples(text: str, place: int) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows that follow VALUES."""
    while opening := _OPEN.match(text, place):
        place, row = opening.end(), []
        while value := _VALUE.match(text, place):
            row.append(_literal(value))
            place = value.end()
            if value[4] == ")":
                break
        else:
            return
        yield tuple(row)


def _literal(value: re.Match[str]) -> Cell:
    if value[1] is not None:
        digits = value[1]
        return bytes.fromhex(digits) if len(digits) % 2 == 0 else digits
    if value[2] is not None:
        return value[2].replace("''", "'")[:_LARGEST_CELL]
    return None if value[3].strip().upper() == "NULL" else value[3].strip()


def describe(stores: Mapping[str, int]) -> str:
    """Name what was read, and how much of it."""
    return ", ".join(f"{name} ({size:,} bytes)" for name, size in stores.items())
