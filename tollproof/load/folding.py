"""Telling Locust's statistics what happened, many observations at a time.

For its web pages and console only: they round, and count by the second of completion,
so nothing is ever judged by them. Knows Locust's statistics. Must not know the job.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable

from locust.stats import RequestStats, StatsEntry, bucket_response_time

METHOD = "probe"


def fold(stats: RequestStats, observed: Iterable[tuple[int, int]]) -> None:
    """Add (status, ns) pairs; status 0 is an answer that never came, so a failure."""
    by_status: defaultdict[int, list[int]] = defaultdict(list)
    for status, duration in observed:
        by_status[status].append(max(0, duration) // 1_000_000)
    for status, milliseconds in by_status.items():
        name = f"status {status}" if status else "no answer"
        for entry in (stats.total, stats.get(name, METHOD)):
            _log(entry, milliseconds, failed=status == 0)


def _log(entry: StatsEntry, milliseconds: list[int], *, failed: bool) -> None:
    """What `StatsEntry.log` does for one request, for many of the same second."""
    now = time.time()
    second, number = int(now), len(milliseconds)
    last = entry.last_request_timestamp
    if entry.use_response_times_cache and last and second > int(last):
        entry._cache_response_times(second - 1)
    entry.num_requests += number
    entry.num_reqs_per_sec[second] += number
    entry.last_request_timestamp = now
    entry.total_response_time += sum(milliseconds)
    least, most = min(milliseconds), max(milliseconds)
    known = entry.min_response_time
    entry.min_response_time = least if known is None else min(known, least)
    entry.max_response_time = max(entry.max_response_time, most)
    for value, times in Counter(map(bucket_response_time, milliseconds)).items():
        entry.response_times[value] += times
    if failed:
        entry.num_failures += number
        entry.num_fail_per_sec[second] += number
