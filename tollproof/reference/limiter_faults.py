"""The faults of the rate limit and of what is told about it.

Each row: the check that notices it, its name, what is wrong, and what the deployment
must be started with for it to show. See `faults`.
"""

from __future__ import annotations

Rows = tuple[tuple[str, ...], ...]

#: Under sustained load, beyond the limit for a while; see `proving`.
LOAD: Rows = (
    ("throughput", "load-one-at-a-time", "requests are answered one after another"),
    ("latency", "load-slows-down", "answers take two seconds once many come"),
    ("errors", "load-fails-sometimes", "one request in fifty meets an error"),
    (
        "refused",
        "load-limit-halved",
        "half of the limit is admitted",
        "algorithm=sliding_counter",
    ),
    ("over-admission", "load-counter-forgotten", "counters are dropped now and then"),
    ("under-admission", "load-counted-twice", "each request is counted twice"),
)
RATELIMIT: Rows = (
    ("over-admission", "limiter-one-more", "one more than the limit is admitted"),
    (
        "over-admission",
        "limiter-forgets-what-is-sustained",
        "of two limits the longer one is not enforced",
        "sustained=yes",
    ),
    ("stays-closed", "limiter-gives-way", "after many refusals all is admitted"),
    ("under-admission", "limiter-one-fewer", "the last of the allowance is refused"),
    ("under-admission", "limiter-counts-twice", "each request is counted twice"),
    (
        "races",
        "limiter-reads-then-writes",
        "a counter is read first and written later",
    ),
    ("workers", "limiter-per-worker", "each worker counts by itself", "workers"),
    (
        "edge",
        "limiter-bursts-at-the-edge",
        "twice the limit passes around the edge of a window",
        "algorithm=sliding_log",
    ),
    ("algorithm", "limiter-slides", "a sliding log decides, not a fixed window"),
    ("window", "limiter-window-short", "the window is over after 70 % of its length"),
    ("window", "limiter-window-long", "the window lasts for 140 % of its length"),
    ("recovery", "limiter-never-recovers", "a counter never expires"),
    ("counting", "limiter-refusals-prolong", "every request puts the window's end off"),
    (
        "errors-counted",
        "limiter-forgives-errors",
        "requests that end in an error are taken off the count",
    ),
    (
        "failed-authentications",
        "failures-unlimited",
        "wrong credentials may be tried without end",
        "failures=30",
    ),
    (
        "failed-authentications",
        "failures-trust-forwarded-for",
        "whoever names another address may try wrong credentials anew",
        "failures=30",
    ),
    ("isolation", "limiter-shared-by-all", "one counter serves all keys"),
    (
        "sharing",
        "limiter-shared-in-organisation",
        "the keys of an organisation share one counter",
    ),
    (
        "sharing",
        "limiter-splits-organisations",
        "each key of an organisation has an allowance of its own",
        "per=organisation",
    ),
    (
        "scope",
        "limiter-counts-operations-apart",
        "each operation has an allowance of its own",
    ),
    (
        "scope",
        "limiter-counts-addresses-apart",
        "a key has an allowance of its own at each address",
    ),
    (
        "scope",
        "limiter-splits-addresses",
        "each key at an address has an allowance of its own",
        "per=address",
    ),
    (
        "scope",
        "limiter-joins-operations",
        "all operations share one allowance",
        "per=operation",
    ),
    (
        "evasion",
        "limiter-trusts-forwarded-for",
        "each X-Forwarded-For has an allowance of its own",
    ),
    (
        "evasion",
        "limiter-counts-methods-apart",
        "each method has an allowance of its own",
    ),
    (
        "evasion",
        "limiter-counts-targets-apart",
        "each spelling of the target has an allowance of its own",
    ),
    (
        "evasion",
        "limiter-counts-spellings-apart",
        "a path with a slash at its end is served, and has an allowance of its own",
    ),
    ("status", "limiter-refuses-with-503", "the limit refuses with 503"),
    ("limit-truth", "limit-told-rises", "Limit rises when nine tenths of it are spent"),
    (
        "remaining-truth",
        "remaining-told-before",
        "Remaining is what was left before the request",
    ),
    (
        "remaining-truth",
        "remaining-told-restarts",
        "Remaining rises again within the window",
    ),
    ("reset-truth", "reset-told-slides", "Reset is always a whole window ahead"),
    ("reset-truth", "reset-told-early", "Reset is half a window early"),
    ("retry-after-truth", "retry-after-rounded-down", "Retry-After is rounded down"),
    ("retry-after-truth", "retry-after-too-short", "Retry-After is half of the wait"),
    (
        "ietf-truth",
        "ietf-remaining-overstated",
        "RateLimit tells of five more than are left",
    ),
    ("ietf-truth", "ietf-reset-slides", "RateLimit's t is always a whole window"),
    ("ietf-truth", "ietf-policy-wrong", "RateLimit-Policy tells twice the limit"),
)
