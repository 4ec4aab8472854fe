"""A credential does not come out of a client again, whichever way one looks at it.

CWE-532: "Information written to log files can be of a sensitive nature and give
valuable guidance to an attacker or expose sensitive user information."
"""

import re
from collections.abc import Callable, Iterator

from tollproof import (
    ASVS,
    CWE,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.profile.sdk import SdkMechanism
from tollproof.sdk.bench import Bench, bench
from tollproof.sdk.judging import (
    NAMES,
    Shown,
    alone,
    calling,
    control,
    leaking,
    listed,
    some_mechanism,
    why,
)
from tollproof.sdk.protocol import Shown as Looks
from tollproof.sdk.protocol import Texts
from tollproof.sdk.scenario import (
    FORBIDDEN,
    INVALID_CLIENT,
    Answer,
    Scenario,
    throttled,
)
from tollproof.sdk.script import Story, create, script, show


def _read_back(on: Bench, mechanism: SdkMechanism, name: str, made: str) -> Verdict:
    """Judge what reading a credential back from a client gives."""
    story = on.play(alone(mechanism))
    read = [looks.read[name] for looks in story.shown if name in looks.read]
    if not story.shown:
        raise Undetermined(
            Reason.PRECONDITION, f"No client was shown.{why(story.replies)}"
        )
    if not read:
        return passed("It cannot be read back at all.")
    pattern = on.sdk.masked or ""
    for value in read:
        whole = on.made[made] in value or on.leaks(value, name)
        if whole or not re.search(pattern, value):
            return failed(
                "A credential reads back otherwise than masked.",
                expected=f"a text like {pattern}",
                actual=value if not whole else "the credential itself",
            )
    return passed(f"It reads back as {read[0]}.")


@check(
    id="sdk.read-back",
    title="The API key of a client reads back masked",
    severity=Severity.MEDIUM,
    references=(CWE(522), CWE(200), ASVS("5.0.0", "14.2.6")),
    remediation="Return a mask from the property, and keep the key private.",
    needs=("sdk.masked", "sdk.api_key"),
)
def test_read_back(target: Target) -> Verdict:
    """Configuration is shown on pages and in support tickets; its key must not be."""
    return _read_back(bench(target), "api_key", "api_key", "key")


@check(
    id="sdk.token-read-back",
    title="The bearer token of a client reads back masked",
    severity=Severity.MEDIUM,
    references=(CWE(522), CWE(200), ASVS("5.0.0", "14.2.6")),
    remediation="Return a mask from the property, and keep the token private.",
    needs=("sdk.masked", "sdk.token"),
)
def test_token_read_back(target: Target) -> Verdict:
    """A token is worth as much as a key for as long as it lives."""
    return _read_back(bench(target), "token", "token", "token")


@check(
    id="sdk.secret-read-back",
    title="The client secret of a client reads back masked",
    severity=Severity.MEDIUM,
    references=(CWE(522), CWE(200), ASVS("5.0.0", "14.2.6")),
    remediation="Return a mask from the property, and keep the secret private.",
    needs=("sdk.masked", "sdk.oauth"),
)
def test_secret_read_back(target: Target) -> Verdict:
    """Of all credentials it lives longest."""
    return _read_back(bench(target), "oauth", "client_secret", "secret")


@check(
    id="sdk.short-key",
    title="A mask does not show the whole of a short key",
    severity=Severity.LOW,
    references=(CWE(522), CWE(200)),
    remediation="Show last characters only where they are a small part of the key.",
    needs=("sdk.masked", "sdk.api_key"),
)
def test_short_key(target: Target) -> Verdict:
    """All but the last four of four characters is nothing."""
    on = bench(target)
    story = on.play(script(create({"api_key": "@short-key"}), show()))
    if story.created and not story.created[0].ok and not why(story.created):
        raise Undetermined(Reason.PRECONDITION, "No client was made.")
    short = on.made["short-key"]
    # Where even a long key is shown, other checks say so.
    open_to_all = {
        place
        for looks in control(on, "api_key").shown
        for place, text in {**looks.read, **looks.printed}.items()
        if on.leaks(text, place)
    }
    found = [
        place
        for looks in story.shown
        for place, text in {**looks.read, **looks.printed}.items()
        if short in text and place not in open_to_all
    ]
    if found:
        return failed(
            f"A key of {len(short)} characters is shown whole.",
            expected="no more than a small part of it",
            actual=f"the whole key in {', '.join(found[:4])}",
        )
    if not story.shown:
        return passed("So short a key is refused.")
    return passed(f"A key of {len(short)} characters is not shown.")


def _looks(on: Bench, texts: Callable[[Looks], Texts]) -> Iterator[Shown]:
    """Look at a client of each mechanism after a call."""
    seen = 0
    for mechanism in on.sdk.mechanisms:
        for looks in on.play(alone(mechanism)).shown:
            seen += len(texts(looks))
            yield from leaking(on, texts(looks))
    if not seen:
        raise Undetermined(
            Reason.PRECONDITION, "The driver shows no client in this form."
        )


def _hidden(found: list[Shown], where: str) -> Verdict:
    if found:
        return failed(
            f"Credentials are shown {where}.",
            expected="masks only",
            actual=listed(found),
        )
    return passed(f"No credential is shown {where}.")


@check(
    id="sdk.printed",
    title="Printing a client or its parts shows no credential",
    severity=Severity.HIGH,
    references=(CWE(532), CWE(200), ASVS("5.0.0", "16.2.5")),
    remediation="Give every class that holds a credential a text of its own.",
    needs=("sdk",),
)
def test_printed(target: Target) -> Verdict:
    """What is printed once for debugging stays in the log."""
    return _hidden(list(_looks(bench(target), lambda one: one.printed)), "when printed")


@check(
    id="sdk.inspected",
    title="Inspecting a client shows no credential",
    severity=Severity.MEDIUM,
    references=(CWE(532), CWE(200)),
    remediation="Keep credentials in objects whose representation is a mask.",
    needs=("sdk",),
)
def test_inspected(target: Target) -> Verdict:
    """Error trackers send the variables of every frame, as a debugger shows them."""
    return _hidden(
        list(_looks(bench(target), lambda one: one.inspected)), "when inspected"
    )


@check(
    id="sdk.serialised",
    title="Serialising a client shows no credential",
    severity=Severity.MEDIUM,
    references=(CWE(200), CWE(922)),
    remediation="Leave credentials out of what is serialised, or mask them.",
    needs=("sdk",),
)
def test_serialised(target: Target) -> Verdict:
    """What is serialised is stored and sent on, by people who do not look inside."""
    return _hidden(
        list(_looks(bench(target), lambda one: one.serialised)), "when serialised"
    )


def _stories(on: Bench) -> Iterator[tuple[str, Story]]:
    """Play a call that succeeds, one that is throttled, and one that is refused."""
    for mechanism in on.sdk.mechanisms:
        name = NAMES[mechanism]
        yield f"{name}, let in", on.play(alone(mechanism))
        again = Scenario(api=(throttled("seconds", 0), Answer()))
        yield f"{name}, throttled", on.play(calling(mechanism, again))
        yield f"{name}, refused", on.play(calling(mechanism, _refusing(mechanism)))


def _refusing(mechanism: SdkMechanism) -> Scenario:
    if mechanism == "oauth":
        return Scenario(tokens=(INVALID_CLIENT,))
    return Scenario(api=(FORBIDDEN,))


@check(
    id="sdk.logged",
    title="The SDK's own log shows no credential",
    severity=Severity.HIGH,
    references=(CWE(532), ASVS("5.0.0", "16.2.5")),
    remediation="Log method, path and status; never header fields or bodies.",
    needs=("sdk",),
)
def test_logged(target: Target) -> Verdict:
    """Logs are kept for years, and read by more people than secrets are."""
    on = bench(target)
    control(on, some_mechanism(on))
    found = [
        shown
        for what, story in _stories(on)
        for shown in leaking(on, {f"the log ({what})": story.output})
    ]
    return _hidden(found, "in the log")


@check(
    id="sdk.raised",
    title="An error of the SDK shows no credential",
    severity=Severity.HIGH,
    references=(CWE(209), CWE(532), ASVS("5.0.0", "16.5.1")),
    remediation="Leave header fields and bodies of requests out of errors.",
    needs=("sdk",),
)
def test_raised(target: Target) -> Verdict:
    """Errors are logged, sent to trackers and shown to users."""
    on = bench(target)
    found: list[Shown] = []
    raised = 0
    for mechanism in on.sdk.mechanisms:
        story = on.play(calling(mechanism, _refusing(mechanism)))
        for error in story.raised:
            raised += 1
            texts = {
                f"{name} of {error.type}": text for name, text in error.forms.items()
            }
            found += leaking(on, texts)
    if not raised:
        raise Undetermined(
            Reason.PRECONDITION, "No error was raised though calls were refused."
        )
    return _hidden(found, f"in {raised} errors")
