"""Which limiter explains the observations: every model is replayed, the best is named.

The requests of a key are cut into clusters of overlapping intervals: within a cluster
the order of the decisions is unknown, so only its admitted *count* is compared. A
model's cost is the sum of the differences. It is named only when it explains nearly
everything and the next best explains clearly less; otherwise the answer is "cannot
tell between" or "fits none". Knows lanes and models. Must not know the verdicts drawn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tollproof.ratelimit.clusters import Clusters, clusters_of, total_cost
from tollproof.ratelimit.models import (
    BUCKET,
    COUNTER,
    COUNTER_REJECTED,
    FIXED_CLOCK,
    FIXED_FIRST,
    JOINING,
    LOG,
    LOG_REJECTED,
    NO_EXPIRY,
    TRICKLING,
    TTL,
    TTL_ADMITTED,
    UNLIMITED,
    Model,
)
from tollproof.ratelimit.promise import Algorithm, Policy
from tollproof.ratelimit.resets import told_by_clock
from tollproof.ratelimit.view import ADMITTED, REFUSED, Lane

#: A model is named when it misses at most this share of the requests …
FIT = 0.03
#: … and the next family's cost is at least this many times its own, and some more.
FACTOR, MORE = 3, 4
#: Past this cost, other figures than the promised ones are tried.
EXPLAINED = 3
#: Most phases of a clock's windows that are tried, beside a raster.
PHASES = 250
#: Places of a longer window's edge that are tried, in windows of the shortest limit.
EDGES = 8
#: Admissions beyond the limit after which no counter has stuck for ever.
AGAIN = 2
#: Families with one and the same fault, which is what is named.
KIN = frozenset((TTL, TTL_ADMITTED, NO_EXPIRY))
STUCK = "counter that does not expire while it is asked"

#: The promised algorithm → the families that keep it.
KEEPS = {
    Algorithm.FIXED_WINDOW: (FIXED_CLOCK, FIXED_FIRST),
    Algorithm.FIXED_WINDOW_CLOCK: (FIXED_CLOCK,),
    Algorithm.FIXED_WINDOW_FIRST: (FIXED_FIRST,),
    Algorithm.SLIDING_LOG: (LOG, LOG_REJECTED),
    Algorithm.SLIDING_COUNTER: (COUNTER, COUNTER_REJECTED),
    Algorithm.TOKEN_BUCKET: (BUCKET,),
    # From outside, a leaky bucket used as a meter is a token bucket (ITU-T I.371).
    Algorithm.LEAKY_BUCKET: (BUCKET,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well one model explains the observations.

    Attributes:
        cost: requests whose outcome it does not explain.
    """

    model: Model
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What the limiter is consistent with.

    Attributes:
        fits: the best model of each family, best first.
        requests: how many requests were compared.
        named: the family that is named; empty when none is.
        candidates: the families that cannot be told apart; empty when none fits.
        promised_cost: the lowest cost of a model with the promised figures.
        fewer_cost: the cost of the best model, were one fewer let in.
        sentence: the result in words.
    """

    fits: tuple[Fit, ...]
    requests: int
    named: str
    candidates: tuple[str, ...]
    sentence: str
    promised_cost: int | None = None
    fewer_cost: float = 0.0

    @property
    def best(self) -> Model | None:
        """The model with the lowest cost, if any."""
        return self.fits[0].model if self.fits else None

    @property
    def may_trickle(self) -> bool:
        """Whether single requests may be let in while a key is shut."""
        return not self.candidates or bool(TRICKLING & set(self.candidates))

    def cost(self, families: Iterable[str]) -> int | None:
        """Return the lowest cost among some families."""
        wanted = set(families)
        costs = [fit.cost for fit in self.fits if fit.model.family in wanted]
        return min(costs) if costs else None


def infer(
    lanes: Sequence[Lane], policy: Policy, further: Sequence[Policy] = ()
) -> Inference:
    """Replay all models over the plain requests of the lanes.

    Keys are taken to have been rested before their first request.

    Args:
        further: longer limits that hold at the same time; they are taken to work as
            the first does, or not to be there.
    """
    sequences = [
        clusters_of(lane, policy.window / 2000) for lane in lanes if len(lane) >= 3
    ]
    requests = sum(one.requests for one in sequences)
    if not requests:
        return Inference(
            fits=(), requests=0, named="", candidates=(), sentence="nothing was sent"
        )
    most = max(one.requests for one in sequences)
    further = tuple(one for one in further if one.limit <= most)
    fits = _fit_all(sequences, policy.limit, policy.window, policy.burst, further)
    if further and fits[0].cost > EXPLAINED:
        alone = _fit_all(sequences, policy.limit, policy.window, policy.burst)
        fits = _best_of(fits, alone)
    promised = fits[0].cost
    first = fits[0]
    by_clock = first.cost <= EXPLAINED and first.model.family == FIXED_CLOCK
    if by_clock and not told_by_clock(lanes, policy.window):
        # Where keys began together, a shorter window from the first request on ends
        # when one by the clock does.
        window = _best_window(sequences, policy.limit, _measured(lanes, policy)[1][1:])
        if window:
            model = Model(family=FIXED_FIRST, limit=policy.limit, window=window)
            cost = total_cost(model, sequences, requests)
            fits = _best_of(fits, (Fit(model=model, cost=int(min(cost, requests))),))
    if fits[0].cost > EXPLAINED:
        # What does not keep the promised figures may keep others.
        promised_figures = (float(policy.limit), policy.window)
        limits, windows = _measured(lanes, policy)
        for limit in limits:
            window = _best_window(sequences, limit, windows)
            for other in {(limit, policy.window), (limit, window)}:
                if other != promised_figures:
                    found = _fit_all(sequences, *other, None, further)
                    fits = _best_of(fits, found)
    fits = tuple(
        fit
        for fit in fits
        if fit.model.family != NO_EXPIRY or _beyond(lanes, fit.model.limit) < AGAIN
    )
    return replace(
        _decide(fits, requests, policy),
        promised_cost=promised,
        fewer_cost=total_cost(_one_fewer(fits[0].model), sequences, requests),
    )


def _one_fewer(model: Model) -> Model:
    capacity = None if model.capacity is None else model.capacity - 1
    return replace(model, limit=model.limit - 1, capacity=capacity)


def _beyond(lanes: Sequence[Lane], limit: float) -> int:
    """How often a key was let in when the limit had certainly been reached before.

    A counter that never expires does not do that, whatever the network does: a few
    requests weigh little among hundreds, and say this for certain.
    """
    times = 0
    for lane in lanes:
        sent, received = lane.admitted
        if len(received) > limit:
            times += len(sent) - bisect_right(sorted(sent), received[int(limit) - 1])
    return times


def _fit_all(
    sequences: Sequence[Clusters],
    limit: float,
    window: float,
    burst: int | None,
    further: Sequence[Policy] = (),
) -> tuple[Fit, ...]:
    """Return the best fit of each family, best first."""
    cap = sum(one.requests for one in sequences)
    fits = []

    def keep(models: Iterable[Model]) -> None:
        best: Fit | None = None
        for model in models:
            bound = cap if best is None else best.cost - 1
            model = with_further(model, further)
            cost = total_cost(model, sequences, bound)
            if cost <= bound:
                best = Fit(model=model, cost=int(cost))
        if best is not None:
            fits.append(best)

    def plain(family: str) -> Model:
        return Model(family=family, limit=limit, window=window)

    for family in (FIXED_FIRST, LOG, LOG_REJECTED, TTL, TTL_ADMITTED, NO_EXPIRY):
        keep((plain(family),))
    keep((plain(UNLIMITED),))
    switches = _switches(sequences, window)
    clock = plain(FIXED_CLOCK)
    for number in range(EDGES if further else 1):
        keep(_fixed(clock, sequences, switches, further, number))
    for family in (COUNTER, COUNTER_REJECTED):
        keep(_counters(plain(family), sequences))
    keep(_buckets(plain(BUCKET), sequences, burst))
    return _best_of(fits, ())


def _switches(sequences: Sequence[Clusters], window: float) -> list[float]:
    """Phases worth trying for windows by the clock: where a key was let in again.

    A window's edge lies between two groups; only the order of the edge among the
    groups matters, so the gaps before those that open something are enough. Of keys
    that were let in again at the same edge, one knows more closely where it is, or
    each bounds it from another side: the arcs between all bounds are tried as well.
    """
    found: set[float] = set()
    bounds: set[float] = set()
    for one in sequences:
        row = 0
        last = one.groups[0][0] - 0.02 * window
        shut = True
        for size, seen in zip(one.clusters, one.admitted, strict=True):
            asked = sum(number for _, number in one.groups[row : row + size])
            here = one.groups[row][0]
            if seen and shut:
                found.add(((last + here) / 2) % window)
                bounds.update((last % window, here % window))
            if 0 < seen < asked and size > 1:
                step = max(1, size // 24)
                found.update(
                    one.groups[at][0] % window for at in range(row, row + size, step)
                )
            shut = seen < asked
            row += size
            last = one.groups[row - 1][0]
    # A bucket opens all the time: then every few do.
    found = set(_thinned(found)) | set(_arcs(_thinned(bounds), window))
    # Beside them a coarse raster, for keys that were never refused.
    found.update(window * part / 16 for part in range(16))
    return sorted(found)


def _thinned(marks: Iterable[float]) -> list[float]:
    """Return at most some :data:`PHASES` of the marks, in order."""
    ordered = sorted(marks)
    return ordered[:: max(1, len(ordered) // PHASES)]


def _arcs(bounds: Sequence[float], window: float) -> list[float]:
    """Return the middle of each arc between neighbours on the circle of a window."""
    around = [*bounds[1:], *(one + window for one in bounds[:1])]
    return [
        ((one + other) / 2) % window for one, other in zip(bounds, around, strict=True)
    ]


def with_further(model: Model, further: Sequence[Policy], number: int = 0) -> Model:
    """Return a model that longer limits of its kind join.

    Args:
        number: how many of its windows later theirs begin, by the clock.
    """
    if not further or model.further or model.family not in JOINING:
        return model
    phase = None if model.phase is None else model.phase + number * model.window
    return replace(
        model,
        further=tuple(
            Model(
                family=model.family,
                limit=one.limit,
                window=one.window,
                phase=phase,
                capacity=None if model.capacity is None else one.burst or one.limit,
            )
            for one in further
        ),
    )


def _fixed(
    model: Model,
    sequences: Sequence[Clusters],
    phases: Iterable[float],
    further: Sequence[Policy] = (),
    number: int = 0,
) -> Iterable[Model]:
    """Windows by the clock: phases worth trying, then the neighbours of the best."""

    def at(phase: float) -> Model:
        return with_further(replace(model, phase=phase), further, number)

    best, found = float("inf"), 0.0
    for phase in phases:
        cost = total_cost(at(phase), sequences, best)
        if cost < best:
            best, found = cost, phase
    # Closer and closer: a fill sends many requests in a ten-thousandth of a window.
    step = model.window / 60
    while best and step > model.window / 200_000:
        for phase in (found - step, found + step):
            cost = total_cost(at(phase), sequences, best)
            if cost < best:
                best, found = cost, phase
                break
        else:
            step /= 2
    yield at(found)


def _counters(model: Model, sequences: Sequence[Clusters]) -> Iterable[Model]:
    """Sliding counters: windows from the first request, then by the clock.

    The cost is nearly smooth in the phase: a raster, then a closer look at its best.
    """
    yield model
    tried: dict[float, float] = {}
    cap = float(sum(one.requests for one in sequences))

    def cost(phase: float) -> float:
        phase %= model.window
        if phase not in tried:
            best = min(tried.values(), default=cap)
            one = replace(model, phase=phase)
            tried[phase] = total_cost(one, sequences, 2 * best + 20)
        return tried[phase]

    for part in range(24):
        cost(model.window * part / 24)
    step = model.window / 24
    for _ in range(6):
        step /= 2
        for centre in sorted(tried, key=lambda phase: tried[phase])[:3]:
            cost(centre - step)
            cost(centre + step)
    for phase in sorted(tried, key=lambda phase: tried[phase])[:3]:
        yield replace(model, phase=phase)


def _buckets(
    model: Model, sequences: Sequence[Clusters], burst: int | None
) -> Iterable[Model]:
    """Buckets of the promised capacity, of the limit, and of what was seen at once."""
    capacities = {float(burst or model.limit), float(model.limit), 1.0}
    rate = model.limit / model.window
    for one in sequences:
        row, total = 0, 0
        begin = one.groups[0][0]
        for size, seen in zip(one.clusters, one.admitted, strict=True):
            asked = sum(number for _, number in one.groups[row : row + size])
            row += size
            total += seen
            if seen < asked:
                spent = one.groups[row - 1][0] - begin
                guess = round(total - rate * spent)
                capacities.update(max(1.0, float(guess + more)) for more in (-1, 0, 1))
                break
    return [replace(model, capacity=capacity) for capacity in sorted(capacities)]


def _measured(
    lanes: Sequence[Lane], policy: Policy
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Guess the limits and windows that are really enforced, from fills and gaps.

    A window from the first request ended between the last refusal and the first
    admission after it: for every key that was shut, so in what all of them share.
    """
    counts: list[int] = []
    low, high = 0.0, 3 * policy.window
    spans: list[tuple[float, float]] = []
    for lane in lanes:
        rows = [row for row, variant in enumerate(lane.variant) if variant == "plain"]
        outcomes = [lane.outcome[row] for row in rows]
        # Shut is where ten in a row are refused: within a burst the order is open.
        shut = next(
            (
                at
                for at, outcome in enumerate(outcomes)
                if outcome == REFUSED and ADMITTED not in outcomes[at : at + 10]
            ),
            None,
        )
        if shut is None:
            continue
        known = lane.received[rows[shut]]
        later = next(
            (at for at, row in enumerate(rows) if lane.sent[row] > known), len(rows)
        )
        counts.append(outcomes[:later].count(ADMITTED))
        again = next(
            (at for at in range(later, len(rows)) if outcomes[at] == ADMITTED), None
        )
        if again is not None:
            begin = lane.sent[rows[again - 1]] - lane.received[rows[0]]
            spans.append((begin, lane.received[rows[again]] - lane.sent[rows[0]]))
    for begin, end in sorted(spans, key=lambda span: span[1] - span[0]):
        if end > low and begin < high:
            low, high = max(low, begin), min(high, end)
    limits = {float(policy.limit)}
    if counts:
        limits.add(float(max(1, sorted(counts)[len(counts) // 2])))
    windows = [policy.window]
    if spans and high > 0.02 * policy.window:  # below: a bucket's trickle, no window
        windows += [low + (high - low) * part / 12 for part in range(1, 12)]
    return tuple(sorted(limits)), tuple(windows)


def _best_window(
    sequences: Sequence[Clusters], limit: float, windows: Sequence[float]
) -> float:
    """Return the window that explains most, from the first request or as a log."""
    best, found = float("inf"), windows[0] if windows else 0.0
    for window in windows:
        for family in (FIXED_FIRST, LOG):
            model = Model(family=family, limit=limit, window=window)
            cost = total_cost(model, sequences, best)
            if cost < best:
                best, found = cost, window
    return found


def _best_of(one: Sequence[Fit], other: Sequence[Fit]) -> tuple[Fit, ...]:
    best: dict[str, Fit] = {}
    for fit in (*one, *other):
        known = best.get(fit.model.family)
        if known is None or fit.cost < known.cost:
            best[fit.model.family] = fit
    return tuple(sorted(best.values(), key=lambda fit: fit.cost))


def _decide(fits: tuple[Fit, ...], requests: int, policy: Policy) -> Inference:
    first = fits[0]
    named = ""
    candidates: tuple[str, ...] = ()
    close = [fit for fit in fits if fit.cost < FACTOR * first.cost + MORE]
    if first.cost > FIT * requests:
        sentence = (
            "fits none of the known algorithms: the best, "
            f"{describe(first.model, policy)}, leaves {first.cost} of {requests} "
            "requests unexplained"
        )
    elif len(close) == 1 or all(fit.model.family in KIN for fit in close):
        named = STUCK if first.model.family in KIN else first.model.family
        candidates = tuple(fit.model.family for fit in close)
        second = fits[len(close)] if len(fits) > len(close) else None
        against = (
            f", the next best ({second.model.family}) {second.cost}" if second else ""
        )
        sentence = (
            f"consistent with a {describe(first.model, policy)}: it leaves "
            f"{first.cost} of {requests} requests unexplained{against}"
        )
    else:
        candidates = tuple(fit.model.family for fit in close)
        told = ", ".join(f"{fit.model.family} ({fit.cost})" for fit in close)
        sentence = (
            f"cannot tell between {told}: so many of {requests} requests each leaves "
            "unexplained"
        )
    return Inference(
        fits=fits,
        requests=requests,
        named=named,
        candidates=candidates,
        sentence=sentence,
    )


def describe(model: Model, policy: Policy) -> str:
    """Return a model in words, with its figures where they are not the promised."""
    text = model.family
    if model.capacity is not None and model.capacity != policy.limit:
        text += f" of capacity {model.capacity:g}"
    off = abs(model.window - policy.window) > 0.001 * policy.window
    if (model.limit != policy.limit or off) and model.family != UNLIMITED:
        text += f" with {model.limit:g} per {model.window:.4g} s"
    for one in model.further:
        text += f", and with {one.limit:g} per {one.window:.4g} s"
    return text
