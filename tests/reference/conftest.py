"""A Redis server of our own, where the machine has one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import require


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start Redis on a socket file, without persistence, for the tests that need it."""
    program = require("redis-server")
    folder: Path = tmp_path_factory.mktemp("redis")
    place = folder / "redis.sock"
    with subprocess.Popen(
        [program, "--port", "0", "--unixsocket", place, "--save", "", "--dir", folder],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        # It says that it is ready, or its output ends because it failed.
        assert any("eady to accept" in line for line in process.stdout)
        yield f"unix://{place}"
        process.terminate()
        process.wait(30)
