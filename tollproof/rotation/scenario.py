"""Keys are rotated at the target while traffic runs: one scenario, asked once a run.

Three rotations, one shortly after the other, then two at the same moment; a bystander
key is watched all the while. Knows the order of things, and what is to be measured of
it. Must not judge: the checks of the suite each look at one aspect of what came of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from tollproof import lifecycle
from tollproof.client import Probe, origin_of
from tollproof.errors import Undetermined
from tollproof.lifecycle import Key
from tollproof.model import Exchange, Reason
from tollproof.operations import Operation
from tollproof.rotation.delay import STEADY
from tollproof.rotation.observation import (
    Answer,
    Observation,
    Span,
    answer_of,
    of,
)
from tollproof.rotation.pace import Pace, plan_pace
from tollproof.rotation.watch import Track, at_once
from tollproof.target import Target

#: Rotations one after the other, and rotations at the same moment.
IN_TURN, AT_ONCE = 3, 2
#: Seconds: with the old keys alone, between two creations, of overlap once all keys
#: work, between two revocations.
BEFORE, APART, OVERLAP, REVOKED_APART = 0.3, 0.1, 0.4, 0.35
#: Seconds that a new key is waited for, and a revoked one watched, when it is late:
#: how late it is, is worth knowing. The latter is asked more seldom by this factor.
SLOWEST, LATEST, SELDOM = 15.0, 60.0, 5.0
#: Seconds that are promised where the profile promises none.
DEFAULT = 1.0
#: Every so many probes one comes on a connection of its own: another worker may answer.
FRESH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """The times that matter, in seconds, each promised or assumed."""

    active: float
    revoked: float
    stays: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """One rotation, as it went.

    Attributes:
        made, created, revoked: the calls that made the old key and the new one, and
            the one that revoked the old, by their moments.
        elsewhere: by replica, what it answered to the old key.
        elsewhere_new: by replica, what it answered to the new key.
    """

    old: Key
    new: Key
    made: Span
    created: Span
    revoked: Span
    old_seen: Sequence[Observation]
    new_seen: Sequence[Observation]
    elsewhere: Mapping[str, Sequence[Observation]]
    elsewhere_new: Mapping[str, Sequence[Observation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The whole scenario, as it went.

    Attributes:
        in_turn: rotations one after the other.
        at_once: rotations at the same moment.
        idle: the creation of a key that nobody touched after that.
        bystander: what that key was answered.
        pace: the distances of probes that were planned.
    """

    operation: str
    in_turn: tuple[Rotated, ...]
    at_once: tuple[Rotated, ...]
    idle: Span
    bystander: Sequence[Observation]
    pace: Pace

    @property
    def probes(self) -> int:
        """How many probes were sent, calls that create and revoke not counted."""
        rotations = (*self.in_turn, *self.at_once)
        return len(self.bystander) + sum(
            len(item.old_seen) + len(item.new_seen) for item in rotations
        )


def promised(target: Target) -> Promised:
    """Return the promised times, one second each where none is promised."""
    said = target.profile.promises.rotation
    if said is None:
        return Promised(active=DEFAULT, revoked=DEFAULT, stays=5.0)
    return Promised(
        active=DEFAULT if said.active_within is None else said.active_within,
        revoked=DEFAULT if said.revoked_within is None else said.revoked_within,
        stays=said.stays_revoked_for,
    )


def course(target: Target) -> Course:
    """Return the course of the scenario; it is run by whoever asks first.

    Raises:
        Undetermined: a step of it failed, so that nothing can be concluded.
    """
    return target.deployment.once("rotation", lambda: _run(target))


# -- what is asked -------------------------------------------------------------------


def operation_for(target: Target) -> Operation:
    """Return the operation with which it is seen whether a key works.

    Raises:
        Undetermined: there is none that changes nothing and needs a credential.
    """
    found = [
        item
        for item in target.operations
        if item.method == "GET" and not item.public and not item.parameters
    ] or [item for item in target.operations if not item.changes and not item.public]
    if not found:
        raise Undetermined(
            Reason.PRECONDITION,
            "There is no protected operation that changes nothing, with which to see "
            "whether a key works.",
        )
    # What most identities may call, a key without special rights may call as well.
    return max(found, key=lambda item: len(target.deployment.callers(item)))


def probe_of(target: Target, operation: Operation, key: Key, purpose: str) -> Probe:
    """Return a probe of an operation with a created key."""
    bare = target.deployment.probe(operation, None, purpose=purpose)
    return replace(
        bare,
        headers=bare.headers + lifecycle.showing(target.deployment, key),
        identity=key.name,
    )


def observed(target: Target, exchange: Exchange, span: Span) -> Observation:
    """Return what an exchange says about the key that was shown."""
    limit = target.profile.promises.rate_limit
    name = limit.headers.remaining if limit and limit.headers else None
    said = exchange.response.header(name) if name and exchange.response else None
    return Observation(
        sent=span.sent,
        received=span.received,
        answer=answer_of(exchange.status, limit.status if limit else 429),
        status=exchange.status,
        evidence=exchange.id,
        remaining=int(said) if said and said.isdecimal() and len(said) < 10 else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Follows keys at one operation of a target."""

    target: Target
    operation: Operation
    pace: Pace
    gate: threading.Semaphore
    tracks: list[Track]

    def follow(self, key: Key, purpose: str, origin: str = "") -> Track:
        """Return a track of a key, not yet started."""
        plain = replace(
            probe_of(self.target, self.operation, key, purpose), origin=origin
        )
        fresh = replace(plain, headers=(*plain.headers, ("Connection", "close")))

        def ask(number: int) -> Observation:
            probe = plain if number % FRESH else fresh
            sent = time.perf_counter()
            exchange = self.target.attempt(probe)
            span = Span(sent=sent, received=time.perf_counter())
            return observed(self.target, exchange, span)

        track = Track(ask, self.pace, self.gate)
        self.tracks.append(track)
        return track


@contextmanager
def watching(target: Target, operation: Operation, pace: Pace) -> Iterator[Watcher]:
    """Follow keys for the length of a `with` block; all tracks end with it."""
    watcher = Watcher(
        target=target,
        operation=operation,
        pace=pace,
        gate=threading.BoundedSemaphore(target.deployment.client.settings.concurrency),
        tracks=[],
    )
    try:
        yield watcher
    finally:
        for track in watcher.tracks:
            track.end()


def pace_for(target: Target, promise: Promised, keys: int, ways: int) -> Pace:
    """Return how often each key is asked, well inside of what it may ask.

    Args:
        keys: how many keys are watched; they share an allowance that is not per key.
        ways: at how many origins each is watched.
    """
    # A revocation that comes late is timed as closely as one that comes in time.
    awaited = promise.active + promise.revoked + promise.stays + 0.5
    otherwise = BEFORE + 3.0 + promise.stays
    limit = target.profile.promises.rate_limit
    allowance = None
    if limit is not None:
        sharers = ways if limit.per in ("key", "token") else ways * keys
        whole = awaited + otherwise
        allowance = min(
            item.limit * max(1, whole // item.window)
            for item in (limit, *limit.policies)
        )
        allowance /= sharers
    return plan_pace(awaited=awaited, otherwise=otherwise, allowance=allowance)


# -- the scenario --------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Making:
    """A rotation that is under way."""

    old: Key
    old_track: Track
    new: Key | None = None
    new_track: Track | None = None
    revoked: Span | None = None
    elsewhere: dict[str, Track]
    elsewhere_new: dict[str, Track]


def _run(target: Target) -> Course:
    promise, operation = promised(target), operation_for(target)
    replicas = _replicas(target)
    keys = 2 * (IN_TURN + AT_ONCE) + 1
    pace = pace_for(target, promise, keys, 1 + len(replicas))
    near = 2 * promise.active + 1.0
    patience = max(near, SLOWEST)
    with watching(target, operation, pace) as watcher:
        # The bystander comes first: it was there before anything else happened.
        idle = _create(target)
        bystander = watcher.follow(idle, "a key that nobody touches")
        makings = [
            _begin(target, watcher, replicas if not number else ())
            for number in range(IN_TURN + AT_ONCE)
        ]
        tracks = [bystander, *(item.old_track for item in makings)]
        _start(tracks, near, patience)
        for item in makings:
            _start(list(item.elsewhere.values()), near, patience)
        _pause(BEFORE, tracks)
        for item in makings[:IN_TURN]:
            _renew(target, watcher, item, near)
            _pause(APART, tracks)
        at_once(
            *(
                partial(_renew, target, watcher, item, near)
                for item in makings[IN_TURN:]
            )
        )
        new = [item.new_track for item in makings if item.new_track is not None]
        deadline = time.perf_counter() + patience
        for track in new:
            track.wait(deadline - time.perf_counter())
        _pause(OVERLAP, tracks + new)
        if any(wavers(track.seen) for track in watcher.tracks):
            # Workers may disagree until a key must be active: what they say of the
            # overlap counts after that.
            last = max(item.new.answered for item in makings if item.new is not None)
            _pause(last + promise.active + OVERLAP - time.perf_counter(), tracks + new)
        for item in makings[:IN_TURN]:
            _retire(target, item, promise)
            _pause(REVOKED_APART, [bystander, *new])
        at_once(
            *(partial(_retire, target, item, promise) for item in makings[IN_TURN:])
        )
        _pause(promise.revoked + promise.stays, [bystander])
        _await_late(watcher, makings[:IN_TURN], promise)
    for track in watcher.tracks:
        if track.problem is not None:
            raise track.problem
    rotated = tuple(_rotated(item) for item in makings)
    return Course(
        operation=operation.label,
        in_turn=rotated[:IN_TURN],
        at_once=rotated[IN_TURN:],
        idle=Span(sent=idle.asked, received=idle.answered),
        bystander=tuple(bystander.seen),
        pace=pace,
    )


def wavers(seen: Sequence[Observation]) -> bool:
    """Whether a key was refused after it had been let in."""
    telling = of(seen, Answer.ADMITTED, Answer.REFUSED)
    worked = next((n for n, one in enumerate(telling) if one.answer is _IN), None)
    return worked is not None and any(one.answer is not _IN for one in telling[worked:])


_IN = Answer.ADMITTED


def _await_late(
    watcher: Watcher, makings: Sequence[_Making], promise: Promised
) -> None:
    """Watch revoked keys on that are still let in, to tell when they end."""
    late = [
        track
        for item in makings
        for track in (item.old_track, *item.elsewhere.values())
        if not track.wait(0.0) and of(track.seen[-STEADY:], Answer.ADMITTED)
    ]
    if not late:
        return
    for track in watcher.tracks:
        if track in late:
            track.slow(SELDOM)
        else:
            track.end()
    until = time.perf_counter() + LATEST
    for track in late:
        track.wait(until - time.perf_counter())
    if all(track.wait(0.0) for track in late):
        _pause(promise.stays, late)


def _replicas(target: Target) -> tuple[str, ...]:
    base = origin_of(target.profile.target.base_url)
    found = (origin_of(url) for url in target.profile.target.replicas)
    return tuple(dict.fromkeys(item for item in found if item != base))


def _create(target: Target) -> Key:
    return lifecycle.create(target.deployment, target.check)


def _begin(target: Target, watcher: Watcher, replicas: Sequence[str]) -> _Making:
    old = _create(target)
    return _Making(
        old=old,
        old_track=watcher.follow(old, "the old key"),
        elsewhere={
            origin: watcher.follow(old, f"the old key at {_host(origin)}", origin)
            for origin in replicas
        },
        elsewhere_new={},
    )


def _start(tracks: Sequence[Track], near: float, patience: float) -> None:
    """Start tracks of keys that must come to work, and wait until they do.

    Args:
        near: seconds in which they are asked closely; all in all they are given
            `patience`: a key that works late is late, and not unusable.

    Raises:
        Undetermined: one does not.
    """
    for track in tracks:
        track.start(Answer.ADMITTED, near)
    deadline = time.perf_counter() + patience
    for track in tracks:
        settled = track.wait(deadline - time.perf_counter())
        if track.problem is not None:
            raise track.problem
        if not settled:
            last = track.seen[-1] if track.seen else None
            raise Undetermined(
                Reason.THROTTLED
                if last and last.answer is Answer.THROTTLED
                else Reason.PRECONDITION,
                "A key that was created is not let in "
                f"({last.status if last else 'no answer'} after {patience:g} s), so "
                "its rotation cannot be watched.",
                *((last.evidence,) if last and last.evidence else ()),
            )


def _renew(target: Target, watcher: Watcher, making: _Making, near: float) -> None:
    making.new = _create(target)
    making.new_track = watcher.follow(making.new, "the new key")
    making.new_track.start(Answer.ADMITTED, near)
    for origin in making.elsewhere:
        track = watcher.follow(making.new, f"the new key at {_host(origin)}", origin)
        making.elsewhere_new[origin] = track.start(Answer.ADMITTED, near)


def _retire(target: Target, making: _Making, promise: Promised) -> None:
    for track in (making.old_track, *making.elsewhere.values()):
        track.expect(Answer.REFUSED, promise.revoked + promise.stays)
    done = lifecycle.revoke(target.deployment, making.old, target.check)
    making.revoked = Span(sent=done.asked, received=done.answered)


def _pause(seconds: float, tracks: Sequence[Track]) -> None:
    """Let the traffic run for a while, unless one of the tracks has ended.

    Raises:
        Undetermined: one has; says why.
    """
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        time.sleep(min(left, 0.25))
        for track in tracks:
            if track.problem is not None:
                raise track.problem


def _rotated(making: _Making) -> Rotated:
    if making.new is None or making.new_track is None or making.revoked is None:
        raise LookupError("a rotation that was not finished")
    return Rotated(
        old=making.old,
        new=making.new,
        made=Span(sent=making.old.asked, received=making.old.answered),
        created=Span(sent=making.new.asked, received=making.new.answered),
        revoked=making.revoked,
        old_seen=tuple(making.old_track.seen),
        new_seen=tuple(making.new_track.seen),
        elsewhere=_seen(making.elsewhere),
        elsewhere_new=_seen(making.elsewhere_new),
    )


def _seen(tracks: Mapping[str, Track]) -> dict[str, tuple[Observation, ...]]:
    return {_host(origin): tuple(track.seen) for origin, track in tracks.items()}


def _host(origin: str) -> str:
    return urlsplit(origin).netloc
