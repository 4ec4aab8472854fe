"""By what a limit is counted: judged where it can be, and said where it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ratelimit.cells import CELLS, Cell, Setting, schedule_of
from tests.ratelimit.simulated import LAN, Deployment, run
from tollproof.model import Outcome
from tollproof.ratelimit.finding import Aspect, Finding
from tollproof.ratelimit.measure import analyse
from tollproof.ratelimit.promise import OTHER_OPERATION, Policy, RateLimitPromise

SETTING = Setting(60, 60.0, 4)
BY_NAME = {cell.name: cell for cell in CELLS}


def scope(
    cell: Cell, *, statuses: dict[str, int] | None = None, policies: str = ""
) -> Finding:
    promise, schedule = schedule_of(cell, SETTING)
    if policies:
        more = Policy(limit=1000, window=3600.0, per=policies)
        promise = replace(promise, policies=(more,))
    deployment = cell.change(Deployment(make=cell.make, n=60, w=60.0))
    trace = run(schedule, promise, deployment, LAN, 3)
    for row, variant in enumerate(trace.variant):
        trace.status[row] = (statuses or {}).get(
            trace.labels[variant], trace.status[row]
        )
    return analyse(trace, promise)[Aspect.SCOPE]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("per organisation, log", "another operation was refused"),
        ("per operation", "another operation was admitted"),
        ("per address", "another key was refused"),
    ],
)
def test_what_is_counted_as_promised_passes(name: str, says: str) -> None:
    finding = scope(BY_NAME[name])
    assert finding.outcome is Outcome.PASSED
    assert says in finding.sentence


def test_what_one_address_cannot_show_is_said_with_the_remedy() -> None:
    cell = replace(BY_NAME["per address"], variants=(OTHER_OPERATION,))
    finding = scope(cell)
    assert finding.outcome is Outcome.PASSED
    assert "all requests came from one address" in finding.sentence
    assert "second machine" in finding.sentence


def test_without_anything_else_to_ask_for_it_says_what_to_add() -> None:
    finding = scope(BY_NAME["fixed-first"])
    assert finding.outcome is Outcome.NOT_APPLICABLE
    assert "target.read_only" in finding.sentence


def test_another_operation_that_is_not_served_accuses_nobody() -> None:
    cell = BY_NAME["per operation"]
    finding = scope(cell, statuses={OTHER_OPERATION: 404})
    assert finding.outcome is Outcome.PASSED
    assert "another operation" not in finding.sentence.partition(";")[0]


def test_limits_counted_by_different_things_are_not_told_apart() -> None:
    cell = BY_NAME["each operation has an allowance"]
    assert scope(cell).outcome is Outcome.FAILED
    finding = scope(cell, policies="operation")
    assert finding.outcome is Outcome.NOT_APPLICABLE
    assert "by key and by operation" in finding.sentence


def test_a_policy_without_a_scope_has_the_promise_s() -> None:
    promise = RateLimitPromise(
        policy=Policy(limit=5, window=1.0),
        per="organisation",
        policies=(
            Policy(limit=50, window=60.0),
            Policy(limit=9, window=9.0, per="key"),
        ),
    )
    assert promise.scopes == ("organisation", "key")
