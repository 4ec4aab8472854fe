"""Credentials go to the platform, in the promised field, and nowhere else.

RFC 9110, 15.4: who follows a redirect should consider removing fields that were added
for the first host, `Authorization` among them. RFC 6750, 2.3, warns of tokens in URLs,
"because of the security weaknesses associated with the URI method".
"""

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.sdk.bench import Bench, bench
from tollproof.sdk.judging import (
    Shown,
    alone,
    calling,
    control,
    leaking,
    listed,
    some_mechanism,
)
from tollproof.sdk.platform import Arrival
from tollproof.sdk.scenario import REDIRECT, Scenario
from tollproof.sdk.script import Story


def _given_away(on: Bench, story: Story) -> list[Shown]:
    """Find credentials in what came to the stranger's host."""
    return [
        shown for arrival in story.strayed for shown in leaking(on, _texts(arrival))
    ]


def _texts(arrival: Arrival) -> dict[str, str]:
    return {
        "the URL": arrival.target,
        **{f"header {name}": value for name, value in arrival.headers},
        "the body": arrival.body.decode("utf-8", "replace"),
    }


@check(
    id="sdk.redirect",
    title="No credential follows a redirect to another host",
    severity=Severity.CRITICAL,
    references=(API(10, 2023), CWE(601), CWE(522), RFC(9110, "15.4")),
    remediation="Do not follow redirects, or drop every credential field on the way.",
    needs=("sdk",),
)
def test_redirect(target: Target) -> Verdict:
    """HTTP libraries drop Authorization at another host, and keep a key's own field."""
    on = bench(target)
    control(on, some_mechanism(on))
    followed = 0
    for mechanism in on.sdk.mechanisms:
        story = on.play(calling(mechanism, Scenario(api=(REDIRECT,))))
        followed += bool(story.strayed)
        if found := _given_away(on, story):
            return failed(
                "A credential went to the host that a redirect named.",
                *story.evidence(*story.strayed)[:3],
                expected="no credential at another host",
                actual=listed(found),
            )
    how = f"{followed} were followed, without one" if followed else "none was followed"
    return passed(f"Of {len(on.sdk.mechanisms)} redirects {how}.")


@check(
    id="sdk.token-redirect",
    title="No client secret follows a redirect of the token endpoint",
    severity=Severity.CRITICAL,
    references=(CWE(601), CWE(522), RFC(9700, "4.12")),
    remediation="Do not follow redirects of the token endpoint.",
    needs=("sdk.oauth",),
)
def test_token_redirect(target: Target) -> Verdict:
    """A 307 repeats the form, secret included, wherever it points."""
    on = bench(target)
    control(on, "oauth")
    story = on.play(calling("oauth", Scenario(tokens=(REDIRECT,))))
    if not story.tokens:
        raise Undetermined(Reason.PRECONDITION, "No token was asked for.")
    if found := _given_away(on, story):
        return failed(
            "The client secret went to the host that a redirect named.",
            *story.evidence(*story.strayed)[:3],
            expected="no credential at another host",
            actual=listed(found),
        )
    return passed(
        "It did not go there.", *story.evidence(*story.tokens, *story.strayed)[:3]
    )


@check(
    id="sdk.url",
    title="No credential stands in a URL",
    severity=Severity.HIGH,
    references=(CWE(598), ASVS("5.0.0", "14.2.1"), RFC(6750, "2.3")),
    remediation="Send credentials in header fields or bodies only.",
    needs=("sdk",),
)
def test_url(target: Target) -> Verdict:
    """URLs are logged by every host on the way."""
    on = bench(target)
    count = 0
    for mechanism in on.sdk.mechanisms:
        story = on.play(alone(mechanism))
        for arrival in story.arrivals:
            count += 1
            if found := list(leaking(on, {"the URL": arrival.target})):
                return failed(
                    "A credential stands in the URL of a request.",
                    *story.evidence(arrival),
                    expected="no credential in a URL",
                    actual=listed(found),
                )
    if not count:
        raise Undetermined(Reason.PRECONDITION, "No request was made.")
    return passed(f"None in the URLs of {count} requests.")


@check(
    id="sdk.other-fields",
    title="A credential stands in its own header field only",
    severity=Severity.HIGH,
    references=(CWE(201), CWE(522), ASVS("5.0.0", "14.2.1")),
    remediation="Write the credential into the promised field and no other.",
    needs=("sdk",),
)
def test_other_fields(target: Target) -> Verdict:
    """Fields of one's own are logged; nobody expects a secret in a user agent."""
    on = bench(target)
    count = 0
    for mechanism in on.sdk.mechanisms:
        story = control(on, mechanism)
        own = on.field_of(mechanism, "")[0].lower()
        for arrival in story.api:
            count += 1
            texts = {
                place: text
                for place, text in _texts(arrival).items()
                if place.lower() != f"header {own}" and place != "the URL"
            }
            if found := list(leaking(on, texts)):
                return failed(
                    "A call carries its credential in a second place.",
                    *story.evidence(arrival),
                    expected=f"the credential in {on.field_of(mechanism, '')[0]} alone",
                    actual=listed(found),
                )
    return passed(f"Nowhere else in {count} calls.")
