"""A key is replaced while it is throttled.

RFC 6585, 4: responses 429 are about "a given amount of time", for whoever sent too
much: not for a key that has sent nothing yet.
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
from tollproof.rotation.limited import verdict_while_limited


@check(
    id="rotation.while-limited",
    title="A key can be replaced while it is throttled",
    severity=Severity.MEDIUM,
    references=(API(4, 2023), CWE(770), RFC(6585, "4")),
    remediation="Count the requests of each key by itself, from its first one on.",
    needs=("lifecycle", "promises.rate_limit", "consent.load"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_while_limited(target: Target) -> Verdict:
    """A leaked key is soon at its limit: that is when its owner needs another."""
    return verdict_while_limited(target)
