"""Single judgements become one verdict, and none of them is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tollproof.declare import failed, inconclusive, not_applicable, passed
from tollproof.errors import Undetermined
from tollproof.model import (
    Exchange,
    Failure,
    FailureKind,
    Outcome,
    Reason,
    Request,
    Response,
    Verdict,
    from_json,
    to_json,
)
from tollproof.passive import SHOWN, Judge, tallied, verdicts
from tollproof.session import Part


def exchange(number: int, operation: str = "GET /x", status: int = 200) -> Exchange:
    return Exchange(
        id=f"main-{number}",
        at="",
        seconds=0.0,
        request=Request(method="GET", url="http://x/"),
        response=Response(status=status),
        operation=operation,
    )


VERDICTS = {
    Outcome.PASSED: passed("It is there."),
    Outcome.FAILED: failed("a response without it", expected="it", actual="nothing"),
    Outcome.INCONCLUSIVE: inconclusive(Reason.NOISE, "too noisy"),
    Outcome.NOT_APPLICABLE: not_applicable("Not of that kind."),
}


def sweep(
    exchanges: Iterable[Exchange], judges: Mapping[str, Judge]
) -> dict[str, Verdict]:
    """Show every exchange to every judge, in one process."""
    return verdicts([tallied(exchanges, judges)])


def swept(outcomes: Sequence[Outcome]) -> Verdict:
    """Sweep one exchange for each of these judgements."""
    told = {f"main-{number}": item for number, item in enumerate(outcomes)}
    exchanges = [exchange(number) for number in range(len(outcomes))]
    return sweep(exchanges, {"a.b": lambda item: VERDICTS[told[item.id]]})["a.b"]


@given(st.lists(st.sampled_from(list(Outcome))))
def test_the_verdict_is_that_of_all_judgements(outcomes: list[Outcome]) -> None:
    verdict = swept(outcomes)
    told = set(outcomes)
    counts = {item: outcomes.count(item) for item in Outcome}
    judged = counts[Outcome.PASSED] + counts[Outcome.FAILED]

    if Outcome.FAILED in told:
        expected = Outcome.FAILED
    elif Outcome.PASSED in told and Outcome.INCONCLUSIVE not in told:
        expected = Outcome.PASSED
    else:
        expected = Outcome.INCONCLUSIVE
    assert verdict.outcome is expected
    assert (verdict.reason is None) is (expected is not Outcome.INCONCLUSIVE)
    if expected is Outcome.FAILED:
        assert verdict.summary.startswith(f"{counts[Outcome.FAILED]} of {judged} ")
        assert verdict.measurements["failed"] == counts[Outcome.FAILED]
        assert len(verdict.exchanges) == min(SHOWN, counts[Outcome.FAILED])
        shown = [int(id.removeprefix("main-")) for id in verdict.exchanges]
        assert all(outcomes[number] is Outcome.FAILED for number in shown)
        assert (verdict.expected, verdict.actual) == ("it", "nothing")
    if expected is Outcome.PASSED:
        assert verdict.measurements == {"judged": judged}


@given(
    st.lists(st.tuples(st.sampled_from(list(Outcome)), st.sampled_from("xyz"))),
    st.lists(st.integers(0, 12), max_size=3),
)
def test_processes_that_tally_apart_come_to_the_same(
    seen: list[tuple[Outcome, str]], cuts: list[int]
) -> None:
    exchanges = [exchange(number, path) for number, (_, path) in enumerate(seen)]
    told = {f"main-{number}": outcome for number, (outcome, _) in enumerate(seen)}
    judges = {"a.b": lambda item: replace(VERDICTS[told[item.id]], summary=item.id)}
    bounds = [0, *sorted(cuts), len(seen)]
    parts = [
        # As they come from another process.
        from_json(Part, json.loads(json.dumps(to_json(Part(0, tallied(some, judges))))))
        for some in (exchanges[low:high] for low, high in pairwise(bounds))
    ]

    apart = verdicts(part.tallies for part in parts)

    assert apart == sweep(exchanges, judges)


def test_nothing_of_the_kind_is_inconclusive() -> None:
    for nothing in ([], [Outcome.NOT_APPLICABLE] * 3):
        verdict = swept(nothing)
        assert verdict.reason is Reason.PRECONDITION
        assert "No response of the run" in verdict.summary


def test_what_was_not_answered_is_not_judged() -> None:
    silent = replace(
        exchange(1),
        response=None,
        failure=Failure(kind=FailureKind.TIMEOUT, detail="no answer"),
    )
    found = sweep([silent], {"a.b": lambda _: VERDICTS[Outcome.FAILED]})

    assert found["a.b"].outcome is Outcome.INCONCLUSIVE


def test_where_it_failed_is_counted() -> None:
    seen = [exchange(1), exchange(2), exchange(3, "PUT /y", 404), exchange(4, "")]
    verdict = sweep(seen, {"a.b": lambda _: VERDICTS[Outcome.FAILED]})["a.b"]

    assert verdict.measurements["where"] == {
        "GET /x: 200": 2,
        "PUT /y: 404": 1,
        "other: 200": 1,
    }


def test_a_judge_that_breaks_is_inconclusive_and_disturbs_no_other() -> None:
    def broken(item: Exchange) -> Verdict:
        raise KeyError(item.id)

    def undetermined(item: Exchange) -> Verdict:
        raise Undetermined(Reason.NOISE, "too noisy", item.id)

    found = sweep(
        [exchange(1)],
        {
            "a.broken": broken,
            "a.undetermined": undetermined,
            "a.fine": lambda _: VERDICTS[Outcome.PASSED],
        },
    )

    assert found["a.broken"].reason is Reason.HARNESS
    assert found["a.undetermined"].reason is Reason.NOISE
    assert found["a.fine"].outcome is Outcome.PASSED


def test_a_single_exchange_that_breaks_a_judge_does_not_hide_a_failure() -> None:
    def judge(item: Exchange) -> Verdict:
        if item.id == "main-0":
            raise ValueError("odd")
        return VERDICTS[Outcome.FAILED]

    verdict = sweep([exchange(0), exchange(1)], {"a.b": judge})["a.b"]

    assert verdict.outcome is Outcome.FAILED


def test_exchanges_are_read_once_and_not_kept() -> None:
    alive = 0
    most = 0

    class Counted(Exchange):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def stream() -> Iterator[Exchange]:
        nonlocal alive, most
        for number in range(1000):
            alive += 1
            most = max(most, alive)
            item = exchange(number)
            yield Counted(
                id=item.id,
                at="",
                seconds=0.0,
                request=item.request,
                response=item.response,
            )

    judges = {
        f"a.{outcome}": lambda _, told=VERDICTS[outcome]: told for outcome in Outcome
    }
    sweep(stream(), judges)

    assert most < 10
