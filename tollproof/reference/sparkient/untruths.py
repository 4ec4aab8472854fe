"""Faults of what rate-limit fields say: well-formed, plausible, and not so.

Only answers to keys of the default limit, and only fields that other checks would find
in order: telling that they lie takes load. Knows finished answers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping

from tollproof.reference.limiters import Decision
from tollproof.reference.sparkient.blemishes import Blemish
from tollproof.reference.sparkient.errors import envelope
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.routes import Service

_LIMIT, _REMAINING = "x-ratelimit-limit", "x-ratelimit-remaining"
_RESET = "x-ratelimit-reset"


def _usual(service: Service, call: Call) -> Decision | None:
    """Return the decision on a request of a key with the default limit."""
    own = call.principal.requests if call.principal else None
    return None if own else call.decision


def _limit_rises(service: Service, call: Call, answer: Answer) -> None:
    told = _usual(service, call)
    if told and told.remaining < told.limit // 10:
        answer.fields[_LIMIT] = str(told.limit + 100)


def _remaining_before(service: Service, call: Call, answer: Answer) -> None:
    if told := _usual(service, call):
        left = min(told.limit, told.remaining + 1)
        answer.fields[_REMAINING] = str(left)


def _remaining_restarts(service: Service, call: Call, answer: Answer) -> None:
    told = _usual(service, call)
    if told and told.remaining < told.limit // 3:
        answer.fields[_REMAINING] = str(told.remaining + told.limit // 3)


def _reset_slides(service: Service, call: Call, answer: Answer) -> None:
    if _usual(service, call):
        answer.fields[_RESET] = str(math.ceil(time.time() + service.window))


def _reset_early(service: Service, call: Call, answer: Answer) -> None:
    if told := _usual(service, call):
        early = max(time.time(), told.reset_at - service.window / 2)
        answer.fields[_RESET] = str(math.ceil(early))


def _rounded_down(service: Service, call: Call, answer: Answer) -> None:
    told = _usual(service, call)
    if told and "retry-after" in answer.fields:
        answer.fields["retry-after"] = str(math.floor(told.retry_after))


def _too_short(service: Service, call: Call, answer: Answer) -> None:
    told = _usual(service, call)
    if told and "retry-after" in answer.fields:
        answer.fields["retry-after"] = str(math.ceil(told.retry_after / 2))


def _ietf(
    told: Decision, window: float, *, r: int | None = None, t: int | None = None
) -> str:
    left = max(0, math.ceil(told.reset_at - time.time()))
    return (
        f'"default";r={told.remaining if r is None else r};t={left if t is None else t}'
    )


def _ietf_remaining(service: Service, call: Call, answer: Answer) -> None:
    if told := _usual(service, call):
        left = min(told.limit, told.remaining + 5)
        answer.fields["ratelimit"] = _ietf(told, service.window, r=left)


def _ietf_reset(service: Service, call: Call, answer: Answer) -> None:
    if told := _usual(service, call):
        whole = math.ceil(service.window)
        answer.fields["ratelimit"] = _ietf(told, service.window, t=whole)


def _ietf_policy(service: Service, call: Call, answer: Answer) -> None:
    if told := _usual(service, call):
        whole = math.ceil(service.window)
        policy = f'"default";q={told.limit * 2};w={whole}'
        answer.fields["ratelimit-policy"] = policy


def _fails_sometimes(service: Service, call: Call, answer: Answer) -> None:
    """Spoil what one request in fifty, told by its place in the window, is answered."""
    told = _usual(service, call)
    if told and answer.status < 400 and told.remaining % 50 == 25:
        failure = envelope(500, "Something went wrong on our side")
        answer.status, answer.body = failure.status, failure.body


def _refused_with_503(service: Service, call: Call, answer: Answer) -> None:
    if _usual(service, call) and answer.status == 429:
        answer.status = 503


UNTRUTHS: Mapping[str, Blemish] = {
    "limit-told-rises": _limit_rises,
    "remaining-told-before": _remaining_before,
    "remaining-told-restarts": _remaining_restarts,
    "reset-told-slides": _reset_slides,
    "reset-told-early": _reset_early,
    "retry-after-rounded-down": _rounded_down,
    "retry-after-too-short": _too_short,
    "ietf-remaining-overstated": _ietf_remaining,
    "ietf-reset-slides": _ietf_reset,
    "ietf-policy-wrong": _ietf_policy,
    "limiter-refuses-with-503": _refused_with_503,
    "load-fails-sometimes": _fails_sometimes,
}


def untruths(faults: Collection[str]) -> tuple[Blemish, ...]:
    """Return what makes the fields lie, in the order of the table."""
    return tuple(UNTRUTHS[name] for name in UNTRUTHS if name in set(faults))
