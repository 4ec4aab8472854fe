from __future__ import annotations

import random

import pytest

from tests.ratelimit.cells import CELLS, MAKES, Setting, schedule_of
from tests.ratelimit.simulated import NETWORKS, Deployment, FixedFirst, NoExpiry, run
from tollproof.ratelimit.infer import Inference, infer
from tollproof.ratelimit.models import FAMILIES, NO_EXPIRY, Model
from tollproof.ratelimit.view import view

SETTING = Setting(60, 60.0, 4)


def inferred(deployment: Deployment, network: str, seed: int) -> Inference:
    promise, schedule = schedule_of(CELLS[0], SETTING)
    trace = run(schedule, promise, deployment, NETWORKS[network], seed)
    return infer(tuple(view(trace, promise)), promise.policy)


@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize("name", sorted(MAKES))
def test_the_algorithm_is_named_or_left_open(name: str, network: str) -> None:
    family, make = MAKES[name]
    found = inferred(Deployment(make=make, n=60, w=60.0), network, 5)
    assert found.named in (family, "")
    assert family in found.candidates


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_who_is_let_in_beyond_the_limit_met_no_counter_that_is_stuck(
    network: str,
) -> None:
    sound = inferred(
        Deployment(make=MAKES["counter-rejected"][1], n=60, w=60.0), network, 5
    )
    assert NO_EXPIRY not in [fit.model.family for fit in sound.fits]
    stuck = inferred(
        Deployment(make=lambda n, w, rng: NoExpiry(n, w), n=60, w=60.0), network, 5
    )
    assert NO_EXPIRY in stuck.candidates


def test_other_figures_than_the_promised_ones_are_measured() -> None:
    deployment = Deployment(make=lambda n, w, rng: FixedFirst(40, 42.0), n=60, w=60.0)
    best = inferred(deployment, "lan", 5).best
    assert best is not None
    assert best.limit == 40
    assert best.window == pytest.approx(42.0, rel=0.02)


def test_a_limiter_that_throws_dice_fits_none() -> None:
    class Dice(FixedFirst):
        def __init__(self, n: int, w: float) -> None:
            super().__init__(n, w)
            self.rng = random.Random(1)

        def ask(self, t: float):  # type: ignore[no-untyped-def]
            decision = super().ask(t)
            decision.admitted = self.rng.random() < 0.5
            return decision

    deployment = Deployment(make=lambda n, w, rng: Dice(n, w), n=60, w=60.0)
    found = inferred(deployment, "lan", 5)
    assert found.candidates == ()
    assert "fits none" in found.sentence


@pytest.mark.parametrize("family", FAMILIES)
def test_no_model_admits_more_than_it_is_asked(family: str) -> None:
    rng = random.Random(2)
    at, groups = 0.0, []
    for _ in range(500):
        at += rng.random() * 2
        groups.append((at, rng.randrange(1, 9)))
    taken = Model(family=family, limit=30, window=20.0).replay(groups)
    assert len(taken) == len(groups)
    assert all(0 <= one <= size for one, (_, size) in zip(taken, groups, strict=True))
