"""Whether the rate-limit fields tell the truth, at every single response under load.

RFC 9110, 10.2.3: "Servers send the 'Retry-After' header field to indicate how long the
user agent ought to wait before making a follow-up request."
draft-ietf-httpapi-ratelimit-headers: "Clients MUST NOT assume that a positive remaining
value … is a guarantee"; what the profile promises is held apart from what the draft
allows.
"""

from tollproof import (
    API,
    CWE,
    RFC,
    Impact,
    Severity,
    Target,
    Tier,
    Verdict,
    check,
)
from tollproof.ratelimit.finding import Aspect
from tollproof.under_load import limited

HEADERS = (API(4, 2023), CWE(394))
NEEDS = ("promises.rate_limit.headers", "identity.live")


@check(
    id="ratelimit.limit-truth",
    title="The limit field tells the limit that is enforced",
    severity=Severity.LOW,
    references=HEADERS,
    remediation="Send the number the limiter compares with.",
    needs=(*NEEDS, "promises.rate_limit.headers.limit"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_limit(target: Target) -> Verdict:
    """Clients divide their work by this number."""
    return limited(target, Aspect.LIMIT)


@check(
    id="ratelimit.remaining-truth",
    title="The remaining field never promises more than is left",
    severity=Severity.MEDIUM,
    references=HEADERS,
    remediation="Send what the counter held when this request was decided.",
    needs=(*NEEDS, "promises.rate_limit.headers.remaining"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_remaining(target: Target) -> Verdict:
    """A client that was told five are left and is refused cannot plan at all."""
    return limited(target, Aspect.REMAINING)


@check(
    id="ratelimit.reset-truth",
    title="The reset field names the moment the allowance is back",
    severity=Severity.MEDIUM,
    references=HEADERS,
    remediation="Derive the field from the counter's own expiry, rounded up.",
    needs=(*NEEDS, "promises.rate_limit.headers.reset"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_reset(target: Target) -> Verdict:
    """Clients sleep until then, all of them."""
    return limited(target, Aspect.RESET)


@check(
    id="ratelimit.retry-after-truth",
    title="A client that waits as long as it is told is let in",
    severity=Severity.MEDIUM,
    references=(*HEADERS, RFC(9110, "10.2.3")),
    remediation="Round the delay up to the next whole second.",
    needs=(*NEEDS, "promises.rate_limit.headers.retry_after"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_retry_after(target: Target) -> Verdict:
    """A delay rounded down makes every obedient client fail twice."""
    return limited(target, Aspect.RETRY_AFTER)


@check(
    id="ratelimit.ietf-truth",
    title="The RateLimit fields tell what is enforced",
    severity=Severity.LOW,
    references=(*HEADERS, RFC(9651, "3.1")),
    remediation="Fill the fields from the counter that decides.",
    needs=(*NEEDS, "promises.rate_limit.headers.ietf"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_ietf(target: Target) -> Verdict:
    """What other software reads by itself must be right."""
    return limited(target, Aspect.IETF)
