"""What is done with an SDK, and what came of it: scripts and stories.

A script is frozen data, so that the same one is played only once in a run, however many
checks judge it. Must not know which story is a good one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollproof.model import Exchange
from tollproof.sdk.platform import Arrival
from tollproof.sdk.protocol import Raised, Reply, Shown, Verb
from tollproof.sdk.scenario import Scenario

Option = str | int | bool
Options = tuple[tuple[str, Option], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is done: a request to the driver, or a wait.

    Attributes:
        verb: empty for a wait.
        client: the client's name; a script may have several.
        options: of `create`; `(…, "@name")` stands for a credential of the run,
            `@file` for the path of a credentials file, `@platform` for its URL.
        count: calls of a burst.
        source: the client that is copied.
        seconds: of a wait.
    """

    verb: Verb | None = None
    client: str = "a"
    options: Options = ()
    count: int = 0
    source: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a driver is asked, in which environment, before which platform.

    Attributes:
        environment: variables, with the same stand-ins as options.
    """

    steps: tuple[Step, ...]
    environment: tuple[tuple[str, str], ...] = ()
    scenario: Scenario = field(default_factory=Scenario)


def create(options: Mapping[str, Option], client: str = "a") -> Step:
    """A client is made; where its platform is, is told unless `base_url` is given.

    An empty text takes an option out again.
    """
    every = {"base_url": "@platform", **options}
    told = tuple((name, value) for name, value in every.items() if value != "")
    return Step(verb="create", client=client, options=told)


def call(client: str = "a") -> Step:
    """One call of the API is made."""
    return Step(verb="call", client=client)


def burst(count: int, client: str = "a") -> Step:
    """So many calls are made at the same time."""
    return Step(verb="burst", client=client, count=count)


def show(client: str = "a") -> Step:
    """A client is printed, inspected and serialised."""
    return Step(verb="show", client=client)


def refresh(client: str = "a") -> Step:
    """A token is fetched by hand."""
    return Step(verb="refresh", client=client)


def copy(source: str, client: str) -> Step:
    """A client is copied."""
    return Step(verb="copy", client=client, source=source)


def wait(seconds: float) -> Step:
    """Time passes."""
    return Step(seconds=seconds)


def script(
    *steps: Step,
    scenario: Scenario | None = None,
    environment: Mapping[str, str] | None = None,
) -> Script:
    """Put a script together."""
    return Script(
        steps=steps,
        scenario=scenario or Scenario(),
        environment=tuple((environment or {}).items()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What came of a script.

    Attributes:
        performed: the steps that were asked of the driver. Those of a client that
            was never made are left out, and those after a storm.
        replies: one for each of them.
        arrivals: all requests, in order.
        output: what the driver printed beside replies, not redacted.
        storm: there were more requests than the scenario allows.
        sdk: name and version of the SDK, as its driver says.
        exchanges: the recorded exchange of each arrival, by its number.
    """

    script: Script
    performed: tuple[Step, ...]
    replies: tuple[Reply, ...]
    arrivals: tuple[Arrival, ...]
    output: str = field(repr=False)
    storm: bool
    sdk: str
    exchanges: Mapping[int, Exchange] = field(repr=False)

    @property
    def api(self) -> tuple[Arrival, ...]:
        """Calls of the API at the platform."""
        return self._of("platform", "api")

    @property
    def tokens(self) -> tuple[Arrival, ...]:
        """Requests for a token at the platform."""
        return self._of("platform", "token")

    @property
    def strayed(self) -> tuple[Arrival, ...]:
        """Whatever came to the stranger's host."""
        return tuple(item for item in self.arrivals if item.place == "elsewhere")

    @property
    def granted(self) -> tuple[str, ...]:
        """The access tokens that were granted, in order."""
        return tuple(item.token for item in self.arrivals if item.token)

    @property
    def calls(self) -> tuple[Reply, ...]:
        """The replies to calls and bursts, in order."""
        return self._replies("call", "burst")

    @property
    def created(self) -> tuple[Reply, ...]:
        """The replies to the making of clients."""
        return self._replies("create")

    @property
    def shown(self) -> tuple[Shown, ...]:
        """What clients look like."""
        return tuple(reply.shown for reply in self.replies if reply.shown)

    @property
    def raised(self) -> tuple[Raised, ...]:
        """Every error of the SDK."""
        return tuple(reply.error for reply in self.replies if reply.error)

    def answers(self, verb: Verb) -> tuple[Reply, ...]:
        """Return the replies to one kind of request."""
        return self._replies(verb)

    def evidence(self, *arrivals: Arrival) -> tuple[Exchange, ...]:
        """Return the exchanges of these arrivals; of all when none is given."""
        chosen = arrivals or self.arrivals
        return tuple(self.exchanges[item.number] for item in chosen)

    def _of(self, place: str, kind: str) -> tuple[Arrival, ...]:
        return tuple(
            item for item in self.arrivals if item.place == place and item.kind == kind
        )

    def _replies(self, *verbs: Verb) -> tuple[Reply, ...]:
        return tuple(
            reply
            for step, reply in zip(self.performed, self.replies, strict=True)
            if step.verb in verbs
        )
