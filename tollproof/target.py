"""What a check holds in its hands: the target, to be probed.

Knows how to turn a check's wish into probes and to tell a silent or throttled target
from one that answered. Must not know how results are recorded. The only object of the
core that suites use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tollproof.client import Headers, Probe
from tollproof.deployment import CREATED, Deployment, answered
from tollproof.errors import Undetermined
from tollproof.identity import Identity
from tollproof.model import Exchange, FailureKind, Reason
from tollproof.operations import Operation
from tollproof.profile.kinds import covers
from tollproof.profile.model import Profile

#: Statuses with which an HTTP server refuses what it cannot read (RFC 9110, 15.5).
BEFORE_ROUTING = frozenset({400, 408, 413, 414, 431, 501, 505})


@dataclass(frozen=True, slots=True)
class Target:
    """The deployment, as one check sees it.

    Attributes:
        deployment: what all checks of the run share.
        check: the id under which exchanges are recorded.
    """

    deployment: Deployment
    check: str

    @property
    def profile(self) -> Profile:
        """What the deployment promises."""
        return self.deployment.profile

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of the API, public ones included."""
        return self.deployment.operations

    @property
    def seed(self) -> int:
        """The run's seed: the same seed gives the same probes."""
        return self.deployment.seed

    @property
    def host(self) -> str:
        """Host and port of the deployment, as a `Host` field names them."""
        return urlsplit(self.profile.target.base_url).netloc.rpartition("@")[2]

    def identities(self, *states: str) -> tuple[Identity, ...]:
        """Return the identities in one of the given states; all without any."""
        found = self.deployment.identities.values()
        return tuple(item for item in found if not states or item.state in states)

    def caller(self, operation: Operation) -> Identity:
        """Return the live identity whose calls show that an operation works."""
        return self.deployment.caller(operation)

    def is_authenticated(self, exchange: Exchange) -> bool:
        """Whether the probe carried a credential that was accepted."""
        if exchange.identity.startswith(CREATED):
            # It may have been revoked since, and 403 may be how that is answered.
            return exchange.status not in (401, 403)
        identity = self.deployment.identities.get(exchange.identity)
        return identity is not None and identity.is_live and exchange.status != 401

    def means(self, kinds: Iterable[str], exchange: Exchange) -> bool:
        """Whether a response is one of the kinds that a promise about headers names."""
        # Once for all exchanges: with a thousand operations it is not for free.
        public = self.deployment.once(
            "public labels",
            lambda: frozenset(item.label for item in self.operations if item.public),
        )
        return covers(
            kinds,
            status=exchange.status,
            authenticated=self.is_authenticated(exchange),
            public=exchange.operation in public,
            operation=exchange.operation,
        )

    def is_exempt(self, exchange: Exchange) -> bool:
        """Whether the HTTP server itself answered, and nothing is promised of that."""
        return not self.profile.promises.before_routing and _before_routing(exchange)

    def whose(self, exchange: Exchange) -> str:
        """Say, for a sentence, that the HTTP server itself answered, if it may have."""
        if _before_routing(exchange):
            return (
                " (to a request that no route gets to see; see promises.before_routing)"
            )
        return ""

    # -- making probes ---------------------------------------------------------------

    def probe(
        self,
        operation: Operation,
        identity: Identity | None = None,
        *,
        purpose: str = "",
    ) -> Probe:
        """Return the operation's example request, as an identity or as nobody."""
        return self.deployment.probe(operation, identity, purpose=purpose)

    def showing(
        self, operation: Operation, headers: Headers, *, who: str, purpose: str = ""
    ) -> Probe:
        """Return the operation's example request with given credential fields."""
        bare = self.probe(operation, purpose=purpose or who)
        return replace(bare, headers=bare.headers + headers, identity=who)

    # -- sending them ----------------------------------------------------------------

    def control(self, operation: Operation) -> Exchange:
        """Show once that the operation works for a caller it must let in.

        Raises:
            Undetermined: it does not; nothing can be concluded from a refusal then.
        """
        return self.deployment.control(operation, self.check)

    def stranger(self, operation: Operation) -> Exchange:
        """Return the answer to a caller without any credential; asked once."""
        return self.deployment.stranger(operation, self.check)

    def attempt(self, probe: Probe) -> Exchange:
        """Send a probe and return whatever came of it, silence included."""
        return self.deployment.client.send(probe, check=self.check)

    def send(self, probe: Probe) -> Exchange:
        """Send a probe and return an exchange in which the deployment answered.

        Raises:
            Undetermined: unreachable, throttled, or the budget is spent.
        """
        return answered(self.attempt(probe), self.profile)

    def attempt_all(self, probes: Iterable[Probe]) -> tuple[Exchange, ...]:
        """Send probes at the consented concurrency; results in the probes' order."""
        return self.deployment.client.send_all(probes, check=self.check)

    def send_all(self, probes: Iterable[Probe]) -> tuple[Exchange, ...]:
        """Send probes at once; all of them must be answered.

        Raises:
            Undetermined: one was not; the first such one says why.
        """
        exchanges = self.attempt_all(probes)
        return tuple(answered(exchange, self.profile) for exchange in exchanges)

    def settled(self, exchanges: Iterable[Exchange]) -> tuple[Exchange, ...]:
        """Return exchanges that were attempted, all of which must be answered.

        Raises:
            Undetermined: one was not; the first such one says why.
        """
        return tuple(answered(item, self.profile) for item in exchanges)

    def answers(self, probes: Iterable[Probe]) -> tuple[Exchange, ...]:
        """Send probes that may be malformed: hanging up on one answers it too.

        Raises:
            Undetermined: the target was silent, unreachable or throttled one of them.
        """
        exchanges = self.attempt_all(probes)
        return tuple(
            item if _hung_up(item) else answered(item, self.profile)
            for item in exchanges
        )

    def must_be_refused(self, exchanges: Iterable[Exchange]) -> None:
        """Go on only if all of these are refusals.

        Raises:
            Undetermined: one was let in; a check of its own reports that.
        """
        for item in exchanges:
            if 200 <= item.status < 300:
                raise Undetermined(
                    Reason.PRECONDITION,
                    "A request was let in that should be refused "
                    f"({item.purpose or item.identity}), so there is no refusal to "
                    "judge; see the checks of who may enter.",
                    item.id,
                )

    def let_in(
        self, exchanges: Sequence[Exchange], control: Exchange
    ) -> tuple[tuple[Exchange, ...], tuple[Exchange, ...]]:
        """Sort out the exchanges that were let in, and those nobody can tell.

        Let in is what got a success, or exactly the status with which the control,
        whom the operation must let in, was answered. When even the control got an
        error, the same error tells nothing: those come second.
        """
        success = [item for item in exchanges if 200 <= item.status < 300]
        doubtful = [
            item
            for item in exchanges
            if control.status >= 300 and item.status == control.status
        ]
        return tuple(success), tuple(doubtful)


def _before_routing(exchange: Exchange) -> bool:
    """Whether an answer comes before any route is chosen.

    That is what servers and proxies do with what is no HTTP, and, on their own, with
    the method TRACE and an encoded NUL.
    """
    request = exchange.request
    if request.method in ("TRACE", "CONNECT") and exchange.status == 405:
        return True
    return exchange.status in BEFORE_ROUTING and (request.raw or "%00" in request.url)


def _hung_up(exchange: Exchange) -> bool:
    failure = exchange.failure
    return failure is not None and failure.kind in (
        FailureKind.CLOSED,
        FailureKind.PROTOCOL,
    )
