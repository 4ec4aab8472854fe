"""Reads files, folders and what programs print, within bounds.

Knows sizes, rotated logs, compressed files and huge trees. What is left out is said.
Must not know what is looked for.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tollproof.errors import Undetermined
from tollproof.model import Reason
from tollproof.programs import ProgramFailed, output_of

#: Bytes of one file that are read (its end, for a log), of all files of a place, and
#: how many files of a folder.
ONE_FILE = 64 << 20
ALL_FILES = 256 << 20
MOST_FILES = 20_000
#: Folders that hold what others have written, or what a tool made.
_FOREIGN = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".tox",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read of one thing.

    Attributes:
        cut: whether there was more than is read.
    """

    name: str
    data: bytes
    cut: bool = False


def read_file(path: Path, name: str, *, end: bool = False) -> Read:
    """Read a file, up to :data:`ONE_FILE` bytes; `end`: its end, where it is longer.

    Raises:
        Undetermined: it cannot be read, or is no file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        raise Undetermined(
            Reason.PRECONDITION, f"{name} cannot be read: {reason}."
        ) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Undetermined(Reason.PRECONDITION, f"{name} is not a file.")
    with os.fdopen(descriptor, "rb") as file:
        size = status.st_size
        if end and size > ONE_FILE:
            file.seek(size - ONE_FILE)
        data = file.read(ONE_FILE + 1)
    cut = size > ONE_FILE or len(data) > ONE_FILE
    data = data[:ONE_FILE]
    if data[:2] == b"\x1f\x8b":
        data, more = _unpacked(data)
        cut = cut or more
    return Read(name=name, data=data, cut=cut)


def _unpacked(data: bytes) -> tuple[bytes, bool]:
    packed = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = packed.decompress(data, ONE_FILE)
    except zlib.error:
        return data, False
    return plain, bool(packed.unconsumed_tail)


def rotated(path: Path) -> list[Path]:
    """Return a log and what it was rotated into: `server.log.1`, `server.log.2.gz`.

    A log that is rotated away while it is read is found under its next name.
    """
    found = [path]
    if path.parent.is_dir():
        found += sorted(
            item
            for item in path.parent.glob(f"{_literal(path.name)}[.-]*")
            if item.is_file() and any(letter.isdigit() for letter in item.name)
        )[:20]
    return found


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def read_program(argv: Sequence[str], folder: Path) -> Read:
    """Run a program and read what it prints, up to :data:`ONE_FILE` bytes.

    Raises:
        Undetermined: it failed, or took too long.
    """
    name = " ".join(argv)[:80]
    try:
        data, cut = output_of(
            argv, folder=folder, limit=ONE_FILE, environ=dict(os.environ)
        )
    except ProgramFailed as error:
        raise Undetermined(Reason.PRECONDITION, f"{name}: {error}.") from None
    return Read(name=name, data=data, cut=cut)


def files_in(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files of a tree, and what was left out of it, in words.

    Links are not followed, and folders of other people's code are not entered.
    """
    found: list[Path] = []
    left_out: list[str] = []
    total = 0
    for path in _walk(folder, left_out):
        try:
            size = path.stat(follow_symlinks=False).st_size
        except OSError:
            continue
        if len(found) >= MOST_FILES or total + size > ALL_FILES:
            left_out.append(
                f"{folder} holds more than {MOST_FILES} files or "
                f"{ALL_FILES >> 20} MiB: the rest was not read"
            )
            break
        total += size
        found.append(path)
    return found, left_out


def _walk(folder: Path, left_out: list[str]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        kept = sorted(name for name in folders if name not in _FOREIGN)
        folders[:] = kept
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_symlink():
                left_out.append(f"{path.relative_to(folder)} is a link")
            elif path.is_file():
                yield path


def is_text(data: bytes) -> bool:
    """Whether data reads as text: no zero byte near its beginning."""
    return b"\0" not in data[:8192]
