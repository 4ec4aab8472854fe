"""Which credential an SDK sends, in which field, and that it sends no other.

RFC 6750, 2.1: "Clients SHOULD make authenticated requests with a bearer token using the
"Authorization" request header field with the "Bearer" HTTP authorization scheme."
RFC 6749, 2.3: "The client MUST NOT use more than one authentication method in each
request."
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
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.profile.sdk import SdkMechanism
from tollproof.sdk.bench import Bench, bench
from tollproof.sdk.judging import (
    NAMES,
    alone,
    calling,
    carried,
    combined,
    control,
    credential_fields,
    described,
    given,
    is_basic_of_client,
    replied,
    shows,
    shows_granted,
    some_mechanism,
    uses,
    why,
)
from tollproof.sdk.platform import Arrival
from tollproof.sdk.scenario import Scenario
from tollproof.sdk.script import Story, call, copy, create, script


def _alone(on: Bench, mechanism: SdkMechanism) -> Verdict:
    """Judge what is sent when just one mechanism is given."""
    story = on.play(alone(mechanism))
    name, value = on.field_of(mechanism, "…")
    if not story.created or not (story.created[0].ok or story.arrivals):
        return failed(
            f"No client can be made with {NAMES[mechanism]}.",
            expected=f"a client that sends {name}",
            actual=why(story.replies).strip() or "no client was made",
        )
    if not uses(on, story, mechanism):
        return failed(
            f"With {NAMES[mechanism]} alone the SDK does not send what it promises.",
            *story.evidence()[:3],
            expected=f"{name}: {value}",
            actual=described(on, story.api),
        )
    return passed(f"It is sent in {name}.", *story.evidence()[:3])


@check(
    id="sdk.api-key",
    title="An API key is sent in the promised header field",
    severity=Severity.HIGH,
    references=(API(2, 2023), CWE(522), RFC(9110, "11.6.2")),
    remediation="Send the key in the documented field, unchanged.",
    needs=("sdk.api_key",),
)
def test_api_key(target: Target) -> Verdict:
    """In another field a gateway does not know it for a secret, and logs it."""
    return _alone(bench(target), "api_key")


@check(
    id="sdk.token",
    title="A bearer token is sent as Authorization: Bearer",
    severity=Severity.HIGH,
    references=(API(2, 2023), CWE(522), RFC(6750, "2.1")),
    remediation="Send `Authorization: Bearer` and the token, unchanged.",
    needs=("sdk.token",),
)
def test_token(target: Target) -> Verdict:
    """It is the one field that proxies, caches and logs know to be secret."""
    return _alone(bench(target), "token")


@check(
    id="sdk.client-credentials",
    title="With client credentials, the granted access token is sent",
    severity=Severity.HIGH,
    references=(API(2, 2023), CWE(522), RFC(6749, "4.4"), RFC(6750, "2.1")),
    remediation="Ask the token endpoint and send the access token, unchanged.",
    needs=("sdk.oauth",),
)
def test_client_credentials(target: Target) -> Verdict:
    """The secret goes to the token endpoint alone; calls carry what was granted."""
    return _alone(bench(target), "oauth")


@check(
    id="sdk.token-request",
    title="A token is asked for as RFC 6749 says",
    severity=Severity.MEDIUM,
    references=(CWE(522), RFC(6749, "4.4.2"), RFC(6749, "2.3.1")),
    remediation="POST a form with grant_type, and the client's id and secret.",
    needs=("sdk.oauth",),
)
def test_token_request(target: Target) -> Verdict:
    """Authorization servers refuse other forms, and log what stands in a URL."""
    on = bench(target)
    story = on.play(alone("oauth"))
    if not story.tokens:
        raise Undetermined(
            Reason.PRECONDITION,
            f"No token was asked for; see sdk.client-credentials.{why(story.replies)}",
        )
    first = story.tokens[0]
    kind = ", ".join(first.values("Content-Type")).partition(";")[0].strip()
    form = first.body.decode("utf-8", "replace")
    wrong = []
    if first.method != "POST":
        wrong.append(f"the method is {first.method}")
    if kind != "application/x-www-form-urlencoded":
        wrong.append(f"the content type is {kind or 'not named'}")
    if "grant_type=client_credentials" not in form.split("&"):
        wrong.append("the form has no grant_type=client_credentials")
    if wrong:
        return failed(
            "The token request is not as RFC 6749 describes it.",
            *story.evidence(first),
            expected="a POST of a form with grant_type=client_credentials",
            actual="; ".join(wrong),
        )
    return passed("It is a POST of a form.", *story.evidence(first))


@check(
    id="sdk.token-request-alone",
    title="A token request carries nothing but the client's credentials",
    severity=Severity.MEDIUM,
    references=(CWE(201), RFC(6749, "2.3"), RFC(9700, "2.5")),
    remediation="Build token requests apart from calls, without their header fields.",
    needs=("sdk.oauth",),
)
def test_token_request_alone(target: Target) -> Verdict:
    """Strict servers refuse a second credential (400); others log an old token."""
    on = bench(target)
    story = on.play(alone("oauth"))
    if not story.tokens:
        raise Undetermined(
            Reason.PRECONDITION, "No token was asked for; see sdk.client-credentials."
        )
    for request in story.tokens:
        stray = [
            f"{name}: {value}"
            for name in credential_fields(on)
            for value in request.values(name)
            if not is_basic_of_client(on, value)
        ]
        if stray:
            return failed(
                "A further credential goes along with a token request.",
                *story.evidence(request),
                expected="the client's id and secret alone",
                actual=", ".join(stray),
            )
    return passed("No other credential goes along.", *story.evidence(*story.tokens))


@check(
    id="sdk.no-placeholder",
    title="No call goes out before there is a token to send",
    severity=Severity.MEDIUM,
    references=(CWE(287), CWE(799), RFC(6749, "4.4")),
    remediation="Fetch the token before the first call, not after its refusal.",
    needs=("sdk.oauth",),
)
def test_no_placeholder(target: Target) -> Verdict:
    """`Bearer None` is a failed authentication: it alarms, locks out and costs time."""
    on = bench(target)
    story = control(on, "oauth")
    empty = [item for item in story.api if not shows_granted(on, story, item)]
    if empty:
        return failed(
            f"{len(empty)} of {len(story.api)} calls went out without a granted token.",
            *story.evidence(*empty[:3]),
            expected="every call carries a granted access token",
            actual=described(on, empty),
        )
    return passed(
        "Every call carries a granted access token.", *story.evidence(*story.api)
    )


def _given_several(on: Bench) -> list[tuple[tuple[SdkMechanism, ...], Story]]:
    """Play each set of mechanisms that work by themselves."""
    sets = [
        chosen
        for chosen in combined(on)
        if all(_works(on, mechanism) for mechanism in chosen)
    ]
    if not sets:
        raise Undetermined(
            Reason.PRECONDITION,
            "No two mechanisms work by themselves; see the checks of each.",
        )
    return [(chosen, on.play(script(given(*chosen), call()))) for chosen in sets]


def _works(on: Bench, mechanism: SdkMechanism) -> bool:
    try:
        control(on, mechanism)
    except Undetermined:
        return False
    return True


@check(
    id="sdk.order",
    title="Of several mechanisms the promised one is used",
    severity=Severity.HIGH,
    references=(CWE(287), CWE(1059), ASVS("5.0.0", "13.1.1")),
    remediation="Rank the mechanisms where the header is made, and nowhere else.",
    needs=("sdk",),
)
def test_order(target: Target) -> Verdict:
    """Whoever rotates one credential must know that it is the one in use."""
    on = bench(target)
    if len(on.sdk.mechanisms) < 2:
        return not_applicable("The SDK has one mechanism only.")
    stories = _given_several(on)
    wrong = [
        (chosen, story) for chosen, story in stories if not uses(on, story, chosen[0])
    ]
    if wrong:
        return failed(
            f"With {len(wrong)} of {len(stories)} sets of mechanisms another than the "
            "first one is used.",
            *(item for _, story in wrong for item in story.evidence()[:2]),
            expected=" > ".join(NAMES[item] for item in on.sdk.mechanisms),
            actual="; ".join(
                f"{' with '.join(NAMES[item] for item in chosen)}: "
                f"{described(on, story.api[:1])}"
                for chosen, story in wrong
            ),
        )
    return passed(
        f"The first one is used with each of {len(stories)} sets.",
        *(item for _, story in stories for item in story.evidence()[:1]),
    )


@check(
    id="sdk.one-credential",
    title="A request carries one credential, however many are given",
    severity=Severity.MEDIUM,
    references=(CWE(201), CWE(522), RFC(6750, "2")),
    remediation="Send the credential of the mechanism in use and no other.",
    needs=("sdk",),
)
def test_one_credential(target: Target) -> Verdict:
    """A second one is exposed for nothing, and the server chooses which one counts."""
    on = bench(target)
    if len(on.sdk.mechanisms) < 2:
        return not_applicable("The SDK has one mechanism only.")
    stories = _given_several(on)
    for _, story in stories:
        doubled = [item for item in story.api if len(carried(on, item)) > 1]
        if doubled:
            return failed(
                "Several credentials go out in one request.",
                *story.evidence(*doubled[:3]),
                expected="one credential",
                actual=described(on, doubled),
            )
    if not any(story.api for _, story in stories):
        return inconclusive(Reason.PRECONDITION, "No call was made.")
    return passed(f"One credential with each of {len(stories)} sets.")


@check(
    id="sdk.open",
    title="A client for public APIs sends no credential",
    severity=Severity.MEDIUM,
    references=(CWE(201), CWE(522)),
    remediation="Send no credential field at all when the client is open.",
    needs=("sdk.open",),
)
def test_open(target: Target) -> Verdict:
    """Public APIs are often other people's hosts."""
    on = bench(target)
    story = on.play(
        script(
            create({"api_key": on.sdk.open or ""}),
            call(),
            scenario=Scenario(guarded=False),
        )
    )
    if not story.api:
        raise Undetermined(
            Reason.PRECONDITION, f"No call was made.{why(story.replies)}"
        )
    sent = [item for item in story.api if carried(on, item)]
    if sent or story.tokens:
        return failed(
            "An open client sends a credential.",
            *story.evidence(*sent, *story.tokens)[:3],
            expected="no credential, and no request for one",
            actual=described(on, sent) if sent else "a token was asked for",
        )
    return passed("Nothing was sent that shows who calls.", *story.evidence())


@check(
    id="sdk.prefix",
    title="The prefix Bearer is added just once",
    severity=Severity.MEDIUM,
    references=(CWE(20), RFC(6750, "2.1"), RFC(9110, "11.1")),
    remediation="Take a leading `Bearer `, in any letter case, off the token first.",
    needs=("sdk.token.prefixed",),
)
def test_prefix(target: Target) -> Verdict:
    """People copy tokens with their scheme; `Bearer Bearer …` is refused."""
    on = bench(target)
    control(on, "token")
    stories = {
        prefix: on.play(script(create({"token": f"{prefix} @token"}), call()))
        for prefix in ("Bearer", "bearer")
    }
    wrong = {
        prefix: story
        for prefix, story in stories.items()
        if not uses(on, story, "token")
    }
    if wrong:
        return failed(
            f"A token given as `{next(iter(wrong))} …` is not sent as it should be.",
            *(item for story in wrong.values() for item in story.evidence()[:1]),
            expected="Authorization: Bearer …",
            actual="; ".join(described(on, story.api[:1]) for story in wrong.values()),
        )
    return passed(
        "With and without it, in either letter case, it is there once.",
        *(item for story in stories.values() for item in story.evidence()[:1]),
    )


@check(
    id="sdk.token-intact",
    title="A token is sent as it was given, whatever words are in it",
    severity=Severity.MEDIUM,
    references=(CWE(20), RFC(6750, "2.1")),
    remediation="Take the prefix off the beginning only, never out of the middle.",
    needs=("sdk.token",),
)
def test_token_intact(target: Target) -> Verdict:
    """A token is opaque; one in which the word occurs by chance must work too."""
    on = bench(target)
    control(on, "token")
    story = on.play(script(create({"token": "@worded-token"}), call()))
    first = story.api[:1]
    if not first or not shows(on, first[0], "token", on.made["worded-token"]):
        return failed(
            "A token with the word Bearer in its middle is changed.",
            *story.evidence()[:1],
            expected="the token as it was given",
            actual=_lengths(on, first) or "no call arrived",
        )
    return passed("It is sent unchanged.", *story.evidence(*first))


def _lengths(on: Bench, arrivals: tuple[Arrival, ...]) -> str:
    """Say how much of a token is left: a redacted text would not show it."""
    whole = len(on.made["worded-token"])
    return "; ".join(
        f"{len(value.partition(' ')[2])} characters of {whole}"
        for item in arrivals
        for value in item.values("Authorization") or ("",)
    )


@check(
    id="sdk.copy",
    title="A copied client sends the credential of the first",
    severity=Severity.LOW,
    references=(CWE(287), CWE(1059)),
    remediation="Copy the credential itself, not its mask.",
    needs=("sdk.copies",),
)
def test_copy(target: Target) -> Verdict:
    """A copy that sends `****` fails far from where the mistake is."""
    on = bench(target)
    mechanism = some_mechanism(on)
    scenario = Scenario()
    story = on.play(calling(mechanism, scenario, copy("a", "b"), call("b")))
    copied = replied(story, story.answers("copy"), 0, "The copy")
    if not copied.ok:
        return inconclusive(
            Reason.PRECONDITION, f"The client was not copied.{why([copied])}"
        )
    last = story.api[1:]
    wrong = [
        item
        for item in last
        if not (
            shows_granted(on, story, item)
            if mechanism == "oauth"
            else carried(on, item) == carried(on, story.api[0])
        )
    ]
    if wrong or not last:
        return failed(
            "The copy does not send what the first client sends.",
            *story.evidence()[:3],
            expected=described(on, story.api[:1]),
            actual=described(on, wrong or last),
        )
    return passed("Both send the same.", *story.evidence()[:2])
