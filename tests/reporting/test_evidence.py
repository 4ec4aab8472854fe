"""Evidence is shown once, failures first, and never over its budget."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.reporting.sample import big_run, sample_run
from tests.reporting.strategies import runs
from tests.reporting.test_hostile import any_run
from tollproof.model import Run
from tollproof.reporting.evidence import lay_out
from tollproof.reporting.summary import State, summarise


@any_run
@given(run=runs(), budget=st.integers(0, 20_000))
def test_budget_holds_and_no_exchange_is_shown_twice(run: Run, budget: int) -> None:
    laid = lay_out(summarise(run).cases, run.exchanges, budget=budget)
    exhibits = [item for evidence in laid.values() for item in evidence.exhibits]
    anchors = [item.anchor for item in exhibits if item.anchor]

    size = sum(len(e.request) + len(e.response) + len(e.curl) for e in exhibits)
    assert size <= budget
    assert len(anchors) == len(set(anchors))
    assert {item.told_at for item in exhibits} - {""} <= set(anchors)


def test_failures_have_evidence_when_there_is_not_enough_for_all() -> None:
    run = big_run(500)
    cases = summarise(run).cases
    laid = lay_out(cases, run.exchanges, budget=120_000)

    failed = [laid[c.number] for c in cases if c.state is State.FAILED]
    passed = [laid[c.number] for c in cases if c.state is State.PASSED]
    assert all(evidence.exhibits for evidence in failed)
    assert not all(evidence.exhibits for evidence in passed)
    assert all(e.more > 0 for e in passed if not e.exhibits)


def test_exchange_without_response_says_how_it_ended() -> None:
    run = sample_run()
    laid = lay_out(summarise(run).cases, run.exchanges)
    (item,) = [
        item
        for evidence in laid.values()
        for item in evidence.exhibits
        if not item.answered
    ]
    assert item.response == "closed: the peer closed before the status line"
    assert item.leaks == ("the whole of alpha, base64, in header X-Debug",)


def test_header_that_smuggles_lines_stays_one_line() -> None:
    run = sample_run()
    first = run.exchanges[0]
    assert first.response
    answer = replace(first.response, headers=(("X-A", "b\r\nSet-Cookie: c"),))
    laid = lay_out(
        summarise(run).cases, (replace(first, response=answer), *run.exchanges[1:])
    )

    texts = [i.response for e in laid.values() for i in e.exhibits]
    assert any(r"X-A: b\r\nSet-Cookie: c" in text for text in texts)
