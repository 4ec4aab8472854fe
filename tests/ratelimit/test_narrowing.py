"""A trace with less in it is otherwise the same, and the whole one is left alone."""

from __future__ import annotations

from tests.ratelimit.cells import CELLS, Setting, schedule_of
from tests.ratelimit.simulated import LAN, Deployment, run
from tollproof.ratelimit.narrowing import plain_only, without_fields
from tollproof.ratelimit.observation import Trace

BY_NAME = {cell.name: cell for cell in CELLS}


def whole() -> Trace:
    cell = BY_NAME["fixed-first"]
    promise, schedule = schedule_of(cell, Setting(60, 60.0, 4))
    return run(schedule, promise, Deployment(make=cell.make, n=60, w=60.0), LAN, 1)


def test_only_plain_requests_stay() -> None:
    trace = whole()
    rows, every = len(trace), list(trace)
    plain = plain_only(trace)
    assert list(plain) == [one for one in every if one.variant == "plain"]
    assert 0 < len(plain) < rows == len(trace)
    assert plain.anchors == trace.anchors


def test_fields_that_are_left_out_were_never_received() -> None:
    trace = whole()
    bare = without_fields(trace, ("limit", "remaining"))
    assert len(bare) == len(trace)
    assert {one.header("limit") for one in bare} == {None}
    assert {one.header("remaining") for one in bare} == {None}
    assert [one.header("reset") for one in bare] == [
        one.header("reset") for one in trace
    ]
    assert {one.header("limit") for one in trace} == {"60"}
