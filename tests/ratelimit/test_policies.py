"""Several limits at once: each is judged, and what is said names the one it is of."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Sequence

import pytest

from tests.ratelimit.cells import CELLS, Setting, schedule_of
from tests.ratelimit.simulated import (
    LAN,
    Decision,
    Deployment,
    FixedClock,
    FixedFirst,
    Limiter,
    SlidingLog,
    run,
)
from tollproof.model import Outcome
from tollproof.ratelimit.finding import Aspect
from tollproof.ratelimit.measure import Measurement, analyse
from tollproof.ratelimit.promise import Policy

SHORT, LONG = Policy(limit=20, window=10.0), Policy(limit=30, window=60.0)
FAR = Policy(limit=1000, window=3600.0)
KINDS = (FixedFirst, FixedClock, SlidingLog)


class Together(Limiter):
    """Admits what all of its limiters would; a refusal of one costs the others none."""

    def __init__(self, limiters: Sequence[Limiter]) -> None:
        super().__init__(limiters[0].n, limiters[0].w)
        self.limiters = list(limiters)

    def ask(self, t: float) -> Decision:
        asked = [copy.deepcopy(one) for one in self.limiters]
        said = [one.ask(t) for one in asked]
        refusing = [one for one in said if not one.admitted]
        if not refusing:
            self.limiters = asked
        least = min(refusing or said, key=lambda one: one.remaining)
        return Decision(
            not refusing,
            least.remaining,
            least.reset,
            max((one.retry for one in refusing), default=0.0),
        )


def measured(
    kind: type[Limiter], policies: Sequence[Policy], *enforced: Policy, seed: int = 1
) -> Measurement:
    cell = next(one for one in CELLS if one.name == "bucket, no headers")
    promise, _ = schedule_of(cell, Setting(SHORT.limit, SHORT.window, 4))
    object.__setattr__(promise, "policies", tuple(policies))

    def make(_n: int, _w: float, _rng: random.Random) -> Limiter:
        return Together([kind(one.limit, one.window) for one in enforced])

    _, schedule = schedule_of(cell, Setting(SHORT.limit, SHORT.window, 4))
    deployment = cell.change(
        Deployment(make=make, n=SHORT.limit, w=SHORT.window, workers=1)
    )
    return analyse(run(schedule, promise, deployment, LAN, seed), promise)


def failed(measurement: Measurement) -> set[Aspect]:
    return {one.aspect for one in measurement.findings if one.outcome is Outcome.FAILED}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_who_keeps_both_fails_nothing(kind: type[Limiter], seed: int) -> None:
    measurement = measured(kind, [LONG], SHORT, LONG, seed=seed)
    assert failed(measurement) == set()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_the_longer_limit_that_is_not_kept_is_named(
    kind: type[Limiter], seed: int
) -> None:
    measurement = measured(kind, [LONG], SHORT, seed=seed)
    assert failed(measurement) == {Aspect.OVER_ADMISSION}
    over = measurement[Aspect.OVER_ADMISSION]
    assert "30 requests per 60 s does not hold" in over.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_the_shorter_limit_that_is_not_kept_is_named(kind: type[Limiter]) -> None:
    # Two windows by the clock would explain up to forty.
    other = Policy(limit=50, window=60.0)
    measurement = measured(kind, [other], other)
    over = measurement[Aspect.OVER_ADMISSION]
    assert over.outcome is Outcome.FAILED
    assert "20 requests per 10 s does not hold" in over.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_that_is_out_of_reach_is_open_and_the_other_is_said_to_hold(
    kind: type[Limiter],
) -> None:
    measurement = measured(kind, [FAR], SHORT)
    assert failed(measurement) == set()
    over = measurement[Aspect.OVER_ADMISSION]
    assert over.outcome is Outcome.INCONCLUSIVE
    assert over.sentence.startswith("20 requests per 10 s held, but 1000 requests per")
    assert "1000 admitted requests of one key within 3600 s" in over.sentence
    assert measurement[Aspect.RACES].outcome is Outcome.PASSED
    assert measurement[Aspect.STAYS_CLOSED].outcome is Outcome.PASSED
    assert math.isfinite(measurement.seconds)


NAMES = {
    FixedFirst: "fixed window from the first request",
    FixedClock: "fixed window by the clock",
    SlidingLog: "sliding log",
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_two_limits_at_once_are_told_apart_from_one(
    kind: type[Limiter], seed: int
) -> None:
    measurement = measured(kind, [LONG], SHORT, LONG, seed=seed)
    assert measurement.inference.named in (NAMES[kind], "")
    assert measurement.inference.cost((NAMES[kind],)) == 0
    assert measurement[Aspect.WINDOW].outcome is not Outcome.FAILED


def test_the_longer_limit_is_named_with_the_algorithm() -> None:
    measurement = measured(SlidingLog, [LONG], SHORT, LONG)
    assert "and with 30 per 60 s" in measurement.inference.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_limit_that_is_not_kept_does_not_hide_the_algorithm(
    kind: type[Limiter],
) -> None:
    measurement = measured(kind, [LONG], SHORT)
    assert measurement.inference.cost((NAMES[kind],)) == 0
