"""The header fields that answers carry, beside those of one operation alone.

Knows which kind of answer carries what. Must not know how a request came to it.
"""

from __future__ import annotations

import math
import time
import uuid

from tollproof.reference.limiters import Decision
from tollproof.reference.sparkient.messages import Answer, Call

REALM = "sparkient"
#: The origin of the hosted dashboard: the only foreign one that scripts may call from.
DASHBOARD_ORIGIN = "https://dashboard.sparkient.example"
CHALLENGE = f'Bearer realm="{REALM}"'
INVALID_TOKEN = (
    f'{CHALLENGE}, error="invalid_token", '
    'error_description="Invalid or expired API key"'
)


def add_common(call: Call, answer: Answer, origins: frozenset[bytes]) -> None:
    """Add what every answer carries, and what its kind does.

    Args:
        origins: those that cross-origin requests are answered for.
    """
    fields = answer.fields
    fields["x-content-type-options"] = "nosniff"
    fields["x-request-id"] = str(uuid.uuid4())
    fields["vary"] = "Origin"
    if answer.status >= 400 or not (call.route and call.route.public):
        fields["cache-control"] = "no-store"
    if call.secure:
        fields["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    if (origin := call.value(b"origin")) and origin in origins:
        fields["access-control-allow-origin"] = origin.decode()
        fields["access-control-expose-headers"] = (
            "RateLimit, RateLimit-Policy, Retry-After, X-RateLimit-Limit, "
            "X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id"
        )
    if call.decision is not None:
        fields["x-ratelimit-limit"] = str(call.decision.limit)
        fields["x-ratelimit-remaining"] = str(call.decision.remaining)
        # Rounded up: a caller that comes back at this second is let in.
        fields["x-ratelimit-reset"] = str(math.ceil(call.decision.reset_at))
        fields.update(_ietf(call.decision, call.window))


def _ietf(decision: Decision, window: float) -> dict[str, str]:
    """Say the same by draft-ietf-httpapi-ratelimit-headers-10, in whole seconds."""
    left = max(0, math.ceil(decision.reset_at - time.time()))
    return {
        "ratelimit-policy": f'"default";q={decision.limit};w={math.ceil(window)}',
        "ratelimit": f'"default";r={decision.remaining};t={left}',
    }


def preflight(call: Call, origins: frozenset[bytes]) -> Answer | None:
    """Return the answer to a CORS preflight of a trusted origin, else nothing.

    A preflight carries no credential by definition (Fetch, 4.8), so it is answered
    before authentication; one from any other origin is a request like all others.
    """
    if (
        call.method != "OPTIONS"
        or call.value(b"origin") not in origins
        or not call.value(b"access-control-request-method")
    ):
        return None
    return Answer(
        status=204,
        fields={
            "access-control-allow-methods": "GET, HEAD, POST, DELETE",
            "access-control-allow-headers": "Authorization, Content-Type",
            "access-control-max-age": "600",
        },
    )
