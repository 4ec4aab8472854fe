"""What is admitted, measured under Locust load with keys of their own.

One measurement serves all of these checks: several keys ask different questions at the
same time, so a whole audit takes little more than a window. The decision rules and
their error rates stand in docs/explanation/rate-limit-method.md.

RFC 6585, 4: "The 429 status code indicates that the user has sent too many requests in
a given amount of time".
ASVS 5.0.0, 2.4.1: "Verify that anti-automation controls are in place to protect against
excessive calls to application functions".
"""

from tollproof import (
    API,
    ASVS,
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

LIMITED = (API(4, 2023), CWE(770), ASVS("5.0.0", "2.4.1"))
NEEDS = ("promises.rate_limit", "identity.live")


@check(
    id="ratelimit.over-admission",
    title="No more requests are admitted than promised",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(799), RFC(6585, "4")),
    remediation="Decide and count in one atomic step, in a store all workers share.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_over_admission(target: Target) -> Verdict:
    """A limit that gives way under load is no limit when it is needed."""
    return limited(target, Aspect.OVER_ADMISSION)


@check(
    id="ratelimit.under-admission",
    title="A caller within its limit is not refused",
    severity=Severity.MEDIUM,
    references=(*LIMITED, CWE(394)),
    remediation="Count each request once, and refuse only beyond the limit.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_under_admission(target: Target) -> Verdict:
    """What was promised was also sold: refusing it is an outage for who keeps to it."""
    return limited(target, Aspect.UNDER_ADMISSION, Aspect.PACED)


@check(
    id="ratelimit.races",
    title="Requests that arrive at the same moment are counted one by one",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(362)),
    remediation="Increment and compare in one atomic step.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_races(target: Target) -> Verdict:
    """A synchronised burst finds counters that are read first and written later."""
    return limited(target, Aspect.RACES)


@check(
    id="ratelimit.workers",
    title="All workers and replicas share one count",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(362)),
    remediation="Keep counters in a store that every worker shares, not in memory.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_workers(target: Target) -> Verdict:
    """A counter in each process multiplies the limit by their number."""
    return limited(target, Aspect.WORKERS)


@check(
    id="ratelimit.stays-closed",
    title="The limit holds on however often more is asked for",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(636), RFC(6585, "4")),
    remediation="Refuse when the counter cannot be asked, and after any refusals.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_stays_closed(target: Target) -> Verdict:
    """Who attacks does not stop at the first refusal."""
    return limited(target, Aspect.STAYS_CLOSED)


@check(
    id="ratelimit.edge",
    title="The edge of a window admits no more than was promised",
    severity=Severity.MEDIUM,
    references=(*LIMITED, CWE(799)),
    remediation="Count in a sliding window, or say that twice the limit may pass.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_edge(target: Target) -> Verdict:
    """Fixed windows let two allowances through within seconds, around their edge."""
    return limited(target, Aspect.EDGE)


@check(
    id="ratelimit.algorithm",
    title="The limiter works by the promised algorithm",
    severity=Severity.LOW,
    references=(*LIMITED, CWE(394)),
    remediation="Promise the algorithm that is in use, or use the promised one.",
    needs=(*NEEDS, "promises.rate_limit.algorithm"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_algorithm(target: Target) -> Verdict:
    """Clients pace themselves by how they think they are counted."""
    return limited(target, Aspect.ALGORITHM)


@check(
    id="ratelimit.window",
    title="The window is as long as promised",
    severity=Severity.MEDIUM,
    references=(*LIMITED, CWE(394)),
    remediation="Give the counter the promised time to live, once, when it is made.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_window(target: Target) -> Verdict:
    """A window that is shorter is a higher limit; a longer one is a lower."""
    return limited(target, Aspect.WINDOW)


@check(
    id="ratelimit.recovery",
    title="A caller that has exhausted its limit is let in again in time",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(404)),
    remediation="Let no refused request prolong the refusal; expire every counter.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_recovery(target: Target) -> Verdict:
    """A counter without an end locks its key out for good."""
    return limited(target, Aspect.RECOVERY)


@check(
    id="ratelimit.isolation",
    title="One caller's requests take nothing from another's allowance",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(668)),
    remediation="Key the counter by the whole credential, or what the promise says.",
    needs=(*NEEDS, "identity.second"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_isolation(target: Target) -> Verdict:
    """A shared bucket lets one tenant silence all others."""
    return limited(target, Aspect.ISOLATION)


@check(
    id="ratelimit.sharing",
    title="Callers share an allowance exactly where that is promised",
    severity=Severity.MEDIUM,
    references=(*LIMITED, CWE(799)),
    remediation="Count by what the promise names: key, organisation or address.",
    needs=(*NEEDS, "identity.same_organisation"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_sharing(target: Target) -> Verdict:
    """A limit per organisation that counts by key is as high as there are keys."""
    return limited(target, Aspect.SHARING)


@check(
    id="ratelimit.scope",
    title="The limit is counted by what was promised",
    severity=Severity.MEDIUM,
    references=(*LIMITED, CWE(799)),
    remediation="Count by what the promise names: key, organisation or address.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_scope(target: Target) -> Verdict:
    """A limit per key that each operation counts anew is as high as there are many."""
    return limited(target, Aspect.SCOPE)


@check(
    id="ratelimit.evasion",
    title="No form of a request has an allowance of its own",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(290), CWE(807)),
    remediation="Count by the credential; never by what the caller may write.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_evasion(target: Target) -> Verdict:
    """Whoever is counted by `X-Forwarded-For` counts themselves."""
    return limited(target, Aspect.EVASION)


@check(
    id="ratelimit.counting",
    title="What counts towards the limit is what was promised",
    severity=Severity.LOW,
    references=(*LIMITED, CWE(394)),
    remediation="Leave refused requests out of the count, or say that they are in it.",
    needs=(*NEEDS, "promises.rate_limit.counts"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_counting(target: Target) -> Verdict:
    """Where refusals count, a client that keeps asking never recovers."""
    return limited(target, Aspect.COUNTING)


@check(
    id="ratelimit.errors-counted",
    title="Requests that end in an error count as promised",
    severity=Severity.LOW,
    references=(*LIMITED, CWE(799)),
    remediation="Count before anything is decided of the request, or say otherwise.",
    needs=(*NEEDS, "promises.rate_limit.counts.errors"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_errors_counted(target: Target) -> Verdict:
    """Whoever guesses at objects is answered with errors, and needs many of them."""
    return limited(target, Aspect.ERRORS)


@check(
    id="ratelimit.failed-authentications",
    title="Wrong credentials are limited as promised",
    severity=Severity.HIGH,
    references=(*LIMITED, CWE(307), API(2, 2023), ASVS("5.0.0", "6.3.1")),
    remediation="Count refused credentials by the address that the connection has.",
    needs=(*NEEDS, "promises.rate_limit.failed_authentications"),
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_failed_authentications(target: Target) -> Verdict:
    """Without a limit a credential is guessed, however long that takes."""
    return limited(target, Aspect.STRANGERS)


@check(
    id="ratelimit.status",
    title="Callers beyond the limit are refused with the promised status",
    severity=Severity.MEDIUM,
    references=(*LIMITED, RFC(6585, "4")),
    remediation="Answer 429, and nothing that looks like a fault of the server.",
    needs=NEEDS,
    impact=Impact.LOAD,
    tier=Tier.AUDIT,
)
def test_status(target: Target) -> Verdict:
    """A 503 sends clients to another server; a 403 makes them give up."""
    return limited(target, Aspect.STATUS)
