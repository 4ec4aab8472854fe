"""Processes that start together share one file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OPENER = """
import sys
from pathlib import Path
from tollproof.reference.database import connect
sys.stdin.read()
connection = connect(Path(sys.argv[1]))
connection.execute("CREATE TABLE IF NOT EXISTS seen (who INTEGER)")
connection.execute("INSERT INTO seen VALUES (1)")
"""


def test_processes_that_start_together_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    # They have imported what they need and wait; closing the pipes lets them go.
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.close()
        opener.stdin = None
    for opener in openers:
        _, complaint = opener.communicate(timeout=60)
        assert not complaint
        assert opener.returncode == 0
    from tollproof.reference.database import connect

    connection = connect(path)
    assert connection.execute("SELECT count(*) FROM seen").fetchone() == (6,)
    connection.close()
