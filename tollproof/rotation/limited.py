"""A key is used up, and replaced while it is throttled.

Knows the promised limit, and how to reach it with requests that were consented to.
"""

from __future__ import annotations

from itertools import repeat

from tollproof import lifecycle
from tollproof.declare import failed, inconclusive, not_applicable, passed
from tollproof.errors import Undetermined
from tollproof.lifecycle import Key
from tollproof.model import Reason, Verdict
from tollproof.rotation.aspects import is_shared, new_keys_spent, resting
from tollproof.rotation.observation import Answer, Observation, of
from tollproof.rotation.scenario import (
    SLOWEST,
    course,
    operation_for,
    pace_for,
    probe_of,
    promised,
    watching,
)
from tollproof.target import Target

#: Share of an audit's requests that may go into reaching the limit of one key.
SHARE = 0.1
#: Requests sent at a time, and the share beyond the limit after which it is given up.
BATCH, BEYOND = 40, 0.1


def verdict_while_limited(target: Target) -> Verdict:
    """Replace a throttled key, and say whether the new one is let in.

    Raises:
        Undetermined: the limit was not reached, or a step of a key's life failed.
    """
    limit = target.profile.promises.rate_limit
    if limit is None or limit.per not in ("key", "token"):
        return not_applicable("The profile promises no limit for each key.")
    if is_shared(*new_keys_spent(course(target))):
        return inconclusive(
            Reason.PRECONDITION,
            "Keys share an allowance, so a new one is throttled with the old; see "
            "rotation.own-allowance.",
        )
    promise, operation = promised(target), operation_for(target)
    deployment = target.deployment
    _within_budget(target, limit.limit)
    with watching(target, operation, pace_for(target, promise, 2, 1)) as watcher:
        old = lifecycle.create(deployment, target.check)
        track = watcher.follow(old, "a key that is used up")
        near = 2 * promise.active + 1.0
        track.start(Answer.ADMITTED, near).wait(max(near, SLOWEST))
        if not of(track.seen, Answer.ADMITTED):
            raise Undetermined(
                Reason.PRECONDITION, "A key that was created is not let in."
            )
        _use_up(target, old, limit.limit)
        new = lifecycle.create(deployment, target.check)
        watch = watcher.follow(new, "the key that replaces it")
        watch.start(Answer.ADMITTED, promise.active + 0.5)
        watch.wait(promise.active + 0.5)
    lifecycle.revoke(deployment, old, target.check)
    return _verdict(watch.seen, track.seen, promise.active)


def _verdict(
    seen: list[Observation],
    former: list[Observation],
    active: float,
) -> Verdict:
    throttled = of(seen, Answer.THROTTLED)
    admitted = of(seen, Answer.ADMITTED)
    if admitted and not throttled:
        return passed(
            f"A key created while another was throttled was let in {len(admitted)} "
            "times at once."
        )
    if throttled:
        return resting(
            failed(
                f"{len(throttled)} of {len(seen)} probes with a key that had sent "
                "nothing before were throttled, as the key that it replaces is.",
                expected=f"let in within {active:g} s of its creation",
                actual=f"{throttled[0].status}",
            ),
            throttled,
            of(former[-3:], Answer.THROTTLED),
        )
    return inconclusive(
        Reason.PRECONDITION,
        "The new key was not let in, and not throttled either; see "
        "rotation.active-in-time.",
    )


def _within_budget(target: Target, limit: int) -> None:
    budget = target.deployment.client.settings.requests
    if budget and limit > SHARE * budget:
        raise Undetermined(
            Reason.BUDGET,
            f"Reaching a limit of {limit} takes more than {SHARE:.0%} of the "
            f"{budget} requests consented to (consent.budget.audit_requests).",
        )


def _use_up(target: Target, key: Key, limit: int) -> None:
    """Send requests with a key until one is throttled.

    Raises:
        Undetermined: none was, a tenth beyond the limit.
    """
    probe = probe_of(target, operation_for(target), key, "using the allowance up")
    sent = 0
    status = target.profile.promises.rate_limit
    limited = {429, status.status if status else 429}
    while sent <= limit * (1 + BEYOND) + BATCH:
        answers = target.attempt_all(repeat(probe, BATCH))
        sent += len(answers)
        if any(item.status in limited for item in answers):
            return
        if not all(item.response for item in answers):
            break
    raise Undetermined(
        Reason.PRECONDITION,
        f"A key was not throttled after {sent} requests, so nothing can be told of "
        "keys that are; see the suite ratelimit.",
    )
