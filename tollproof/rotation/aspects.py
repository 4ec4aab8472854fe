"""What a rotation showed, one aspect at a time.

Knows the course of the scenario and says which observations speak against an aspect.
Each observation speaks about one aspect at most: so one fault is noticed by one check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tollproof.model import Verdict
from tollproof.rotation.delay import Delay, Kept, delay, spread
from tollproof.rotation.observation import Answer, Observation, Span, between, of
from tollproof.rotation.scenario import Course, Promised, Rotated
from tollproof.rotation.timeline import timeline

#: Exchanges that a verdict refers to.
SHOWN = 5
_FAR = float("inf")


def activation(rotated: Rotated, promise: Promised) -> Delay:
    """Return how long a new key took to work."""
    return admission(rotated.created, rotated.new_seen, promise)


def admission(created: Span, seen: Sequence[Observation], promise: Promised) -> Delay:
    """Return how long a new key took to be let in, by one series of answers."""
    return delay(
        created,
        seen,
        wanted=Answer.ADMITTED,
        former=Answer.REFUSED,
        promised=promise.active,
    )


def revocation(rotated: Rotated, promise: Promised) -> Delay:
    """Return how long an old key took to be refused."""
    return refusal(rotated.revoked, rotated.old_seen, promise)


def refusal(revoked: Span, seen: Sequence[Observation], promise: Promised) -> Delay:
    """Return how long a revoked key took to be refused, by one series of answers."""
    return delay(
        revoked,
        seen,
        wanted=Answer.REFUSED,
        former=Answer.ADMITTED,
        promised=promise.revoked,
    )


def was_live(rotated: Rotated) -> bool:
    """Whether the old key still worked when it was revoked."""
    before = between(rotated.old_seen, 0.0, rotated.revoked.sent)
    telling = of(before, Answer.ADMITTED, Answer.REFUSED)
    return bool(telling) and telling[-1].answer is Answer.ADMITTED


def first_revocation(course: Course) -> float:
    """Return the moment at which the first of all keys was to be revoked."""
    return min(item.revoked.sent for item in rotations(course))


def rotations(course: Course) -> tuple[Rotated, ...]:
    """Return all rotations of a course."""
    return (*course.in_turn, *course.at_once)


def works_since(seen: Sequence[Observation]) -> float:
    """Return the moment from which on a key was seen to work."""
    return min((item.sent for item in of(seen, Answer.ADMITTED)), default=_FAR)


# -- what speaks against an aspect ---------------------------------------------------


def refused_in_overlap(
    rotated: Rotated, until: float, promise: Promised
) -> tuple[Observation, ...]:
    """Return refusals of either key while both must work, at whatever replica.

    Until a key must be active workers may disagree about it; that counts when it is
    over.
    """
    found: list[Observation] = []
    for created, series in _series(rotated):
        active = created.received + promise.active
        for seen in series:
            start = max(works_since(seen), active)
            found += of(between(seen, start, until), Answer.REFUSED)
    return tuple(found)


def _series(rotated: Rotated) -> Iterator[tuple[Span, list[Sequence[Observation]]]]:
    """Yield the creations of the old and the new key, with all that was asked of it."""
    yield rotated.made, [rotated.old_seen, *rotated.elsewhere.values()]
    yield rotated.created, [rotated.new_seen, *rotated.elsewhere_new.values()]


def lost(course: Course) -> tuple[Observation, ...]:
    """Return requests with a key that works which were answered by no decision."""
    found: list[Observation] = []
    for item in rotations(course):
        (_, old), (_, new) = _series(item)
        for seen in old:
            while_live = between(seen, works_since(seen), item.revoked.sent)
            found += of(while_live, Answer.LOST)
        for seen in new:
            found += of(between(seen, works_since(seen), _FAR), Answer.LOST)
    found += of(course.bystander, Answer.LOST)
    return tuple(sorted(found, key=lambda item: item.sent))


def throttled(course: Course) -> tuple[Observation, ...]:
    """Return requests that the rate limit refused: they say nothing about keys."""
    every = [*course.bystander]
    for item in rotations(course):
        every += [one for _, series in _series(item) for seen in series for one in seen]
    return of(every, Answer.THROTTLED)


def new_refused_after(
    rotated: Rotated, moment: float, promise: Promised
) -> tuple[Observation, ...]:
    """Return refusals of a new key after it worked and a key was revoked.

    Those before it must be active count only if there are some after that.
    """
    active = rotated.created.received + promise.active
    found: list[Observation] = []
    for seen in (rotated.new_seen, *rotated.elsewhere_new.values()):
        if of(between(seen, 0.0, moment), Answer.ADMITTED):
            later = [item for item in seen if item.received > moment]
            refused = of(later, Answer.REFUSED)
            found += refused if refused and refused[-1].sent > active else ()
    return tuple(found)


def others_refused(course: Course, promise: Promised) -> tuple[Observation, ...]:
    """Return refusals of keys that no call was about, at the time."""
    start = max(works_since(course.bystander), course.idle.received + promise.active)
    found = [*of(between(course.bystander, start, _FAR), Answer.REFUSED)]
    first = first_revocation(course)
    for item in rotations(course):
        start = max(first, item.made.received + promise.active)
        if not of(between(item.old_seen, 0.0, first), Answer.REFUSED)[-1:]:
            waiting = [
                one
                for one in between(item.old_seen, 0.0, item.revoked.sent)
                if one.received > start
            ]
            found += of(waiting, Answer.REFUSED)
    return tuple(found)


def spent(seen: Sequence[Observation]) -> tuple[int, int]:
    """Return by how much an allowance fell, and how many probes were counted in that.

    A window that ends in between raises what remains; that step is left out.
    """
    known = [item for item in of(seen, Answer.ADMITTED) if item.remaining is not None]
    steps = [(a.remaining or 0) - (b.remaining or 0) for a, b in pairwise(known)]
    falls = [step for step in steps if step > 0]
    return sum(falls), len(falls)


def new_keys_spent(course: Course) -> tuple[int, int]:
    """Return the same for all new keys of rotations in turn."""
    spendings = [spent(item.new_seen) for item in course.in_turn]
    return sum(fell for fell, _ in spendings), sum(count for _, count in spendings)


def is_shared(fallen: int, probes: int) -> bool:
    """Whether an allowance fell by more than the probes that were counted in it."""
    return fallen > 1.5 * probes + 2


def troubles(
    course: Course, rotated: Rotated, promise: Promised
) -> Iterator[tuple[str, tuple[Observation, ...]]]:
    """Yield what went wrong in one rotation, in words, with what shows it."""
    first = first_revocation(course)
    new = activation(rotated, promise)
    if new.judged(promise.active) is Kept.BROKEN:
        yield "the new key did not work in time", _ends(new)
    if refused := refused_in_overlap(rotated, first, promise):
        yield "a key was refused before any was revoked", refused
    if was_live(rotated):
        old = revocation(rotated, promise)
        if old.judged(promise.revoked) is Kept.BROKEN:
            yield "the revoked key was not refused in time", _ends(old)
        elif old.relapses:
            yield "the revoked key was let in again", old.relapses
    if refused := new_refused_after(rotated, first, promise):
        yield "the new key was refused after a revocation", refused


def _ends(found: Delay) -> tuple[Observation, ...]:
    return tuple(item for item in (found.before, found.after) if item is not None)


# -- figures ---------------------------------------------------------------------------


def figures(delays: Sequence[Delay], what: str) -> dict[str, Any]:
    """Return the figures of several delays, in seconds, as a verdict carries them."""
    summed = spread(delays)
    if summed is None:
        return {f"{what}_settled": 0, "of": len(delays)}
    return {
        f"{what}_settled": summed.count,
        "of": len(delays),
        f"{what}_p50_seconds": round(summed.middle, 4),
        f"{what}_max_seconds": round(summed.most, 4),
        "resolution_seconds": round(summed.resolution, 4),
        "intervals": [
            [round(item.lower, 4), round(item.upper, 4)]
            for item in delays
            if item.upper < _FAR
        ],
    }


def drawing(course: Course) -> dict[str, Any]:
    """Return the timeline of the first rotation, the bystander below it."""
    first = course.in_turn[0]
    lanes = {
        "bystander": course.bystander,
        "old key": first.old_seen,
        "new key": first.new_seen,
    }
    return timeline(
        "A rotation: which key was answered how",
        lanes,
        marks=[
            (first.created.received, "new key created"),
            (first.revoked.received, "old key revoked"),
        ],
        bands=[(first.created.received, first.revoked.sent, "overlap")],
    )


def resting(verdict: Verdict, *seen: Iterable[Observation]) -> Verdict:
    """Return a verdict with the exchanges of observations as its evidence."""
    found = [item.evidence for items in seen for item in items if item.evidence]
    more = tuple(dict.fromkeys((*verdict.exchanges, *found)))
    return replace(verdict, exchanges=more[:SHOWN])
