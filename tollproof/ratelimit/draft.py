"""Whether the IETF's fields tell the truth, where other fields stand beside them.

What they say is judged as if nothing else were sent, by the same rules as the
`X-RateLimit-…` fields, so that each family answers for its own lies. The draft allows
more than the promise does: "the rate limit is told by these fields" is the promise.
"""

from __future__ import annotations

from dataclasses import replace

from tollproof.model import Outcome
from tollproof.ratelimit.finding import Aspect, Finding, failed
from tollproof.ratelimit.measure import Measurement
from tollproof.ratelimit.narrowing import without_fields
from tollproof.ratelimit.observation import Trace
from tollproof.ratelimit.promise import Ietf, RateLimitPromise
from tollproof.ratelimit.truthfulness import (
    limit_header,
    remaining_header,
    reset_header,
)
from tollproof.ratelimit.view import UNKNOWN, View, view

_BESIDE = ("limit", "remaining", "reset")
_WORDS = {Aspect.LIMIT: "quota", Aspect.REMAINING: "r", Aspect.RESET: "t"}


def judge_fields(
    trace: Trace, promise: RateLimitPromise, measured: Measurement
) -> Finding:
    """Return the finding about the IETF's fields, their truth included."""
    found = measured[Aspect.IETF]
    edition = promise.headers.ietf
    if found.outcome is not Outcome.PASSED or edition not in (
        Ietf.DRAFT_7,
        Ietf.DRAFT_10,
    ):
        return found
    headers = replace(promise.headers, limit="", remaining="", reset="")
    alone = replace(promise, headers=headers)
    seen = view(without_fields(trace, _BESIDE), alone)
    if wrong := _policy(seen, promise):
        return failed(
            Aspect.IETF,
            f"RateLimit-Policy tells of another policy than the promised one: {wrong}",
            expected=promise.tightest.text,
            actual=wrong,
        )
    for judged in (
        limit_header(seen, alone),
        remaining_header(seen, alone, measured.inference),
        reset_header(seen, alone, measured.inference, measured.offset),
    ):
        if judged.outcome is Outcome.FAILED:
            return replace(
                judged,
                aspect=Aspect.IETF,
                sentence=f"{_WORDS[judged.aspect]} of the RateLimit fields: "
                + judged.sentence,
            )
    return found


def _policy(seen: View, promise: RateLimitPromise) -> str:
    """Return a policy that is told but not promised; empty when there is none."""
    promised = [(one.limit, one.window) for one in promise.all_policies]
    for lane in seen:
        for told, outcome, variant in zip(
            lane.told, lane.outcome, lane.variant, strict=True
        ):
            if outcome == UNKNOWN or variant != "plain" or told.fields is None:
                continue
            for one in told.fields.policies:
                if one.unit == "requests" and not any(
                    one.quota == limit
                    and (one.window is None or abs(one.window - window) < 1.0)
                    for limit, window in promised
                ):
                    window = "" if one.window is None else f" per {one.window} s"
                    return f"{one.quota} requests{window}"
    return ""
