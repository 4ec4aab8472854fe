"""The limiters that are measured, what each promises, and what is wrong with it.

Every entry is a fact about a released limiter, found out with other means: its
documentation, its source, or requests by hand. Must not know how a verdict comes about.
"""

from __future__ import annotations

from functools import partial

from tests.real.limiters.deployments import (
    Limiter,
    envoy,
    flask,
    haproxy,
    nginx,
    node,
    slowapi,
)

FIXED = 'algorithm = "fixed_window_first"\n'
LEGACY = """\
headers.limit = "X-RateLimit-Limit"
headers.remaining = "X-RateLimit-Remaining"
headers.reset = "X-RateLimit-Reset"
headers.on = ["success", "429"]
headers.retry_after = "delay_seconds"
"""
UNIX = LEGACY + 'headers.reset_form = "unix_seconds"\n'
DELTA = LEGACY + 'headers.reset_form = "delta_seconds"\n'
ALWAYS = "headers.retry_after_on_success = true\n"

WORKERS = frozenset(("ratelimit.workers",))
FLOORED = frozenset(("ratelimit.retry-after-truth",))

FLASK_FIXED = FIXED + UNIX + ALWAYS
FLASK_MOVING = 'algorithm = "sliding_log"\n' + UNIX + ALWAYS


def _draft(edition: str) -> str:
    return (
        f'{FIXED}headers.ietf = "{edition}"\nheaders.on = ["success", "429"]\n'
        'headers.retry_after = "delay_seconds"\n'
    )


LIMITERS = (
    *(
        Limiter(
            name=f"Flask-Limiter, {words}, {'Redis' if redis else 'memory'}, "
            f"{workers} {'worker' if workers == 1 else 'workers'}",
            promise=promise,
            said=f"{words} window; X-RateLimit-*, Reset in Unix seconds",
            start=partial(flask, strategy=strategy, redis=redis, workers=workers),
            broken=WORKERS if workers > 1 and not redis else FLOORED,
        )
        for strategy, words, promise in (
            ("fixed-window", "fixed", FLASK_FIXED),
            ("moving-window", "moving", FLASK_MOVING),
        )
        for redis in (False, True)
        for workers in (1, 2)
    ),
    Limiter(
        name="slowapi",
        promise=FLASK_FIXED,
        # Its Reset is a fraction of a second and a whole one late: careful, but not
        # so. It shows where the target's clock is known to less than that.
        said="fixed window; X-RateLimit-*, Reset in Unix seconds",
        start=slowapi,
        arguable=frozenset(("ratelimit.reset-truth",)),
    ),
    Limiter(
        name="express-rate-limit, legacy fields",
        promise=FIXED + UNIX,
        said="fixed window; X-RateLimit-*, Reset in Unix seconds",
        start=partial(node, limiter="legacy"),
    ),
    *(
        Limiter(
            name=f"express-rate-limit, {name}",
            promise=_draft(edition),
            said=f"fixed window; the IETF's fields of {name}",
            start=partial(node, limiter=name),
        )
        for name, edition in (
            ("draft-6", "draft-6"),
            ("draft-7", "draft-7"),
            ("draft-8", "draft-10"),
        )
    ),
    Limiter(
        name="rate-limiter-flexible",
        promise=FIXED + UNIX + ALWAYS,
        said="fixed window; the fields of its own example",
        start=partial(node, limiter="flexible"),
        broken=FLOORED,
    ),
    Limiter(
        name="@fastify/rate-limit",
        promise=FIXED + DELTA,
        said="fixed window; X-RateLimit-*, Reset in seconds from now",
        start=partial(node, limiter="fastify"),
    ),
    Limiter(
        name="nginx limit_req",
        promise='algorithm = "leaky_bucket"\nstatus = 503\n',
        said="leaky bucket, burst 59, nodelay; refusals are 503",
        start=nginx,
    ),
    Limiter(
        name="HAProxy stick table",
        promise='algorithm = "sliding_counter"\ncounts.rejected = false\n',
        said="http_req_rate over the window; refused requests do not count",
        start=haproxy,
        # A client that goes on asking stays shut: that is seen, and why, as a rule.
        either=frozenset(("ratelimit.counting", "ratelimit.recovery")),
    ),
    Limiter(
        name="HAProxy stick table, as documented",
        promise='algorithm = "sliding_counter"\ncounts.rejected = true\n',
        said="http_req_rate over the window; refused requests count",
        start=haproxy,
    ),
    Limiter(
        name="Envoy local_ratelimit",
        promise='algorithm = "token_bucket"\n'
        + DELTA.replace('headers.retry_after = "delay_seconds"\n', ""),
        said="token bucket; X-RateLimit-*, Reset in seconds from now",
        start=envoy,
    ),
)
