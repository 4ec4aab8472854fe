"""What the checks of SDKs share: controls, what a request shows, what a text leaks.

Knows the scripts that many checks judge. Must not know any one promise.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import quote_plus

from tollproof.errors import Undetermined
from tollproof.model import Exchange, Leak, Reason
from tollproof.profile.sdk import SdkMechanism
from tollproof.sdk.bench import Bench
from tollproof.sdk.platform import Arrival
from tollproof.sdk.protocol import Reply, Texts
from tollproof.sdk.scenario import Scenario
from tollproof.sdk.script import Option, Script, Step, Story, call, create, script, show

#: Requests that one call may take, with every retry and renewal, before it is no end.
MOST = 10

#: What a client is given, by mechanism.
GIVEN: dict[SdkMechanism, dict[str, Option]] = {
    "api_key": {"api_key": "@key"},
    "token": {"token": "@token"},
    "oauth": {"client_id": "@id", "client_secret": "@secret"},
}
#: What mechanisms are called in sentences.
NAMES: dict[SdkMechanism, str] = {
    "api_key": "an API key",
    "token": "a bearer token",
    "oauth": "client credentials",
}
#: The check that judges a mechanism by itself.
OWN: dict[SdkMechanism, str] = {
    "api_key": "sdk.api-key",
    "token": "sdk.token",
    "oauth": "sdk.client-credentials",
}


def given(*mechanisms: SdkMechanism, **more: Option) -> Step:
    """Make a client that is given so many mechanisms."""
    options: dict[str, Option] = {}
    for mechanism in mechanisms:
        options |= GIVEN[mechanism]
    return create({**options, **more})


def alone(mechanism: SdkMechanism) -> Script:
    """One mechanism is given, one call made, the client looked at."""
    return script(given(mechanism), call(), show())


def calling(mechanism: SdkMechanism, scenario: Scenario, *more: Step) -> Script:
    """One mechanism is given and one call made, and `more`, before some platform."""
    return script(given(mechanism), call(), *more, scenario=scenario)


def combined(bench: Bench) -> Iterator[tuple[SdkMechanism, ...]]:
    """Yield every set of two mechanisms or more, in the promised order."""
    mechanisms = bench.sdk.mechanisms
    for size in range(2, len(mechanisms) + 1):
        yield from combinations(mechanisms, size)


# -- what a request shows ------------------------------------------------------------


def shows(bench: Bench, arrival: Arrival, mechanism: SdkMechanism, value: str) -> bool:
    """Whether a request carries just this credential in the promised field."""
    name, wanted = bench.field_of(mechanism, value)
    return arrival.values(name) == (wanted,)


def shows_granted(bench: Bench, story: Story, arrival: Arrival) -> bool:
    """Whether a request carries an access token that was granted before."""
    return any(
        item.token and shows(bench, arrival, "oauth", item.token)
        for item in story.tokens
        if item.answered <= arrival.at
    )


def uses(bench: Bench, story: Story, mechanism: SdkMechanism) -> bool:
    """Whether calls are made by a mechanism: the first call for a fixed credential.

    What goes out before a token was granted is judged by a check of its own.
    """
    if mechanism == "oauth":
        return any(shows_granted(bench, story, item) for item in story.api)
    value = bench.made["key" if mechanism == "api_key" else "token"]
    return bool(story.api) and shows(bench, story.api[0], mechanism, value)


def credential_fields(bench: Bench) -> tuple[str, ...]:
    """Return the header fields in which credentials are promised to travel."""
    names = [bench.field_of(item, "")[0] for item in bench.sdk.mechanisms]
    return tuple({name.lower(): name for name in (*names, "Authorization")}.values())


def carried(bench: Bench, arrival: Arrival) -> tuple[str, ...]:
    """Return the credential fields of a request, each as `Name: value`."""
    return tuple(
        f"{name}: {value}"
        for name in credential_fields(bench)
        for value in arrival.values(name)
    )


def described(bench: Bench, arrivals: Iterable[Arrival]) -> str:
    """Say what requests show, the first few of them."""
    lines = [", ".join(carried(bench, item)) or "no credential" for item in arrivals]
    more = f" … and {len(lines) - 4} more" if len(lines) > 4 else ""
    return "; ".join(lines[:4]) + more if lines else "no call arrived"


def holds(arrival: Arrival, value: str) -> bool:
    """Whether a token request carries a value, in its body or by Basic."""
    body = arrival.body.decode("utf-8", "replace")
    return any(
        text in place
        for text in (value, quote_plus(value))
        for place in (body, *_basic(arrival))
    )


def _basic(arrival: Arrival) -> Iterator[str]:
    for value in arrival.values("Authorization"):
        scheme, _, encoded = value.partition(" ")
        if scheme.lower() == "basic":
            try:
                yield b64decode(encoded, validate=True).decode("utf-8", "replace")
            except (Base64Error, ValueError):
                continue


def is_basic_of_client(bench: Bench, value: str) -> bool:
    """Whether a field value is the client's own Basic authentication."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        pair = b64decode(encoded, validate=True).decode("utf-8", "replace")
    except (Base64Error, ValueError):
        return False
    names = (bench.made["id"], quote_plus(bench.made["id"]))
    return pair.partition(":")[0] in names


# -- controls ------------------------------------------------------------------------


def control(bench: Bench, mechanism: SdkMechanism) -> Story:
    """Show that a mechanism works by itself; return the story.

    Raises:
        Undetermined: it does not, or the SDK has no such mechanism; a check of its own
            says so.
    """
    story = bench.play(alone(mechanism))
    if not uses(bench, story, mechanism):
        raise Undetermined(
            Reason.PRECONDITION,
            f"With {NAMES[mechanism]} alone the SDK does not send what it promises, "
            f"so nothing that rests on that can be told; see {OWN[mechanism]}."
            f"{why(story.replies)}",
            *ids(story.evidence()),
        )
    return story


def some_mechanism(bench: Bench) -> SdkMechanism:
    """Return the first mechanism that works by itself, fixed credentials first.

    Raises:
        Undetermined: none does.
    """
    ranked = sorted(bench.sdk.mechanisms, key=lambda name: name == "oauth")
    for mechanism in ranked[:-1]:
        try:
            control(bench, mechanism)
        except Undetermined:
            continue
        return mechanism
    control(bench, ranked[-1])
    return ranked[-1]


def must_succeed(story: Story, reply: Reply, what: str) -> None:
    """Go on only if something that is no subject of the check has worked.

    Raises:
        Undetermined: it has not.
    """
    if not reply.ok:
        raise Undetermined(
            Reason.PRECONDITION, f"{what} failed.{why([reply])}", *ids(story.evidence())
        )


def replied(story: Story, replies: tuple[Reply, ...], number: int, what: str) -> Reply:
    """Return a reply that the check needs.

    Raises:
        Undetermined: the script did not come to it.
    """
    if number >= len(replies):
        storm = "the platform ended a storm of requests" if story.storm else "it ended"
        raise Undetermined(
            Reason.PRECONDITION,
            f"{what} was not made: {storm}.",
            *ids(story.evidence()),
        )
    return replies[number]


def why(replies: Iterable[Reply]) -> str:
    """Say how the SDK explains its first failure; empty without one."""
    for reply in replies:
        if reply.unsupported:
            return (
                " The driver says that there is no such thing: teach it to the driver,"
                " or take the promise out of the profile."
            )
        if reply.error is not None:
            text = next(iter(reply.error.forms.values()), "")
            return f" The SDK raised {reply.error.type}: {text[:200]}"
    return ""


def ids(exchanges: Iterable[Exchange]) -> tuple[str, ...]:
    """Return the ids of a few exchanges."""
    return tuple(item.id for item in exchanges)[:6]


# -- leaks ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A credential in a place where none should be.

    Attributes:
        place: what people call the text: `str(config)`.
    """

    place: str
    leak: Leak

    def __str__(self) -> str:
        part = "" if self.leak.complete else "a part of "
        how = "" if self.leak.encoding == "plain" else f" ({self.leak.encoding})"
        return f"{self.place} shows {part}{self.leak.credential}{how}"


def leaking(bench: Bench, texts: Texts) -> Iterator[Shown]:
    """Find the run's credentials in texts, by what these are called."""
    for place, text in texts.items():
        for leak in bench.leaks(text, place):
            yield Shown(place=place, leak=leak)


def listed(found: Iterable[Shown]) -> str:
    """Write a list of leaks, the first few, each once."""
    lines = list(dict.fromkeys(map(str, found)))
    more = f"; {len(lines) - 6} more" if len(lines) > 6 else ""
    return "; ".join(lines[:6]) + more
