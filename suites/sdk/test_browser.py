"""Credentials do not get into a browser by mistake.

ASVS 5.0.0, 14.3: what is in a browser is in the hands of whoever uses it, and of every
script on the page.
"""

from tollproof import (
    ASVS,
    CWE,
    Reason,
    Severity,
    Target,
    Tier,
    Verdict,
    check,
    failed,
    inconclusive,
    passed,
)
from tollproof.sdk.bench import Bench, bench
from tollproof.sdk.browser import visit
from tollproof.sdk.judging import carried, control, described, shows


@check(
    id="sdk.browser-refused",
    title="A browser may hold no credential unless it is allowed to",
    severity=Severity.HIGH,
    references=(CWE(522), CWE(200), ASVS("5.0.0", "14.3.3")),
    remediation="Refuse to make a client where window and document exist.",
    needs=("sdk.browser", "sdk.api_key"),
    tier=Tier.AUDIT,
)
def test_browser_refused(target: Target) -> Verdict:
    """A key in a page is a key in everybody's hands."""
    on = bench(target)
    control(on, "api_key")
    seen = visit(on, {"api_key": on.made["key"]})
    if seen.created or seen.calls:
        return failed(
            "A client with an API key is made in a browser.",
            *seen.exchanges[:2],
            expected="a refusal",
            actual="a client" + (", and a call with it" if seen.calls else ""),
        )
    if not _works_at_all(on):
        return inconclusive(
            Reason.PRECONDITION,
            "No client is made in a browser, with leave or without a credential, so a "
            f"refusal tells nothing of a guard: {seen.error}",
        )
    return passed(f"It is refused: {seen.error}")


def _works_at_all(on: Bench) -> bool:
    """Whether some client is made in a browser: else its module may just be broken."""
    if visit(on, {"api_key": on.made["key"], "allow_browser": True}).created:
        return True
    return (
        bool(on.sdk.open)
        and visit(on, {"api_key": on.sdk.open or ""}, guarded=False).created
    )


@check(
    id="sdk.browser-allowed",
    title="A browser may hold a credential when that is asked for",
    severity=Severity.LOW,
    references=(CWE(1059),),
    remediation="Heed the option that allows browsers.",
    needs=("sdk.browser", "sdk.api_key"),
    tier=Tier.AUDIT,
)
def test_browser_allowed(target: Target) -> Verdict:
    """Tools on a closed network need it; without the option the guard is torn out."""
    on = bench(target)
    control(on, "api_key")
    seen = visit(on, {"api_key": on.made["key"], "allow_browser": True})
    sent = [item for item in seen.calls if shows(on, item, "api_key", on.made["key"])]
    if not seen.called or not sent:
        return failed(
            "Though it is allowed, no call is made in a browser.",
            *seen.exchanges[:2],
            expected="a call with the key",
            actual=seen.error or described(on, seen.calls),
        )
    return passed("The call is made.", *seen.exchanges[:2])


@check(
    id="sdk.browser-open",
    title="A client for public APIs works in a browser without being allowed to",
    severity=Severity.LOW,
    references=(CWE(1059),),
    remediation="Let clients without a credential through the guard.",
    needs=("sdk.browser", "sdk.open"),
    tier=Tier.AUDIT,
)
def test_browser_open(target: Target) -> Verdict:
    """Whoever must allow browsers for public APIs leaves it allowed for all."""
    on = bench(target)
    seen = visit(on, {"api_key": on.sdk.open or ""}, guarded=False)
    if any(carried(on, item) for item in seen.calls):
        return inconclusive(
            Reason.PRECONDITION,
            "An open client sends a credential; see sdk.open.",
            *seen.exchanges[:2],
        )
    if not seen.called:
        return failed(
            "An open client is not made in a browser.",
            *seen.exchanges[:2],
            expected="a call without a credential",
            actual=seen.error or "no call",
        )
    return passed("The call is made, without a credential.", *seen.exchanges[:2])
