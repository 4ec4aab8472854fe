"""Files are read within bounds, whatever they are."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tollproof.errors import Undetermined
from tollproof.secrecy import places


def test_the_end_of_a_long_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ONE_FILE", 10)
    path = tmp_path / "server.log"
    path.write_bytes(b"0123456789abcdef")
    end = places.read_file(path, "server.log", end=True)
    assert (end.data, end.cut) == (b"6789abcdef", True)
    assert places.read_file(path, "server.log").data == b"0123456789"


def test_a_log_that_was_rotated_and_packed_is_read(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text("now")
    (tmp_path / "server.log.1").write_text("before")
    (tmp_path / "server.log.2.gz").write_bytes(gzip.compress(b"long ago"))
    (tmp_path / "server.login").write_text("another")
    found = places.rotated(tmp_path / "server.log")
    assert [places.read_file(path, "x").data for path in found] == [
        b"now",
        b"before",
        b"long ago",
    ]


def test_a_packed_log_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ONE_FILE", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0" * (50 << 20)))
    read = places.read_file(path, "bomb.gz")
    assert (len(read.data), read.cut) == (1 << 20, True)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "none", "."):
        with pytest.raises(Undetermined):
            places.read_file(tmp_path / name, name)


def test_a_huge_tree_is_read_in_part_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MOST_FILES", 5)
    for number in range(9):
        (tmp_path / f"{number}.py").write_text("x")
    found, left_out = places.files_in(tmp_path)
    assert len(found) == 5
    assert "more than 5 files" in left_out[0]


def test_links_and_foreign_folders_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "a.js").write_text("x")
    (tmp_path / "own.py").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.py").symlink_to("/etc/hostname")
    found, left_out = places.files_in(tmp_path)
    assert [path.name for path in found] == ["own.py"]
    assert left_out == ["link.py is a link"]


def test_a_program_that_prints_for_ever_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ONE_FILE", 1 << 16)
    read = places.read_program(("yes",), tmp_path)
    assert (len(read.data), read.cut) == (1 << 16, True)
