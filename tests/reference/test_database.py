"""Processes that start together share one file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tollproof.reference.database import connect

FILES, PROCESSES = 200, 4
OPENER = f"""
import sys
from pathlib import Path
from tollproof.reference.database import connect
print("ready", flush=True)
sys.stdin.read()
for number in range({FILES}):
    connection = connect(Path(sys.argv[1]) / f"{{number}}.db")
    connection.execute("CREATE TABLE IF NOT EXISTS seen (who INTEGER)")
    connection.execute("INSERT INTO seen VALUES (1)")
    connection.close()
"""


def test_processes_that_start_together_wait_for_each_other(tmp_path: Path) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.close()
        opener.stdin = None
    for opener in openers:
        _, complaint = opener.communicate(timeout=60)
        assert not complaint
        assert opener.returncode == 0
    for number in range(FILES):
        connection = connect(tmp_path / f"{number}.db")
        seen = connection.execute("SELECT count(*) FROM seen").fetchone()
        connection.close()
        assert seen == (PROCESSES,)
