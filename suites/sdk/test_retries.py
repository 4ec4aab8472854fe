"""What an SDK repeats, when, and how often.

RFC 9110, 10.2.3: "Servers send the "Retry-After" header field to indicate how long the
user agent ought to wait before making a follow-up request."
RFC 6585, 4: a 429 "MAY include a Retry-After header indicating how long to wait before
making a new request."
"""

from email.utils import parsedate_to_datetime

from tollproof import (
    API,
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
from tollproof.sdk.bench import Bench, bench
from tollproof.sdk.judging import (
    GIVEN,
    MOST,
    calling,
    replied,
    some_mechanism,
    why,
)
from tollproof.sdk.scenario import (
    FORBIDDEN,
    RESET,
    UNAVAILABLE,
    Answer,
    Scenario,
    throttled,
)
from tollproof.sdk.script import Story, call, create, script

#: Seconds that the platform asks to wait.
WAIT = 2
#: Seconds by which a timer may be early: it ticks in milliseconds.
TICK = 0.02


def _call(on: Bench, *answers: Answer) -> Story:
    story = on.play(calling(some_mechanism(on), Scenario(api=answers)))
    if not story.api:
        raise Undetermined(
            Reason.PRECONDITION, f"No call was made.{why(story.replies)}"
        )
    return story


@check(
    id="sdk.forbidden-once",
    title="A call that is forbidden is not repeated",
    severity=Severity.LOW,
    references=(CWE(799), RFC(9110, "15.5.4")),
    remediation="Raise the error of a 403 at once.",
    needs=("sdk",),
)
def test_forbidden_once(target: Target) -> Verdict:
    """RFC 9110: "the client SHOULD NOT automatically repeat the request"."""
    story = _call(bench(target), FORBIDDEN)
    if len(story.api) > 1:
        return failed(
            f"A call answered 403 was made {len(story.api)} times.",
            *story.evidence(*story.api)[:4],
            expected="one call",
            actual=f"{len(story.api)} calls",
        )
    return passed("It was made once.", *story.evidence(*story.api))


@check(
    id="sdk.throttled-repeated",
    title="A call that is throttled is repeated",
    severity=Severity.LOW,
    references=(CWE(755), RFC(6585, "4")),
    remediation="Repeat a call that was answered 429, after a pause.",
    needs=("sdk.retries",),
)
def test_throttled_repeated(target: Target) -> Verdict:
    """The SDK promises it, so its users do not do it themselves."""
    story = _call(bench(target), throttled(), Answer())
    done = replied(story, story.calls, 0, "The call")
    if not done.ok or len(story.api) < 2:
        return failed(
            "A call that was throttled once does not succeed.",
            *story.evidence(*story.api)[:3],
            expected="the call again",
            actual=f"{len(story.api)} call.{why([done])}",
        )
    return passed("It was repeated and succeeded.", *story.evidence(*story.api)[:3])


@check(
    id="sdk.retry-after-seconds",
    title="A call is repeated no sooner than Retry-After says in seconds",
    severity=Severity.MEDIUM,
    references=(API(4, 2023), CWE(799), RFC(9110, "10.2.3")),
    remediation="Wait as long as Retry-After says before the next attempt.",
    needs=("sdk",),
    tier=Tier.AUDIT,
)
def test_retry_after_seconds(target: Target) -> Verdict:
    """Coming back too soon is counted again, and keeps everybody out for longer."""
    story = _call(bench(target), throttled("seconds", WAIT), Answer())
    if len(story.api) < 2:
        return passed("It was not repeated at all.", *story.evidence(*story.api))
    first, second = story.api[:2]
    waited = second.at - first.answered
    if waited < WAIT - TICK:
        return failed(
            "A throttled call was repeated too soon.",
            *story.evidence(first, second),
            expected=f"{WAIT} s or more after the answer",
            actual=f"{waited:.2f} s",
            measurements={"waited_s": round(waited, 3), "asked_s": WAIT},
        )
    return passed(f"Repeated after {waited:.2f} s.", *story.evidence(first, second))


@check(
    id="sdk.retry-after-date",
    title="A call is repeated no sooner than Retry-After says as a date",
    severity=Severity.LOW,
    references=(API(4, 2023), CWE(799), RFC(9110, "10.2.3"), RFC(9110, "5.6.7")),
    remediation="Understand the date form of Retry-After, too.",
    needs=("sdk",),
    tier=Tier.AUDIT,
)
def test_retry_after_date(target: Target) -> Verdict:
    """Both forms are standard, and gateways send the date."""
    story = _call(bench(target), throttled("date", WAIT), Answer())
    if len(story.api) < 2:
        return passed("It was not repeated at all.", *story.evidence(*story.api))
    first, second = story.api[:2]
    text = next(value for name, value in first.reply[0] if name == "Retry-After")
    early = parsedate_to_datetime(text).timestamp() - second.wall
    if early > TICK:
        return failed(
            "A throttled call was repeated before the date in Retry-After.",
            *story.evidence(first, second),
            expected=f"not before {text}",
            actual=f"{early:.2f} s earlier",
            measurements={"early_s": round(early, 3)},
        )
    return passed(f"Repeated after {text}.", *story.evidence(first, second))


def _bounded(story: Story, what: str) -> str:
    """Say what is wrong with the number of requests; empty when nothing is."""
    if story.storm:
        return f"{what}: {len(story.api)} calls, ended by the platform"
    if len(story.api) > MOST:
        return f"{what}: {len(story.api)} calls"
    return ""


@check(
    id="sdk.throttle-bounded",
    title="A call that is always throttled is given up",
    severity=Severity.HIGH,
    references=(API(4, 2023), CWE(835), CWE(799)),
    remediation="Bound the attempts, then raise the error.",
    needs=("sdk",),
)
def test_throttle_bounded(target: Target) -> Verdict:
    """Throttled clients that never give up are the load they are throttled for."""
    story = _call(bench(target), throttled("seconds", 0))
    if wrong := _bounded(story, "429 for ever"):
        return failed(
            "One call made a storm of requests.",
            *story.evidence()[:4],
            expected=f"at most {MOST} calls",
            actual=wrong,
        )
    return passed(f"Given up after {len(story.api)} calls.", *story.evidence()[:4])


@check(
    id="sdk.error-bounded",
    title="A call that always fails is given up",
    severity=Severity.HIGH,
    references=(CWE(835), CWE(799)),
    remediation="Bound the attempts, then raise the error.",
    needs=("sdk",),
)
def test_error_bounded(target: Target) -> Verdict:
    """A platform in trouble must not get more of what troubles it."""
    on = bench(target)
    stories = {
        "503 for ever": _call(on, UNAVAILABLE),
        "connections reset for ever": _call(on, RESET),
    }
    wrong = [text for what, one in stories.items() if (text := _bounded(one, what))]
    shown = tuple(item for one in stories.values() for item in one.evidence()[:2])
    if wrong:
        return failed(
            "One call made a storm of requests.",
            *shown,
            expected=f"at most {MOST} calls",
            actual="; ".join(wrong),
        )
    counts = ", ".join(f"{what}: {len(one.api)}" for what, one in stories.items())
    return passed(f"Given up. {counts}.", *shown)


@check(
    id="sdk.retries-off",
    title="Repeating can be switched off",
    severity=Severity.LOW,
    references=(CWE(1059), CWE(799)),
    remediation="Tell 0 from an option that is not given.",
    needs=("sdk.max_retries",),
)
def test_retries_off(target: Target) -> Verdict:
    """Whoever has a queue of his own repeats there, and nowhere else."""
    on = bench(target)
    mechanism = some_mechanism(on)
    client = create({**GIVEN[mechanism], "max_retries": 0})
    scenario = Scenario(api=(throttled("seconds", 0), Answer()))
    story = on.play(script(client, call(), scenario=scenario))
    if not story.api:
        raise Undetermined(
            Reason.PRECONDITION, f"No call was made.{why(story.replies)}"
        )
    if len(story.api) > 1:
        return failed(
            "With max_retries=0 a call is repeated.",
            *story.evidence(*story.api)[:3],
            expected="one call",
            actual=f"{len(story.api)} calls",
        )
    return passed("The call was made once.", *story.evidence(*story.api))
