"""The promise held against the files of a load, a few windows at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.traces import SECOND, Row, written
from tollproof.load.throughout import SPAN, Throughout, explained, watch
from tollproof.ratelimit.promise import Algorithm, Policy, RateLimitPromise

LIMIT, WINDOW = 10, 1.0


def promise(
    algorithm: Algorithm | None = Algorithm.FIXED_WINDOW, *, any_window: bool = False
) -> RateLimitPromise:
    policy = Policy(limit=LIMIT, window=WINDOW)
    return RateLimitPromise(policy=policy, algorithm=algorithm, any_window=any_window)


def seen(folder: Path, rows: list[Row], made: RateLimitPromise) -> Throughout:
    return watch([written(folder, rows)], made, epoch=0)


def limiter(seconds: int, rate: int, *, limit: int = LIMIT) -> list[Row]:
    """What a fixed window by the clock answers to a steady rate."""
    rows, used = [], dict[int, int]()
    for number in range(seconds * rate):
        at = number / rate + 0.0005
        window = int(at + 0.0005)
        used[window] = used.get(window, 0) + 1
        status = 200 if used[window] <= limit else 429
        rows.append(Row(sent=at, status=status, took=0.0001))
    return rows


def test_a_limiter_that_keeps_its_promise_is_not_accused(tmp_path: Path) -> None:
    found = seen(tmp_path, limiter(20, 40), promise())
    assert found.saturated
    assert (found.over, found.under) == (0, 0)
    # Two windows meet in one stretch of a second: that is no excess of this promise.
    assert LIMIT <= found.fullest <= 2 * LIMIT


def test_more_than_any_placement_explains_is_an_excess(tmp_path: Path) -> None:
    rows = [*limiter(8, 40), *(Row(sent=4 + n / 100, key="beta") for n in range(25))]
    found = seen(tmp_path, rows, promise())
    assert found.over >= 1
    first = found.excesses[0]
    assert (first.key, first.admitted) == ("beta", 25)
    assert first.at == pytest.approx(4.0, abs=0.01)


def test_a_refusal_below_the_limit_is_told_with_what_was_counted(
    tmp_path: Path,
) -> None:
    # Two a second, and one of them refused although the limit is ten.
    rows = [Row(sent=n / 2, status=429 if n == 11 else 200) for n in range(20)]
    found = seen(tmp_path, rows, promise(Algorithm.SLIDING_LOG))
    assert found.under == 1
    assert found.refusals[0].at == pytest.approx(5.5, abs=0.01)
    assert found.refusals[0].counted <= 3


def test_a_refusal_before_a_window_was_watched_accuses_nobody(tmp_path: Path) -> None:
    rows = [Row(sent=0.1, status=429), Row(sent=0.9, status=429), Row(sent=3.0)]
    assert seen(tmp_path, rows, promise(Algorithm.SLIDING_LOG)).under == 0


def test_unknown_outcomes_may_have_been_admitted(tmp_path: Path) -> None:
    rows = [Row(sent=n / 20, status=0) for n in range(60)]
    rows.append(Row(sent=2.99, status=429))
    found = seen(tmp_path, rows, promise(Algorithm.SLIDING_LOG))
    # They excuse a refusal, and are no excess.
    assert (found.over, found.under) == (0, 0)


def test_memory_is_that_of_a_few_windows(tmp_path: Path) -> None:
    short = seen(tmp_path, limiter(10, 40), promise())
    (tmp_path / "observations-0-0.trace").unlink()
    long = seen(tmp_path, limiter(100, 40), promise())
    assert long.windows > 5 * short.windows
    assert long.held <= short.held <= 2 * SPAN * 40


def test_two_processes_share_a_key(tmp_path: Path) -> None:
    halves = [[Row(sent=1 + n / 100) for n in range(half, 16, 2)] for half in (0, 1)]
    files = [written(tmp_path, half, share=n) for n, half in enumerate(halves)]
    assert watch(files[:1], promise(any_window=True), epoch=0).over == 0
    assert watch(files, promise(any_window=True), epoch=0).over == 1


def test_what_a_foreign_clock_leaves_open_is_no_excess(tmp_path: Path) -> None:
    here = written(tmp_path, [Row(sent=1 + n / 100) for n in range(8)])
    there = written(tmp_path, [Row(sent=51.2 + n / 100) for n in range(8)], share=1)
    strict = promise(any_window=True)

    def over(low: float, high: float) -> int:
        bounds = (round(low * SECOND), round(high * SECOND))
        return watch([here, there], strict, epoch=0, shifts={there: bounds}).over

    assert over(-50.001, -49.999) == 1  # 16 within a third of a second
    assert over(-51.5, -48.5) == 0  # they may be three windows apart


@given(
    starts=st.lists(st.integers(0, 400), min_size=1, max_size=60),
    algorithm=st.sampled_from([None, Algorithm.FIXED_WINDOW, Algorithm.SLIDING_LOG]),
)
def test_wider_intervals_never_prove_more(
    starts: list[int], algorithm: Algorithm | None
) -> None:
    made = promise(algorithm)
    sent = sorted(start / 100 for start in starts)
    exact = [at + 0.001 for at in sent]
    vague = [at + 0.5 for at in sent]
    if explained(sent, exact, made, made.policy):
        assert explained(sent, vague, made, made.policy)
