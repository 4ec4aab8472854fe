"""The IETF's fields beside others: each family answers for its own lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from tests.ratelimit.cells import CELLS, Setting, schedule_of
from tests.ratelimit.simulated import NETWORKS, Deployment, run
from tollproof.model import Outcome
from tollproof.ratelimit.draft import judge_fields
from tollproof.ratelimit.finding import Aspect, Finding
from tollproof.ratelimit.measure import analyse
from tollproof.ratelimit.observation import ROLES, Trace
from tollproof.ratelimit.promise import Ietf, RateLimitPromise, ResetForm

SETTING = Setting(20, 10.0, 2)
BY_NAME = {cell.name: cell for cell in CELLS}
LIMIT, REMAINING, RESET, FIELDS, POLICY = (
    ROLES.index(role) for role in ("limit", "remaining", "reset", "ratelimit", "policy")
)

Values = tuple[int, int, int]
Lie = Callable[[Values], Values]


def truth(values: Values) -> Values:
    return values


@cache
def audited() -> tuple[Trace, RateLimitPromise]:
    """What a sound fixed window answers, told by the usual fields alone."""
    cell = BY_NAME["fixed-clock"]
    promise, schedule = schedule_of(cell, SETTING)
    headers = replace(promise.headers, reset_form=ResetForm.DELTA_SECONDS)
    promise = replace(promise, headers=headers)
    deployment = Deployment(make=cell.make, n=SETTING.limit, w=SETTING.window)
    return run(schedule, promise, deployment, NETWORKS["lan"], 4), promise


def judged(
    lie: Lie = truth,
    *,
    quota: int = 20,
    window: int = 10,
    edition: Ietf = Ietf.DRAFT_10,
) -> Finding:
    """Add the draft's fields, with q, r and t passed through `lie`."""
    trace, promise = audited()
    told = Trace(host=trace.host)
    told.merge(trace)
    told.sets = [
        _with_fields(values, lie, f'"default";q={quota};w={window}')
        for values in told.sets
    ]
    headers = replace(promise.headers, ietf=edition)
    promise = replace(promise, headers=headers)
    return judge_fields(told, promise, analyse(told, promise))


def _with_fields(
    values: tuple[str | None, ...], lie: Lie, policy: str
) -> tuple[str | None, ...]:
    limit, remaining, reset = (values[at] for at in (LIMIT, REMAINING, RESET))
    if limit is None or remaining is None or reset is None:
        return values
    _, r, t = lie((int(limit), int(remaining), int(reset)))
    more = list(values)
    more[FIELDS], more[POLICY] = f'"default";r={r};t={t}', policy
    return tuple(more)


def test_fields_that_tell_the_truth_pass() -> None:
    found = judged()
    assert found.aspect is Aspect.IETF
    assert found.outcome is Outcome.PASSED, found.sentence


@pytest.mark.parametrize(
    ("lie", "named"),
    [
        (lambda told: (told[0], told[1] + 3, told[2]), "r of the RateLimit fields"),
        (lambda told: (told[0], 20, told[2]), "r of the RateLimit fields"),
        (lambda told: (told[0], told[1], told[2] + 7), "t of the RateLimit fields"),
    ],
    ids=["more-remaining", "never-counts", "later-reset"],
)
def test_a_lie_is_the_fields_own_though_the_others_are_true(
    lie: Lie, named: str
) -> None:
    found = judged(lie)
    assert found.outcome is Outcome.FAILED, found.sentence
    assert found.aspect is Aspect.IETF
    assert found.sentence.startswith(named)


@pytest.mark.parametrize(
    ("quota", "window", "said"),
    [(21, 10, "21 requests per 10 s"), (20, 60, "20 requests per 60 s")],
)
def test_another_policy_than_the_promised_one_is_named(
    quota: int, window: int, said: str
) -> None:
    found = judged(quota=quota, window=window)
    assert found.outcome is Outcome.FAILED
    assert found.actual == said
    assert found.expected == "20 requests per 10 s"


def test_without_a_promise_of_them_nothing_is_judged() -> None:
    found = judged(lambda told: (told[0], 20, 99), edition=Ietf.NONE)
    assert found.outcome is not Outcome.FAILED
