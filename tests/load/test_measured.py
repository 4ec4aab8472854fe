"""A schedule against a real target: records complete, right and on time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.support import by_shot, job, run, serving, shot
from tollproof.load.allowance import Budget
from tollproof.load.job import RequestSpec
from tollproof.ratelimit.schedule import Cue


def test_every_request_is_sent_once_and_recorded(tmp_path: Path) -> None:
    with serving() as target:
        shots = (
            shot(0, 100, seconds=0.3, connections=4),
            shot(1, 20, at=0.1, fresh=True, key="beta"),
            shot(2, 5, at=0.4, seconds=0.1, variant="other"),
        )
        requests = (RequestSpec(), RequestSpec(name="other", path="/other"))
        report, trace = run(job(target.port, *shots, requests=requests), tmp_path)
        log = target.stop()
    assert len(trace) == report.sent == report.observed == len(log["at"]) == 125
    assert report.unsent == ()
    assert len(set(log["id"])) == 125
    assert dict(report.statuses) == {"200": 125}
    assert [len(by_shot(trace, number)) for number in range(3)] == [100, 20, 5]
    assert log["path"].count("/other") == 5
    assert {one.variant for one in by_shot(trace, 2)} == {"other"}
    assert {one.key for one in by_shot(trace, 1)} == {"beta"}
    assert len({one.connection for one in by_shot(trace, 1)}) == 20
    assert len({one.connection for one in by_shot(trace, 0)}) >= 4
    # Each arrival lies within the interval of one observation: in the order of ids.
    assert all(0 < one.sent < one.received for one in trace)
    assert min(one.sent for one in trace) <= min(log["at"])
    assert max(one.received for one in trace) >= max(log["at"])


def test_arrivals_lie_inside_their_intervals(tmp_path: Path) -> None:
    with serving() as target:
        # One connection at a time, so that the n-th record is the n-th arrival.
        report, trace = run(job(target.port, shot(0, 60, seconds=0.6)), tmp_path)
        log = target.stop()
    rows = sorted(trace, key=lambda one: one.sent)
    assert len(rows) == 60
    for row, arrival in zip(rows, sorted(log["at"]), strict=True):
        assert row.sent <= arrival <= row.received
    assert report.seconds >= 0.59


def test_a_synchronised_burst_arrives_together(tmp_path: Path) -> None:
    def spread(at: list[int]) -> int:
        return max(at) - min(at)

    ratios = []
    with serving() as target:
        shots = []
        for turn in range(5):
            at = turn * 0.6
            shots.append(shot(2 * turn, 40, at=at, fresh=True, variant=f"b{turn}"))
            # The same number, not synchronised: as fast as they can be sent.
            shots.append(
                shot(
                    2 * turn + 1,
                    40,
                    at=at + 0.3,
                    seconds=1e-6,
                    fresh=True,
                    connections=1,
                    variant=f"p{turn}",
                )
            )
        names = {one.variant for one in shots}
        requests = tuple(RequestSpec(name=name, path=f"/{name}") for name in names)
        run(job(target.port, *shots, requests=requests), tmp_path)
        log = target.stop()
    for turn in range(5):
        times = {
            kind: [
                at
                for at, path in zip(log["at"], log["path"], strict=True)
                if path == f"/{kind}{turn}"
            ]
            for kind in "bp"
        }
        assert len(times["b"]) == len(times["p"]) == 40
        ratios.append(spread(times["b"]) / spread(times["p"]))
    assert sorted(ratios)[2] < 0.8


def test_the_cue_is_the_retry_after_of_the_last_refusal(tmp_path: Path) -> None:
    with serving() as target:
        shots = (
            shot(0, 12, fresh=True),
            shot(1, cue=Cue.RETRY_AFTER, follows=0, at=1, delay=0.05, latest=3),
            shot(2, cue=Cue.RETRY_AFTER, follows=1, at=2, latest=3),
        )
        report, trace = run(job(target.port, *shots, path="/limit/10"), tmp_path)
    refused = max(one.received for one in by_shot(trace, 0) if one.status == 429)
    (told,) = by_shot(trace, 1)
    assert told.status == 200
    assert told.sent - told.lateness == pytest.approx(refused + 1.05e9, abs=1e5)
    assert report.left_out == (2,)  # nothing refused it, so nothing told it when
    assert {one.header("limit") for one in by_shot(trace, 0)} == {"10"}
    assert sorted(int(one.header("remaining") or -1) for one in by_shot(trace, 0)) == [
        *(0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    ]


def test_a_reset_that_is_not_told_leaves_the_planned_time(tmp_path: Path) -> None:
    with serving() as target:
        shots = (shot(0), shot(1, 3, cue=Cue.RESET, follows=0, at=0.5, latest=2))
        report, trace = run(job(target.port, *shots), tmp_path)
    assert len(by_shot(trace, 1)) == 3
    assert report.left_out == ()


def test_it_goes_on_until_refused_each_time_on_a_new_connection(tmp_path: Path) -> None:
    with serving() as target:
        one = shot(0, 5, seconds=0.05, until_refused=6, most=200)
        _, trace = run(job(target.port, one, path="/limit/20"), tmp_path)
    rows = by_shot(trace, 0)
    statuses = [row.status for row in sorted(rows, key=lambda row: row.received)]
    assert statuses[:20] == [200] * 20
    assert statuses[20:26] == [429] * 6
    assert len(rows) < 60
    later = sorted(rows, key=lambda row: row.sent)[5:]
    assert len({row.connection for row in later}) == len(later)


def test_it_stops_at_most(tmp_path: Path) -> None:
    with serving() as target:
        one = shot(0, 5, seconds=0.05, until_refused=6, most=30)
        _, trace = run(job(target.port, one), tmp_path)
    assert len(trace) == 30


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/close", {200}),
        ("/eof", {200}),
        ("/chunked", {200}),
        ("/cut", {200}),  # the decision is known though the body is not
        ("/die", {0}),
        ("/garbage", {0}),
        ("/never", {0}),
        ("/drip", {0}),
        ("/flood", {200}),
    ],
)
def test_whatever_the_target_does_each_request_is_accounted_for(
    path: str, statuses: set[int], tmp_path: Path
) -> None:
    with serving() as target:
        shots = (shot(0, 6, seconds=0.1, connections=2), shot(1, 4, at=0.3, fresh=True))
        report, trace = run(job(target.port, *shots, path=path), tmp_path)
        log = target.stop()
    assert len(log["at"]) == len(trace) == report.sent == 10
    assert len(set(log["id"])) == 10
    assert {one.status for one in trace} == statuses
    assert report.unsent == ()
    assert all(one.received > one.sent for one in trace)


def test_a_connection_that_ended_is_replaced_and_nothing_sent_twice(
    tmp_path: Path,
) -> None:
    with serving() as target:
        one = shot(0, 60, seconds=0.6, connections=2)
        report, trace = run(job(target.port, one, path="/dielater/3"), tmp_path)
        log = target.stop()
    assert len(set(log["id"])) == len(log["id"]) == len(trace) == 60
    assert report.statuses["0"] == sum(one.status == 0 for one in trace) > 5


def test_nothing_listens(tmp_path: Path) -> None:
    with serving() as target:
        port = target.port
    shots = (shot(0, 5, seconds=0.1), shot(1, 4, at=0.3, fresh=True))
    report, trace = run(job(port, *shots), tmp_path)
    assert len(trace) == report.sent == 0
    assert sum(one.requests for one in report.unsent) == 9


@pytest.mark.parametrize(
    ("budget", "least", "most"),
    [
        ({"requests": 7, "per_second": 0, "seconds": 9.0}, 7, 7),
        ({"requests": 99, "per_second": 5, "seconds": 9.0}, 5, 15),
        ({"requests": 99, "per_second": 0, "seconds": 0.55}, 21, 33),
    ],
)
def test_the_process_holds_itself_to_the_budget(
    budget: dict[str, float], least: int, most: int, tmp_path: Path
) -> None:
    with serving() as target:
        limit = Budget(hosts=(("127.0.0.1", target.port),), **budget)  # type: ignore[arg-type]
        shots = (shot(0, 20, seconds=1.0), shot(1, 20, at=0.2, fresh=True))
        report, trace = run(job(target.port, *shots, budget=limit), tmp_path)
        log = target.stop()
    assert least <= len(log["at"]) == len(trace) == report.sent <= most
    assert report.refused == sum(one.requests for one in report.unsent) > 0
    assert len(trace) + report.refused == 40
