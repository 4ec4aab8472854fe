"""Access tokens: fetched once, shared, renewed in time, and not for ever.

RFC 6749, 5.1: "expires_in … The lifetime in seconds of the access token."
RFC 6750, 3.1, invalid_token: "The client MAY request a new access token and retry the
protected resource request."
"""

from tollproof import (
    ASVS,
    CWE,
    RFC,
    Reason,
    Severity,
    Target,
    Tier,
    Verdict,
    check,
    failed,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.sdk.bench import bench
from tollproof.sdk.judging import (
    MOST,
    calling,
    control,
    described,
    given,
    must_succeed,
    replied,
    shows,
    why,
)
from tollproof.sdk.scenario import REFUSED, REVOKED, Answer, Grant, Scenario
from tollproof.sdk.script import Story, burst, call, refresh, script, wait

#: Calls at once, when the sharing of a token is judged.
AT_ONCE = 8
#: Seconds that a short token lives, and that pass before it is surely over.
LIFE, LATER = 2, 2.4


@check(
    id="sdk.token-once",
    title="One access token serves many calls",
    severity=Severity.MEDIUM,
    references=(CWE(799), RFC(6749, "5.1")),
    remediation="Keep the token until it is about to expire.",
    needs=("sdk.oauth",),
)
def test_token_once(target: Target) -> Verdict:
    """Token endpoints are slow and limited; a token for each call takes both."""
    on = bench(target)
    control(on, "oauth")
    story = on.play(calling("oauth", Scenario(), call(), call()))
    for reply in story.calls:
        must_succeed(story, reply, "A call")
    if len(story.tokens) != 1:
        return failed(
            f"{len(story.tokens)} tokens were fetched for {len(story.calls)} calls.",
            *story.evidence(*story.tokens)[:4],
            expected="one token that lives for an hour",
            actual=f"{len(story.tokens)} token requests",
        )
    return passed(f"One token for {len(story.calls)} calls.", *story.evidence()[:4])


@check(
    id="sdk.token-shared",
    title="Calls at the same time share one token request",
    severity=Severity.MEDIUM,
    references=(CWE(362), CWE(799), ASVS("5.0.0", "15.4.1")),
    remediation="Let the first call fetch the token and the others wait for it.",
    needs=("sdk.oauth",),
)
def test_token_shared(target: Target) -> Verdict:
    """After a start or an expiry a fleet of workers asks the endpoint all at once."""
    on = bench(target)
    in_turn = on.play(calling("oauth", Scenario(), call(), call()))
    if len(in_turn.tokens) != 1:
        raise Undetermined(
            Reason.PRECONDITION,
            "Not even calls in turn share a token; see sdk.token-once.",
        )
    slow = Scenario(tokens=(Grant(delay=0.4),), limit=8 * AT_ONCE)
    story = on.play(script(given("oauth"), burst(AT_ONCE), scenario=slow))
    done = replied(story, story.calls, 0, "The burst")
    if not done.succeeded:
        raise Undetermined(
            Reason.PRECONDITION, f"No call of the burst succeeded.{why([done])}"
        )
    if len(story.tokens) > 1:
        return failed(
            f"{AT_ONCE} calls at once made {len(story.tokens)} token requests.",
            *story.evidence(*story.tokens)[:4],
            expected="one token request",
            actual=f"{len(story.tokens)} token requests",
        )
    return passed(f"One token request for {AT_ONCE} calls at once.")


@check(
    id="sdk.refresh-expired",
    title="An expired token is replaced before it is sent",
    severity=Severity.MEDIUM,
    references=(CWE(324), CWE(672), RFC(6749, "5.1")),
    remediation="Read expires_in, and fetch a new token a little before.",
    needs=("sdk.oauth",),
    tier=Tier.AUDIT,
)
def test_refresh_expired(target: Target) -> Verdict:
    """Sending it first costs a refusal at every expiry, and a call where that fails."""
    on = bench(target)
    control(on, "oauth")
    short = Scenario(tokens=(Grant(expires_in=LIFE), Grant()))
    story = on.play(calling("oauth", short, wait(LATER), call()))
    must_succeed(story, replied(story, story.calls, 0, "A call"), "The first call")
    late = [item for item in story.api if item.expired]
    if late:
        return failed(
            f"A token that lived {LIFE} s was sent {LATER - LIFE:.1f} s after its end.",
            *story.evidence(*late, *story.tokens)[:4],
            expected="a new token before the old one is over",
            actual="the expired token",
        )
    must_succeed(story, replied(story, story.calls, 1, "A call"), "The second call")
    return passed("A new token was fetched in time.", *story.evidence()[:5])


@check(
    id="sdk.refresh-refused",
    title="A token that is refused is replaced, and the call repeated",
    severity=Severity.MEDIUM,
    references=(CWE(755), RFC(6750, "3.1")),
    remediation="On 401 fetch a new token once and repeat the call with it.",
    needs=("sdk.oauth",),
)
def test_refresh_refused(target: Target) -> Verdict:
    """Tokens end early too: a signing key is rotated, a session revoked."""
    on = bench(target)
    control(on, "oauth")
    once = Scenario(api=(Answer(), REVOKED, Answer()))
    story = on.play(calling("oauth", once, call()))
    must_succeed(story, replied(story, story.calls, 0, "A call"), "The first call")
    second = replied(story, story.calls, 1, "The second call")
    renewed = len(story.granted) > 1 and shows(
        on, story.api[-1], "oauth", story.granted[-1]
    )
    if not (second.ok and renewed):
        return failed(
            "A call whose token was refused does not succeed with a new one.",
            *story.evidence()[-4:],
            expected="a token request, and the call again",
            actual=f"{_counts(story)}.{why([second])}",
        )
    return passed("A new token was fetched and used.", *story.evidence()[-4:])


def _counts(story: Story) -> str:
    return f"{len(story.api)} calls and {len(story.tokens)} token requests"


def _bounded(story: Story, what: str) -> Verdict:
    count = len(story.api) + len(story.tokens)
    if story.storm or count > MOST:
        ended = ", ended by the platform" if story.storm else ""
        return failed(
            f"One call made a storm of requests when {what}.",
            *story.evidence()[:4],
            expected=f"at most {MOST} requests",
            actual=f"{_counts(story)}{ended}",
            measurements={"calls": len(story.api), "token_requests": len(story.tokens)},
        )
    if not count:
        raise Undetermined(Reason.PRECONDITION, f"No request came.{why(story.replies)}")
    return passed(f"{_counts(story)} when {what}.", *story.evidence()[:6])


@check(
    id="sdk.refresh-bounded",
    title="A call that is always refused does not fetch tokens for ever",
    severity=Severity.HIGH,
    references=(CWE(835), CWE(799), CWE(674)),
    remediation="Fetch one new token for a call, then raise the error.",
    needs=("sdk.oauth",),
)
def test_refresh_bounded(target: Target) -> Verdict:
    """A revoked client turns every caller into an attack on its own platform."""
    on = bench(target)
    control(on, "oauth")
    return _bounded(
        on.play(calling("oauth", Scenario(api=(REFUSED,)))), "every call is refused"
    )


@check(
    id="sdk.grant-bounded",
    title="A client that is refused a token does not ask for ever",
    severity=Severity.HIGH,
    references=(CWE(835), CWE(674), CWE(307)),
    remediation="Raise the error of a token request; never renew inside of it.",
    needs=("sdk.oauth",),
)
def test_grant_bounded(target: Target) -> Verdict:
    """A wrong secret, tried for ever, locks the client out and fills two logs."""
    on = bench(target)
    control(on, "oauth")
    refused = Answer(status=401, body=b'{"error": "invalid_client"}')
    return _bounded(
        on.play(calling("oauth", Scenario(tokens=(refused,)))), "the client is refused"
    )


@check(
    id="sdk.manual-refresh",
    title="A token that is fetched by hand is used from then on",
    severity=Severity.LOW,
    references=(CWE(672), CWE(1059)),
    remediation="Store the token that was fetched where calls look for it.",
    needs=("sdk.oauth.manual",),
)
def test_manual_refresh(target: Target) -> Verdict:
    """It is how a program recovers at once from a token that has leaked."""
    on = bench(target)
    control(on, "oauth")
    story = on.play(calling("oauth", Scenario(), refresh(), call()))
    by_hand = replied(story, story.answers("refresh"), 0, "The refresh")
    must_succeed(story, by_hand, "The refresh")
    replied(story, story.calls, 1, "The second call")
    if len(story.granted) < 2 or not shows(
        on, story.api[-1], "oauth", story.granted[-1]
    ):
        return failed(
            "The token that was fetched by hand is not used.",
            *story.evidence()[-3:],
            expected="the newest token",
            actual=described(on, story.api[-1:]),
        )
    return passed("The newest token is used.", *story.evidence()[-3:])
