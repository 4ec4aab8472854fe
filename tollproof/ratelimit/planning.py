"""From a promise to a schedule: the cheapest traffic that tells the algorithms apart.

Four keys run at the same time, each with a question of its own; with fewer keys the
questions wait for one another. `W` is the window, `N` what a rested key may send.

- `cap`: N and a surplus at 0, then probes to 1.25 W and N/4 at 0.5 and 0.78 W. Over-
  and under-admission, the first reopening, fixed windows or sliding ones, whether a
  client that waits as told is let in.
- `edge`: N/4 at 0.1 W; then, about the window's edge as Reset tells it, 3N/4 just
  before and N just after. Fixed windows against sliding ones, the burst at the edge.
- `recovery`: N and a surplus at 0.01 W; N/4 at 0.3 W; silence; N and a surplus at
  1.33 W. Buckets refill, and what was silent for a window is admitted in full.
- `paced`: 0.95 N per W for 1.12 W. Nothing is refused below the limit, nor on account
  of the other keys.

Each fill starts with a synchronised burst and ends with one across the limit, so that
every fill is a trial for races from empty and at the edge. Must not know how requests
are sent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tollproof.ratelimit.aside import POOL, ask_with_errors, fail_to_come_in
from tollproof.ratelimit.promise import Algorithm, RateLimitPromise
from tollproof.ratelimit.schedule import Cue, Phase, Schedule, Shot

#: Requests still allowed when the burst across the limit starts.
LEFT = 5
#: Refusals that burst should see, and how many more follow on connections of their own.
ACROSS, AFTER = 30, 15
#: How often the limit may be exceeded while we look for how far it can be.
FACTOR = 3
ASK = "cap.ask"


@dataclass(slots=True, kw_only=True)
class Draft:
    """Shots in the making, with what every phase needs to know."""

    promise: RateLimitPromise
    per_second: float
    keys: int
    full: int = field(init=False)
    window: float = field(init=False)
    quick: float = field(init=False)
    shots: list[Shot] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Derive the figures every phase uses."""
        self.full = self.promise.capacity
        self.window = self.promise.tightest.window
        wanted = min(0.6, 0.05 * self.window)
        self.quick = max(wanted, 4 * self.full / self.per_second)

    @property
    def pause(self) -> float:
        """Seconds in which the answers of one shot come back before the next."""
        return min(0.25, 0.02 * self.window)

    @property
    def obeyed(self) -> float:
        """Seconds past the told moment, for two clocks that drift apart by 0.01 %."""
        return 0.005 + 0.00015 * self.window

    @property
    def before(self) -> float:
        """Seconds that a fill takes, its bursts included."""
        return self.quick + 4 * self.pause

    @property
    def margin(self) -> float:
        """Seconds between the fills before and after an edge that is told roughly."""
        return max(0.04 * self.window, min(1.2, 0.1 * self.window))

    @property
    def aiming(self) -> float:
        """Seconds from opening a window until the fills about its edge can be."""
        opening = 0.15 * self.window + self.quick + self.pause
        return opening + self.before + self.margin / 2

    def add(self, key: str, phase: str, at: float, count: int, **more: Any) -> int:
        """Append a shot, and return its number."""
        number = len(self.shots)
        if count > 0:
            shot = Shot(number=number, key=key, phase=phase, at=at, count=count)
            self.shots.append(replace(shot, **more))
        return number

    def fill(
        self,
        key: str,
        phase: str,
        at: float,
        count: int,
        *,
        cold: bool = True,
        slow: float = 1.0,
        extend: bool = True,
        **cue: Any,
    ) -> int:
        """Use up `count` and go past it; return the number of the last shot.

        `slow` stretches the paced part; `extend` goes on while it is let in. With a
        cue, all shots follow the same moment and `delay` in it is that of the first.
        """
        delay = float(cue.pop("delay", 0.0))
        start = at

        def shot(name: str, when: float, number: int, **more: Any) -> int:
            more.update(cue)
            if cue:
                more["delay"] = delay + when - start
            return self.add(key, f"{phase}.{name}", when, number, **more)

        left = min(LEFT, count // 2)
        burst = min(50, count // 4) if cold and count >= 20 else 0
        if burst:
            shot("cold", at, burst, connections=burst, fresh=True)
            at += self.pause
        body = count - left - burst
        seconds = self.quick * slow * body / self.full
        shot("fill", at, body, seconds=seconds, connections=POOL)
        at += seconds + self.pause
        surplus = max(ACROSS, math.ceil(count * self.promise.tolerance) + 5)
        across = min(surplus, 60)
        shot("across", at, left + across, connections=left + across, fresh=True)
        at += self.pause
        after = AFTER + surplus - across
        return shot(
            "after",
            at,
            after,
            seconds=min(2 * self.quick * after / self.full, 0.1 * self.window),
            connections=after,
            fresh=True,
            until_refused=AFTER if extend else 0,
            most=FACTOR * self.full if extend else 0,
            patience=min(max(1.0, 0.05 * self.window), 0.15 * self.window),
        )

    def cap(self, key: str, at: float) -> float:
        """Fill, then probe until well after a window; return when the fill is over."""
        self.phases.append(
            Phase(name="cap", key=key, purpose="how many are admitted, first reopening")
        )
        window = self.window
        self.fill(key, "cap", at, self.full)
        per_window = max(9.0, min(100.0, 0.15 * self.full))
        step = window / per_window
        begin = self.shots[-1].ends + self.pause
        count = int((at + 1.25 * window - begin) / step)
        self.add(key, "cap.probe", begin, count, seconds=count * step, connections=4)
        # A sliding counter lets in little by little where a fixed window opens at once;
        # only a batch in the middle shows how much.
        batch = max(3, self.full // 4)
        for part in (0.5, 0.78):
            self.add(
                key,
                "cap.batch",
                at + part * window,
                batch,
                seconds=self.quick * batch / self.full,
                connections=POOL,
            )
        return begin

    def told(self, key: str, at: float, begin: float) -> None:
        """Follow what refusals say, at moments that differ in their fraction.

        Three refusals a third of a second apart, each obeyed exactly: a value that was
        rounded down or to the nearest cannot pass all three.
        """
        third = min(1 / 3, 0.05 * self.window)
        # A bucket may have a token by then: one request more than can have dripped in.
        policy = self.promise.tightest
        drain = min(10, 2 + math.ceil(third * policy.limit / policy.window))
        for turn in range(3):
            moment = begin + turn * third
            asked = self.add(key, ASK, moment, drain, connections=drain)
            self.add(
                key,
                "cap.told",
                max(at + self.window, moment + third),
                1,
                cue=Cue.RETRY_AFTER,
                follows=asked,
                delay=self.obeyed,
                earliest=at,
                latest=at + 1.22 * self.window,
            )

    def edge(self, key: str, at: float) -> None:
        """Spend a quarter, then the rest and a whole allowance about an edge."""
        self.phases.append(
            Phase(name="edge", key=key, purpose="the burst at the window's edge")
        )
        window, full = self.window, self.full
        eighth = max(1, full // 8)
        # In two parts: a window that each admission puts off does not end when the
        # first part says.
        for part in (0.0, 0.15):
            first = self.add(
                key,
                "edge.open",
                at + part * window,
                eighth,
                seconds=self.quick * eighth / full,
                connections=POOL,
            )
        first -= 1
        before, margin = self.before, self.margin
        # Where a fill takes long against the window, the opening still comes first.
        soonest = at + self.aiming
        edge = max(at + window, soonest)
        cue: dict[str, Any] = {
            "cue": Cue.RESET,
            "follows": first,
            "earliest": max(at + 0.25 * window, soonest),
            "latest": max(at + 1.25 * window, soonest + window),
            "period": window,
        }
        lead = -before - margin / 2
        self.fill(
            key,
            "edge.before",
            edge + lead,
            max(1, full - 2 * eighth),
            cold=False,
            extend=False,
            delay=lead,
            **cue,
        )
        count = full + 5
        self.add(
            key,
            "edge.after",
            edge + margin / 2,
            count,
            seconds=self.quick,
            connections=POOL,
            delay=margin / 2,
            **cue,
        )

    def recovery(self, key: str, at: float) -> None:
        """Fill, ask for a refill, be silent, fill again.

        With two keys all windows would begin a whole number of windows after the first:
        so this one is silent until it is filled again, and what it is answered after
        that tells whether windows begin by the clock. A lone key has rested for longer,
        and is asked after it was filled for the first time.
        """
        few = self.keys == 2
        self.phases.append(
            Phase(
                name="recovery", key=key, purpose="refill, and recovery after silence"
            )
        )
        window, full = self.window, self.full
        self.fill(key, "recovery.first", at, full)
        batch = full // 4 + max(3, min(20, full // 3))
        refill = self.add(
            key,
            "recovery.refill",
            at + 0.29 * window,
            batch,
            seconds=self.quick * batch / full,
            connections=POOL,
        )
        asked = self.add(key, "recovery.ask", self.shots[refill].ends + self.pause, 1)
        self.add(
            key,
            "recovery.told",
            max(at + window, self.shots[asked].at + self.pause),
            0 if few else 1,
            cue=Cue.RETRY_AFTER,
            follows=asked,
            delay=self.obeyed,
            earliest=at,
            latest=at + 1.28 * window,
        )
        if self.keys == 1 and _from_the_first(self.promise):
            for part in (0.75, 0.8, 0.85, 0.9):
                self.add(key, "recovery.late", at + part * window, 1)
        slow = max(1.0, 0.02 * window / self.quick)
        # Only silence for more than a window shows a counter that never expires.
        again = max(at + 1.33 * window, self.shots[asked].ends + 1.03 * window)
        self.fill(key, "recovery.again", again, full, slow=slow)
        for part in (0.7, 0.75, 0.8, 0.85) if few else ():
            self.add(key, "recovery.late", again + part * window, 1)

    def paced(self, key: str, at: float) -> None:
        """Stay just below the limit for longer than a window."""
        self.phases.append(
            Phase(name="paced", key=key, purpose="no refusal below the limit")
        )
        policy = self.promise.tightest
        seconds = 1.12 * self.window
        count = max(2, int(0.95 * policy.limit * 1.12))
        self.add(key, "paced", at, count, seconds=seconds, connections=8)

    def trial(self, key: str, at: float) -> None:
        """One more fill, for races."""
        self.phases.append(
            Phase(name="trial", key=key, purpose="races from empty and at the limit")
        )
        self.fill(key, "trial", at, self.full)

    def asked_while_shut(
        self, key: str, at: float, names: Sequence[str], sibling: str
    ) -> None:
        """Ask in other ways, and as others, while a key that ran `cap` is shut."""
        window = self.window
        if sibling:
            self.phases.append(
                Phase(name="sharing", key=sibling, purpose="who shares an allowance")
            )
            self.add(sibling, "sharing", at + self.pause, 3, seconds=self.pause)
        if names:
            self.phases.append(
                Phase(name="evasion", key=key, purpose="requests that count apart")
            )
        policy = self.promise.tightest
        # A bucket fills up again meanwhile: the controls drain it, and the variant
        # asks for more than can have dripped in since.
        dripped = policy.limit / policy.window * 0.3
        controls = max(2, min(10, math.ceil(dripped) + 1))
        # Since the key was last drained more than a second may have gone by.
        idle = math.ceil(1.25 * policy.limit / policy.window)
        first = max(controls, min(max(20, self.full // 40), idle))
        asked = max(3, min(20, math.ceil(dripped) + 3))
        # Two share a pair of controls; more, where a window is short for that many.
        rows = max(1, min(math.ceil(len(names) / 2), int(0.2 * window / 0.1)))
        step = max(0.1, min(0.25, 0.2 * window / (rows + 1)))
        groups = [names[row::rows] for row in range(rows)]
        for turn, group in enumerate((*groups, ())):
            moment = at + turn * step
            # Plain requests before and after each variant: only while both are refused
            # does an admitted variant prove anything.
            if names:
                count = controls if turn else first
                self.add(key, "evasion.control", moment, count, connections=count)
            for name in group:
                self.add(
                    key,
                    "evasion.variant",
                    moment + step / 2,
                    asked,
                    connections=asked,
                    fresh=True,
                    variant=name,
                )


def plan(
    promise: RateLimitPromise,
    keys: Sequence[str],
    *,
    per_second: float = 6000.0,
    paced: bool | None = None,
    trials: Sequence[str] = (),
    variants: Sequence[str] = (),
    sibling: str = "",
    rounds: int | None = None,
    errors: tuple[str, str] | None = None,
    strangers: Sequence[str] = (),
    spoofed: str = "",
) -> Schedule:
    """Plan a measurement.

    Args:
        promise: what to measure; with several policies, that of the shortest window.
        keys: labels of keys with an allowance of their own each, rested, and used by
            nobody else. Four are enough; of more, the first four are used.
        per_second: the most that may be sent in a second, all keys together.
        paced: whether to ask for a window just below the limit; by default where
            there are four keys, since it takes more than a window on its own.
        trials: further keys, each used once for a trial of races.
        variants: names of other forms of the request, sent while the first is shut.
        sibling: a key of the same organisation as `keys[0]`, asked while that is shut.
        rounds: how often to go through it all; by default once, and more often for
            limits so small that one round tells too little, where that is quick.
        errors: the key that asks whether errors count, and the form of a request that
            ends in one. A key of its own asks meanwhile, another one afterwards.
        strangers: labels of callers with wrong credentials, who fail in the end.
        spoofed: the form of a request that claims to come from elsewhere.

    Raises:
        ValueError: there is no key, or one is named twice.
    """
    labels = tuple(keys[:4])
    own = (errors[0],) if errors and errors[0] not in labels else ()
    everyone = (*labels, *trials, *((sibling,) if sibling else ()), *own, *strangers)
    if not labels or len(set(everyone)) != len(everyone):
        raise ValueError("a measurement needs keys, each named once")
    draft = Draft(promise=promise, per_second=per_second, keys=len(labels))
    window = draft.window
    starts = _starts(
        labels,
        with_paced=len(labels) > 3 if paced is None else paced,
        rested=1.0 if _from_the_first(promise) else 0.0,
        slow=draft.aiming > 0.28 * window,
    )
    repeat = _rounds(promise) if rounds is None else rounds
    over = 0.0
    for turn in range(repeat):
        for phase, (key, at) in starts.items():
            full = getattr(draft, phase)(key, over + at * window)
            if phase == "cap":
                draft.told(key, over, full)
                if turn == 0:
                    # After the last refusal that is asked when to come back.
                    begin = max(shot.at for shot in draft.shots if shot.phase == ASK)
                    begin += min(1.2, 0.1 * window)
                    draft.asked_while_shut(key, begin, variants, sibling)
        # Not a whole number of windows: each round meets the clock at another phase.
        over = max(shot.ends for shot in draft.shots) + 1.13 * window
    for turn, key in enumerate(trials):
        draft.trial(key, (0.03 + 0.02 * turn) * window)
    if errors:
        # While the first key is shut, which shows that no window ends; or so late that
        # a sliding counter too has forgotten what that key did before.
        at = 0.36 * window if own else over + window
        ask_with_errors(draft, errors[0], at, errors[1])
    if strangers and promise.strangers:
        last = max(shot.ends for shot in draft.shots) + draft.pause
        fail_to_come_in(draft, strangers, last, promise.strangers, spoofed)
    shots = tuple(draft.shots)
    untested = []
    if draft.quick > 0.1 * window:
        untested.append(
            f"bursts: {draft.full} requests take {draft.quick:.2f} s at "
            f"{per_second:g} a second, long against a window of {window:g} s"
        )
    if "paced" not in starts:
        untested.append("that nothing is refused just below the limit: needs four keys")
    if len(labels) == 1:
        untested.append("that keys do not share an allowance: needs two keys")
    if not sibling:
        untested.append("who shares an allowance: needs two keys of an organisation")
    return Schedule(
        limit=promise.tightest.limit,
        window=window,
        keys=everyone,
        phases=tuple(draft.phases),
        shots=shots,
        seconds=max(shot.ends for shot in shots),
        untested=tuple(untested),
    )


def _from_the_first(promise: RateLimitPromise) -> bool:
    """Whether it is promised that windows begin with a key's first request.

    To tell that from windows by the clock, one must begin at another phase of it.
    """
    return promise.algorithm is Algorithm.FIXED_WINDOW_FIRST


def _rounds(promise: RateLimitPromise) -> int:
    """Say how many rounds a small limit needs: some 40 requests, within 90 seconds."""
    policy = promise.tightest
    wanted = math.ceil(40 / policy.limit)
    return max(1, min(wanted, int(90 / (2.6 * policy.window)), 8))


def _starts(
    keys: Sequence[str], *, with_paced: bool, rested: float, slow: bool
) -> Mapping[str, tuple[str, float]]:
    """Say which key runs which phase when, in windows.

    A key that runs a second phase rests for a window before it, where that phase
    starts with a fill. The edge phase starts with little, and follows at once.

    Args:
        rested: how many windows more a lone key rests after its first phase.
        slow: whether the window that its second phase left behind is over before its
            edge can be aimed at: then the next one is opened.
    """
    if len(keys) >= 3:
        starts = {
            "cap": (keys[0], 0.0),
            "edge": (keys[1], 0.1),
            "recovery": (keys[2], 0.01),
        }
        if with_paced:
            starts["paced"] = (keys[3], 0.05) if len(keys) > 3 else (keys[0], 2.3)
    elif len(keys) == 2:
        starts = {
            "cap": (keys[0], 0.0),
            "recovery": (keys[1], 0.01),
            "edge": (keys[0], 1.3),
        }
        if with_paced:
            starts["paced"] = (keys[1], 2.45)
    else:
        # Where it has rested, the window left behind is over later by so much.
        edge = 2.75 + rested + (0.35 + 0.4 * rested if slow else 0.0)
        starts = {
            "cap": (keys[0], 0.0),
            "recovery": (keys[0], 1.3 + rested),
            "edge": (keys[0], edge),
        }
        if with_paced:
            starts["paced"] = (keys[0], edge + 2.3)
    return starts
