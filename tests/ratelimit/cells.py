"""Deployments with what a right measurement must say of them: the study's cells.

`must_fail` names the aspects of which one at least has to fail; `may_fail` those that
follow from the same fault. Whatever else fails is a false alarm, and a cell without
`must_fail` in which anything fails is one as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.ratelimit.simulated import (
    NETWORKS,
    Bucket,
    Counter,
    Deployment,
    FailsOpen,
    FixedClock,
    FixedFirst,
    Limiter,
    NoExpiry,
    Racy,
    SlidingLog,
    Ttl,
    Twice,
    Unlimited,
    run,
)
from tollproof.model import Outcome
from tollproof.ratelimit import models
from tollproof.ratelimit.finding import Aspect
from tollproof.ratelimit.infer import KIN, STUCK
from tollproof.ratelimit.measure import Measurement, analyse
from tollproof.ratelimit.planning import plan
from tollproof.ratelimit.promise import (
    OTHER_ADDRESS,
    OTHER_OPERATION,
    Algorithm,
    Counting,
    HeaderPromise,
    Policy,
    RateLimitPromise,
    ResetForm,
    RetryAfterForm,
)
from tollproof.ratelimit.schedule import Schedule

Make = Callable[[int, float, random.Random], Limiter]
A = Aspect

MAKES: dict[str, tuple[str, Make]] = {
    "fixed-clock": (
        models.FIXED_CLOCK,
        lambda n, w, rng: FixedClock(n, w, rng.random() * w),
    ),
    "fixed-first": (models.FIXED_FIRST, lambda n, w, rng: FixedFirst(n, w)),
    "log": (models.LOG, lambda n, w, rng: SlidingLog(n, w)),
    "log-rejected": (
        models.LOG_REJECTED,
        lambda n, w, rng: SlidingLog(n, w, rejected=True),
    ),
    "counter": (models.COUNTER, lambda n, w, rng: Counter(n, w, rng.random() * w)),
    "counter-first": (models.COUNTER, lambda n, w, rng: Counter(n, w, None)),
    "counter-rejected": (
        models.COUNTER_REJECTED,
        lambda n, w, rng: Counter(n, w, rng.random() * w, rejected=True),
    ),
    "bucket": (models.BUCKET, lambda n, w, rng: Bucket(n, w)),
}

#: What follows when more is admitted than the limit explains.
TOO_MANY = frozenset(
    (
        *(A.OVER_ADMISSION, A.RACES, A.WORKERS, A.WINDOW, A.ALGORITHM, A.EDGE),
        *(A.STAYS_CLOSED, A.REMAINING),
    )
)
#: What follows when less is.
TOO_FEW = frozenset(
    (
        A.UNDER_ADMISSION,
        A.PACED,
        A.WINDOW,
        A.ALGORITHM,
        A.RECOVERY,
        A.COUNTING,
        A.RETRY_AFTER,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One deployment of the study.

    Attributes:
        family: what its algorithm is called; empty when none of the models is it.
        change: the deployment, given one that is sound.
        must_fail: one at least of these has to fail; empty for a sound deployment.
        may_fail: these may as well.
        least_keys: fewer keys cannot show the fault.
        most_keys: more keys have no allowances of their own.
        sibling: whether a second key of the first one's organisation is asked.
        variants: other forms that are tried.
    """

    name: str
    make: Make
    family: str = ""
    change: Callable[[Deployment], Deployment] = field(default=lambda one: one)
    must_fail: frozenset[Aspect] = frozenset()
    may_fail: frozenset[Aspect] = frozenset()
    promise: Callable[[RateLimitPromise], RateLimitPromise] = field(
        default=lambda one: one
    )
    least_keys: int = 1
    most_keys: int = 4
    sibling: bool = False
    variants: tuple[str, ...] = ("forwarded",)


def _sound() -> list[Cell]:
    cells = []
    for name, (family, make) in MAKES.items():
        # Counting refusals is no fault where nothing is promised about it, but it
        # does refuse what a plain reading of the promise lets in.
        counts = name.endswith("rejected")
        cells.append(
            Cell(
                name=name,
                make=make,
                family=family,
                may_fail=TOO_FEW if counts else frozenset(),
            )
        )
    fixed = MAKES["fixed-clock"][1]
    cells += [
        Cell(
            name="fixed-clock, floor of reset",
            make=fixed,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, reset="floor"),
        ),
        Cell(
            name="fixed-clock, clock 7.3 s ahead",
            make=fixed,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, offset=7.3),
        ),
        Cell(
            name="fixed-first, cached Date",
            make=MAKES["fixed-first"][1],
            family=models.FIXED_FIRST,
            change=lambda one: replace(one, cached_date=True, offset=-0.4),
        ),
        Cell(
            name="bucket, no headers",
            make=MAKES["bucket"][1],
            family=models.BUCKET,
            change=lambda one: replace(one, headers=False),
            promise=lambda one: replace(
                one, headers=HeaderPromise(retry_after=RetryAfterForm.DELAY_SECONDS)
            ),
        ),
    ]
    for algorithm, name in (
        (Algorithm.FIXED_WINDOW, "fixed-clock"),
        (Algorithm.FIXED_WINDOW_FIRST, "fixed-first"),
        (Algorithm.SLIDING_LOG, "log"),
        (Algorithm.SLIDING_COUNTER, "counter"),
        (Algorithm.TOKEN_BUCKET, "bucket"),
    ):
        family, make = MAKES[name]
        cells.append(
            Cell(
                name=f"{name} as promised",
                make=make,
                family=family,
                promise=lambda one, algorithm=algorithm: replace(  # type: ignore[misc]
                    one, algorithm=algorithm
                ),
            )
        )
    for algorithm, name in (
        (Algorithm.SLIDING_LOG, "log-rejected"),
        (Algorithm.SLIDING_COUNTER, "counter-rejected"),
    ):
        family, make = MAKES[name]
        cells.append(
            Cell(
                name=f"{name} as promised",
                make=make,
                family=family,
                promise=lambda one, algorithm=algorithm: replace(  # type: ignore[misc]
                    one, algorithm=algorithm, counting=Counting(rejected=True)
                ),
            )
        )
    return cells


def _faulty() -> list[Cell]:
    clock, first = MAKES["fixed-clock"][1], MAKES["fixed-first"][1]
    log, bucket = MAKES["log"][1], MAKES["bucket"][1]
    over = frozenset((A.OVER_ADMISSION,))
    # A key that was shut by surprise also makes what headers told untrue.
    headers = frozenset((A.RESET, A.RETRY_AFTER, A.REMAINING))
    cells = [
        Cell(
            name=f"{count} workers count apart, {name}",
            make=make,
            change=lambda one, count=count: replace(one, workers=count),  # type: ignore[misc]
            must_fail=over,
            may_fail=TOO_MANY | TOO_FEW | headers,
        )
        for name, make in (("fixed-clock", clock), ("fixed-first", first), ("log", log))
        for count in (2, 3)
    ]
    cells += [
        Cell(
            name="race",
            make=lambda n, w, rng: Racy(n, w, 0.004),
            must_fail=over,
            may_fail=TOO_MANY | TOO_FEW | headers,
        ),
        Cell(
            name="no limit",
            make=lambda n, w, rng: Unlimited(n, w),
            must_fail=over,
            may_fail=TOO_MANY | headers,
        ),
        Cell(
            name="three too many, log",
            make=lambda n, w, rng: SlidingLog(n + 3, w),
            must_fail=frozenset((A.OVER_ADMISSION, A.WINDOW)),
            may_fail=TOO_MANY,
        ),
        Cell(
            name="one too few",
            make=lambda n, w, rng: FixedFirst(n - 1, w),
            must_fail=frozenset((A.UNDER_ADMISSION,)),
            may_fail=TOO_FEW,
        ),
        Cell(
            name="counted twice",
            make=lambda n, w, rng: Twice(FixedFirst(n, w)),
            must_fail=frozenset((A.UNDER_ADMISSION,)),
            may_fail=TOO_FEW,
        ),
        Cell(
            name="small burst",
            make=lambda n, w, rng: Bucket(n, w, n // 3),
            must_fail=frozenset((A.UNDER_ADMISSION,)),
            may_fail=TOO_FEW | {A.REMAINING},
        ),
        Cell(
            name="never expires",
            make=lambda n, w, rng: NoExpiry(n, w),
            must_fail=frozenset((A.RECOVERY, A.UNDER_ADMISSION)),
            may_fail=TOO_FEW,
        ),
        Cell(
            name="expiry put off by every request",
            make=lambda n, w, rng: Ttl(n, w),
            must_fail=frozenset((A.RECOVERY, A.UNDER_ADMISSION)),
            may_fail=TOO_FEW,
        ),
        Cell(
            name="window too long",
            make=lambda n, w, rng: FixedFirst(n, 1.25 * w),
            must_fail=frozenset((A.UNDER_ADMISSION,)),
            may_fail=TOO_FEW | {A.RESET},
        ),
        Cell(
            name="window too short",
            make=lambda n, w, rng: FixedFirst(n, 0.7 * w),
            must_fail=frozenset((A.WINDOW, A.OVER_ADMISSION)),
            may_fail=TOO_MANY,
        ),
        Cell(
            name="refusals count though promised not to",
            make=MAKES["log-rejected"][1],
            must_fail=frozenset((A.COUNTING,)),
            may_fail=TOO_FEW,
            promise=lambda one: replace(one, counting=Counting(rejected=False)),
        ),
        Cell(
            name="2N at the edge though excluded",
            make=first,
            must_fail=over,
            may_fail=TOO_MANY,
            promise=lambda one: replace(one, any_window=True),
        ),
        Cell(
            name="bucket where a log is promised",
            make=bucket,
            must_fail=over,
            may_fail=TOO_MANY,
            promise=lambda one: replace(one, algorithm=Algorithm.SLIDING_LOG),
        ),
        Cell(
            name="log where a fixed window is promised",
            make=log,
            must_fail=frozenset((A.ALGORITHM,)),
            may_fail=TOO_FEW,
            promise=lambda one: replace(one, algorithm=Algorithm.FIXED_WINDOW),
        ),
        Cell(
            name="keys share an allowance",
            make=first,
            change=lambda one: replace(one, bucket_of=lambda key: "all"),
            must_fail=frozenset((A.ISOLATION,)),
            least_keys=2,
            may_fail=TOO_FEW | headers,
        ),
        Cell(
            name="fails open",
            make=lambda n, w, rng: FailsOpen(FixedFirst(n, w), 40),
            must_fail=frozenset((A.STAYS_CLOSED,)),
            may_fail=TOO_MANY | headers,
        ),
        Cell(
            name="Retry-After rounded down",
            make=first,
            family=models.FIXED_FIRST,
            change=lambda one: replace(one, retry_after="floor"),
            must_fail=frozenset((A.RETRY_AFTER,)),
        ),
        Cell(
            name="Retry-After rounded to the nearest",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, retry_after="round"),
            must_fail=frozenset((A.RETRY_AFTER,)),
        ),
        Cell(
            name="Retry-After negative",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, retry_after="negative"),
            must_fail=frozenset((A.RETRY_AFTER,)),
        ),
        Cell(
            name="Retry-After with a fraction",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, retry_after="exact"),
            must_fail=frozenset((A.RETRY_AFTER,)),
        ),
        Cell(
            name="Retry-After missing",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, retry_after="none"),
            must_fail=frozenset((A.RETRY_AFTER,)),
        ),
        Cell(
            name="Remaining three too high",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, remaining=3),
            must_fail=frozenset((A.REMAINING,)),
        ),
        Cell(
            name="Limit untrue",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, told_limit=one.n + 40),
            must_fail=frozenset((A.LIMIT,)),
        ),
        Cell(
            name="Reset 5 s late",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, reset=5.0),
            must_fail=frozenset((A.RESET,)),
        ),
        Cell(
            name="Reset a delta though Unix is promised",
            make=first,
            family=models.FIXED_FIRST,
            change=lambda one: replace(one, offset=-1_789_999_000.0),
            must_fail=frozenset((A.RESET,)),
        ),
        Cell(
            name="refused with 503",
            make=clock,
            family=models.FIXED_CLOCK,
            change=lambda one: replace(one, refusal=503),
            must_fail=frozenset((A.STATUS,)),
        ),
        Cell(
            name="forwarding header counts apart",
            make=first,
            family=models.FIXED_FIRST,
            change=lambda one: replace(one, apart=frozenset(("forwarded",))),
            must_fail=frozenset((A.EVASION,)),
        ),
    ]
    return cells


#: The label of the second key of an organisation.
SIBLING = "sibling"
_ASKED = (OTHER_OPERATION, OTHER_ADDRESS)


def _per(what: str) -> Callable[[RateLimitPromise], RateLimitPromise]:
    return lambda one: replace(one, per=what)


def _apart(*variants: str) -> Callable[[Deployment], Deployment]:
    return lambda one: replace(one, apart=frozenset(variants))


def _joined(one: Deployment) -> Deployment:
    """The first key and its sibling share an allowance, and nobody else does."""
    return replace(one, bucket_of=lambda key: key.replace(SIBLING, "k0"))


def _scoped() -> list[Cell]:
    """Limits that are counted by something else than keys, as promised and not."""
    first, clock = MAKES["fixed-first"][1], MAKES["fixed-clock"][1]
    log, bucket = MAKES["log"][1], MAKES["bucket"][1]
    scope, sharing = frozenset((A.SCOPE,)), frozenset((A.SHARING,))
    cells = [
        Cell(
            name=f"per organisation, {name}",
            make=make,
            family=MAKES[name][0],
            change=_joined,
            promise=_per("organisation"),
            sibling=True,
            variants=("forwarded", *_ASKED),
        )
        for name, make in (
            *(("fixed-clock", clock), ("fixed-first", first)),
            *(("log", log), ("bucket", bucket)),
        )
    ]
    return [
        *cells,
        Cell(
            name="keys apart though per organisation",
            make=first,
            promise=_per("organisation"),
            sibling=True,
            must_fail=sharing,
        ),
        Cell(
            name="organisations share an allowance",
            make=first,
            change=lambda one: replace(one, bucket_of=lambda key: "all"),
            promise=_per("organisation"),
            sibling=True,
            must_fail=frozenset((A.ISOLATION,)),
            may_fail=TOO_FEW | {A.RESET, A.REMAINING},
            least_keys=2,
        ),
        Cell(
            name="keys of an organisation share though per key",
            make=first,
            change=_joined,
            sibling=True,
            must_fail=sharing,
            may_fail=TOO_FEW,
        ),
        Cell(
            name="per operation",
            make=log,
            family=models.LOG,
            change=_apart(OTHER_OPERATION),
            promise=_per("operation"),
            variants=("forwarded", *_ASKED),
            most_keys=1,
        ),
        Cell(
            name="operations share though per operation",
            make=first,
            promise=_per("operation"),
            variants=_ASKED,
            must_fail=scope,
            most_keys=1,
        ),
        Cell(
            name="each operation has an allowance",
            make=clock,
            change=_apart(OTHER_OPERATION),
            variants=("forwarded", *_ASKED),
            must_fail=scope,
        ),
        Cell(
            name="each address has an allowance, bucket",
            make=bucket,
            change=_apart(OTHER_ADDRESS),
            variants=("forwarded", *_ASKED),
            must_fail=scope,
        ),
        Cell(
            name="per address",
            make=first,
            family=models.FIXED_FIRST,
            change=lambda one: replace(_joined(one), apart=frozenset((OTHER_ADDRESS,))),
            promise=_per("address"),
            sibling=True,
            variants=("forwarded", *_ASKED),
            most_keys=1,
        ),
        Cell(
            name="keys apart though per address",
            make=first,
            change=_apart(OTHER_ADDRESS),
            promise=_per("address"),
            sibling=True,
            variants=_ASKED,
            must_fail=scope,
            most_keys=1,
        ),
    ]


CELLS = tuple(_sound() + _faulty() + _scoped())

PROMISE = HeaderPromise(
    limit="X-RateLimit-Limit",
    remaining="X-RateLimit-Remaining",
    reset="X-RateLimit-Reset",
    reset_form=ResetForm.UNIX_SECONDS,
    retry_after=RetryAfterForm.DELAY_SECONDS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One audit of the study and how the measurement stood it.

    Attributes:
        false_alarms: aspects that failed and must not.
        missed: the fault was not found, and passed.
        open: aspects that were inconclusive though the run could decide them; for a
            faulty cell, whether the fault was left open.
        misnamed: another algorithm was named than the one it is.
        unnamed: no algorithm was named.
    """

    false_alarms: tuple[str, ...]
    missed: bool
    open: bool
    misnamed: str
    unnamed: bool

    @property
    def wrong(self) -> bool:
        """Whether a verdict was wrong."""
        return bool(self.false_alarms or self.missed or self.misnamed)


@dataclass(frozen=True, slots=True)
class Setting:
    """Figures that a cell is tried with."""

    limit: int
    window: float
    keys: int


def schedule_of(cell: Cell, setting: Setting) -> tuple[RateLimitPromise, Schedule]:
    """Return the promise and the schedule for a cell."""
    promise = cell.promise(
        RateLimitPromise(
            policy=Policy(limit=setting.limit, window=setting.window), headers=PROMISE
        )
    )
    keys = [f"k{number}" for number in range(min(setting.keys, cell.most_keys))]
    sibling = SIBLING if cell.sibling else ""
    return promise, plan(promise, keys, variants=cell.variants, sibling=sibling)


def measure(cell: Cell, setting: Setting, network: str, seed: int) -> Measurement:
    """Run one audit and analyse it."""
    promise, schedule = schedule_of(cell, setting)
    deployment = cell.change(
        Deployment(make=cell.make, n=setting.limit, w=setting.window)
    )
    trace = run(schedule, promise, deployment, NETWORKS[network], seed)
    return analyse(trace, promise)


def judge(cell: Cell, measurement: Measurement) -> Trial:
    """Compare a measurement with what it must say."""
    failed = {
        finding.aspect
        for finding in measurement.findings
        if finding.outcome is Outcome.FAILED
    }
    allowed = cell.must_fail | cell.may_fail
    inference = measurement.inference
    named = inference.named
    misnamed = ""
    if cell.family and named:
        kin = cell.family in KIN and named == STUCK
        if named != cell.family and not kin:
            misnamed = named
    found = bool(failed & cell.must_fail)
    decidable = set(cell.must_fail or _DECIDABLE)
    if "rejected" in cell.name:
        # Where every refusal puts the next admission off, only silence is a fair test,
        # and it takes longer than the run.
        decidable.discard(A.RETRY_AFTER)
    left_open = any(
        measurement[aspect].outcome is Outcome.INCONCLUSIVE for aspect in decidable
    )
    return Trial(
        false_alarms=tuple(sorted(failed - allowed)),
        missed=bool(cell.must_fail) and not found and not left_open,
        open=left_open and not found,
        misnamed=misnamed,
        unnamed=bool(cell.family) and not named,
    )


#: What a run with four keys decides on a sound deployment.
_DECIDABLE = frozenset(
    (
        A.OVER_ADMISSION,
        A.UNDER_ADMISSION,
        A.RECOVERY,
        A.STATUS,
        A.LIMIT,
        A.REMAINING,
        A.RESET,
        A.RETRY_AFTER,
        A.RACES,
        A.EVASION,
    )
)
