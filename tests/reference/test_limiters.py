"""Limiters admit exactly what they promise, among threads, processes and stores."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.reference.limiters import (
    Decision,
    Limiter,
    MemoryLimiter,
    RedisLimiter,
    SqliteLimiter,
)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def limiter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Limiter]:
    if request.param == "memory":
        made: Limiter = MemoryLimiter()
    elif request.param == "sqlite":
        made = SqliteLimiter(tmp_path / "windows.db")
    else:
        url = request.getfixturevalue("redis_url")
        made = RedisLimiter(url, f"test:{uuid.uuid4()}")
    yield made
    made.close()


def test_a_window_begins_with_its_first_request_and_admits_the_limit(
    limiter: Limiter,
) -> None:
    times = (1000.5, 1001.0, 1009.0, 1010.4, 1010.5, 1011.0)
    decisions = [limiter.hit("k", 2, 10.0, now) for now in times]
    assert [item.allowed for item in decisions] == [
        True, True, False, False, True, True,
    ]  # fmt: skip
    assert [item.remaining for item in decisions] == [1, 0, 0, 0, 1, 0]
    assert [item.reset_at for item in decisions] == [1010.5] * 4 + [1020.5] * 2
    assert decisions[2] == Decision(
        allowed=False, limit=2, remaining=0, reset_at=1010.5, retry_after=1.5
    )


def test_keys_have_allowances_of_their_own(limiter: Limiter) -> None:
    assert all(limiter.hit(key, 1, 10.0, 1.0).allowed for key in "abc")
    assert not limiter.hit("a", 1, 10.0, 2.0).allowed


def test_a_clock_that_was_set_back_locks_nobody_out(limiter: Limiter) -> None:
    assert limiter.hit("k", 1, 10.0, 5000.0).allowed
    assert limiter.hit("k", 1, 10.0, 1000.0).allowed


def test_threads_are_admitted_exactly_the_limit(limiter: Limiter) -> None:
    with ThreadPoolExecutor(16) as pool:
        decisions = list(
            pool.map(lambda _: limiter.hit("k", 50, 60.0, 1e6), range(200))
        )
    admitted = [item for item in decisions if item.allowed]
    assert len(admitted) == 50
    assert sorted(item.remaining for item in admitted) == list(range(50))


HITTER = """
import sys
from pathlib import Path
from tollproof.reference.limiters import SqliteLimiter
limiter = SqliteLimiter(Path(sys.argv[1]))
print(sum(limiter.hit("k", 100, 60.0, 1e6).allowed for _ in range(300)))
"""


def test_processes_that_share_a_file_are_admitted_exactly_the_limit(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", HITTER, str(tmp_path / "windows.db")]
    hitters = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert sum(int(hitter.communicate(timeout=60)[0]) for hitter in hitters) == 100


@given(
    limit=st.integers(1, 5),
    window=st.floats(1.0, 100.0),
    gaps=st.lists(st.floats(0.0, 60.0), max_size=40),
)
def test_no_window_from_a_first_request_admits_more_than_the_limit(
    limit: int, window: float, gaps: list[float]
) -> None:
    limiter, now, started, admitted = MemoryLimiter(), 1e6, -1e9, 0
    for gap in gaps:
        now += gap
        if now >= started + window:
            started, admitted = now, 0
        decision = limiter.hit("k", limit, window, now)
        admitted += decision.allowed
        assert decision.allowed == (decision.retry_after == 0.0)
        assert decision.remaining == limit - admitted
        assert decision.reset_at == started + window


def test_stores_agree(tmp_path: Path) -> None:
    pair = (MemoryLimiter(), SqliteLimiter(tmp_path / "windows.db"))
    for step in range(200):
        now = 1e6 + step * 0.37
        first, second = (item.hit("k", 7, 5.0, now) for item in pair)
        assert first == second
    pair[1].close()
