"""A log that is rotated during a run is found again, or said to be gone."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tollproof.secrecy.marks import gone, marks


def _renamed(log: Path) -> None:
    log.rename(log.with_name("server.log.1"))
    log.write_text("new")


def _not_reopened(log: Path) -> None:
    log.rename(log.with_name("server.log.1"))


def _packed(log: Path) -> None:
    log.with_name("server.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    log.write_text("new")


def _copied(log: Path) -> None:
    log.with_name("server.log.1").write_bytes(log.read_bytes())
    log.write_text("")


def _grown(log: Path) -> None:
    with log.open("a") as file:
        file.write("more")


def _cut_short(log: Path) -> None:
    log.write_text("")


def _replaced(log: Path) -> None:
    other = log.with_name("other")
    other.write_text("something else")
    other.replace(log)


def _removed(log: Path) -> None:
    log.unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_grown, ""),
        (_renamed, ""),
        (_not_reopened, ""),
        (_packed, ""),
        (_copied, ""),
        (_cut_short, "server.log was cut short"),
        (_replaced, "server.log was replaced"),
        (_removed, "server.log was replaced"),
    ],
)
def test_what_became_of_a_log_is_told(
    tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    log, old = tmp_path / "server.log", tmp_path / "server.log.9"
    log.write_text("what it held before")
    old.write_text("from long ago")
    os.utime(old, (1, 1))
    (mark,) = marks([log, tmp_path / "none"]).values()
    change(log)
    assert gone(log, mark).startswith(said) if said else gone(log, mark) == ""
