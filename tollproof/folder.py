"""The folder of a run: a former run in it waits aside until this one has judged.

Knows which files a run writes. Must not know what is in them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tollproof.errors import UsageError
from tollproof.record import JOURNAL, PLAN, RESULTS, is_draft
from tollproof.reporting import FORMATS

#: Where a former run in the same folder waits until this one has judged something.
FORMER = ".former"


def make_room(folder: Path) -> None:
    """Set a former run in the folder aside; refuse a folder with anything else in it.

    Raises:
        UsageError: there are files in it that no run of ours has written.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder}: --output must be a folder")
    written = {PLAN, RESULTS, JOURNAL, *(form.file for form in FORMATS.values())}
    names = {item.name for item in folder.iterdir()} - {FORMER}
    drafts = {name for name in names if is_draft(name, written)}
    strange = sorted(names - written - drafts)
    if strange:
        raise UsageError(
            f"{folder}: holds {strange[0]!r}, which is not of a run; "
            "give --output a folder of its own"
        )
    # One that a killed run had set aside is older than what it left behind itself.
    shutil.rmtree(folder / FORMER, ignore_errors=True)
    if names:
        (folder / FORMER).mkdir()
    for name in names:
        (folder / name).rename(folder / FORMER / name)


def restore(folder: Path) -> None:
    """Leave the folder as it was before the run, which has judged nothing."""
    former = folder / FORMER
    if not former.exists():
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path.is_dir() and path != former:
            shutil.rmtree(path)
        elif path != former:
            path.unlink()
    for path in former.iterdir():
        path.rename(folder / path.name)
    former.rmdir()


def forget_former(folder: Path) -> None:
    """Remove the former run: this one has taken its place."""
    shutil.rmtree(folder / FORMER, ignore_errors=True)
