"""The deployment under judgement: profile, operations, identities and a client.

Knows what all checks of a run share, and what is worth asking the target only once:
which identities work, what each operation answers a caller it must let in. Must not
know any promise; checks judge.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

from tollproof.client import Client, Probe
from tollproof.common import Common
from tollproof.errors import NotAsked, Undetermined
from tollproof.identity import Identity
from tollproof.identity.clock import TargetClock
from tollproof.identity.fetching import Fetcher
from tollproof.identity.renewal import renewed, why_refused
from tollproof.model import Anchor, Exchange, Reason
from tollproof.openapi.document import Document
from tollproof.openapi.drawer import Drawer
from tollproof.operations import Example, Operation, encode_query, expand
from tollproof.profile.model import Profile
from tollproof.profile.target import DeclaredOperation
from tollproof.redaction import Credential, Redactor
from tollproof.silence import says_nothing, why_silent

T = TypeVar("T")

#: How exchanges with a key that the run itself created name its caller.
CREATED = "created key "


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything a run knows of its target.

    Attributes:
        operations: in the order of the document, then those of the profile.
        document: the OpenAPI document, when there is one.
        prefix: path before every operation's path.
        notes: sentences for the reader of the report.
        anchors: label of an operation → where it is written.
        fetcher: asks token endpoints and issuers, on behalf of identities.
        clock: the target's, as far as its answers tell.
        drawer: makes requests up.
        production_consent: the command line's second consent, without which
            production gets neither load nor key lifecycle.
        say: tells the reader how far a long measurement is.
        cleanup: what undoes each thing that the run has created; each returns a
            sentence when it could not, else an empty text.
        used: name of an identity → when a request with it was last answered, in
            monotonic seconds.
        opened: when the run began; before that, others may have used the same keys.
        record: folder of the run's record in which a measurement may keep what it
            sees until it is judged; None when the run keeps none.
        interrupted: set by a measurement that was told to end early, and judged what
            there was: the run is to end when that is reported.
    """

    profile: Profile
    operations: tuple[Operation, ...]
    identities: Mapping[str, Identity]
    client: Client
    redactor: Redactor
    fetcher: Fetcher
    clock: TargetClock
    drawer: Drawer = field(default_factory=Drawer, repr=False)
    document: Document | None = None
    prefix: str = ""
    seed: int = 0
    notes: tuple[str, ...] = ()
    anchors: Mapping[str, Anchor] = field(default_factory=dict)
    production_consent: bool = False
    say: Callable[[str], None] = field(default=lambda _: None, repr=False)
    cleanup: dict[str, Callable[[], str]] = field(default_factory=dict, repr=False)
    used: dict[str, float] = field(default_factory=dict, repr=False)
    opened: float = field(default_factory=time.monotonic, repr=False)
    record: Path | None = None
    interrupted: threading.Event = field(default_factory=threading.Event, repr=False)
    _once: Once = field(default_factory=lambda: Once(), repr=False)

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin_anew(self, worker: str) -> None:
        """In a forked process: leave connections and threads to the other one."""
        self.client.begin_anew(worker)
        self.fetcher.begin_anew()
        self.drawer.begin_anew()

    def share(self, common: Common) -> None:
        """Have budget, drawer and credentials together with processes forked later.

        What one of them learns, all others redact in whatever they record from then on.
        """

        def tell(one: Credential) -> None:
            if not one.derived:
                made = (one.label, one.value, one.public_prefix, one.kind)
                common.tell(json.dumps(made).encode())

        def catch_up() -> None:
            for line in common.news():
                label, value, prefix, kind = json.loads(line)
                self.redactor.add(
                    Credential(
                        label=label, value=value, public_prefix=prefix, kind=kind
                    )
                )

        self.client.share(common)
        self.drawer.share(common)
        self.redactor.tell, self.client.catch_up = tell, catch_up

    def close(self) -> None:
        """End what talks to the target and what makes requests up."""
        self.client.close()
        self.drawer.close()

    @property
    def is_production(self) -> bool:
        """Whether the profile says so, or says nothing of the environment."""
        return self.profile.target.environment == "production"

    # -- who and what ----------------------------------------------------------------

    def callers(self, operation: Operation) -> tuple[Identity, ...]:
        """Return the live identities that are granted an operation, controls first."""
        return self._once.get(
            ("callers", operation.label), lambda: self._callers(operation)
        )

    def _callers(self, operation: Operation) -> tuple[Identity, ...]:
        granted = [
            identity
            for identity in self.identities.values()
            if identity.is_live and identity.may_call(operation)
        ]
        return tuple(
            sorted(granted, key=lambda identity: _preference(identity, operation))
        )

    def caller(self, operation: Operation) -> Identity:
        """Return the identity whose calls show that an operation works.

        Raises:
            Undetermined: the profile grants it to no live identity.
        """
        callers = self.callers(operation)
        if not callers:
            raise Undetermined(
                Reason.PRECONDITION,
                f"No live identity of the profile is granted {operation.label}, "
                "so there is nothing to compare with.",
            )
        return callers[0]

    def example(self, operation: Operation, identity: Identity | None) -> Example:
        """Return a request the operation should understand, with objects it owns."""
        owner = identity.name if identity else ""
        return self._once.get(
            ("example", operation.label, owner),
            lambda: self._example(operation, identity),
        )

    def _example(self, operation: Operation, identity: Identity | None) -> Example:
        target = self.profile.target
        values: dict[str, object] = dict(target.parameters_for(operation.label))
        values |= identity.owns if identity else {}
        for declared in target.operations:
            if declared.label == operation.label:
                return _declared_example(operation, declared, values)
        if self.document is None:
            raise LookupError(f"{operation.label} is declared nowhere")
        return self.document.example(operation, values)

    def probe(
        self, operation: Operation, identity: Identity | None, *, purpose: str = ""
    ) -> Probe:
        """Return the example request of an operation, as an identity or as nobody."""
        owner = identity or next(iter(self.callers(operation)), None)
        example = self.example(operation, owner)
        return Probe(
            method=operation.method,
            target=self.prefix + example.target,
            headers=example.headers + (identity.headers() if identity else ()),
            body=example.body,
            identity=identity.name if identity else "anonymous",
            operation=operation.label,
            purpose=purpose,
        )

    def undo(self) -> tuple[str, ...]:
        """Remove what the run has created, newest first; say what is left of it."""
        left = []
        while self.cleanup:
            _, undo = self.cleanup.popitem()
            left.append(undo())
        return tuple(sentence for sentence in left if sentence)

    def touch(self, *names: str) -> None:
        """Note that identities were just used by something other than our client."""
        self.used.update(dict.fromkeys(names, time.monotonic()))

    def rested(self, names: Iterable[str], seconds: float) -> float:
        """Return how many seconds are left until all of them were idle for so long."""
        last = max((self.used.get(name, self.opened) for name in names), default=0.0)
        return max(0.0, last + seconds - time.monotonic())

    # -- asked once ------------------------------------------------------------------

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what `compute` gives, computed once in a run, whoever asks.

        Raises:
            Undetermined: as `compute` did, the first time.
        """
        return self._once.get(key, compute)

    def control(self, operation: Operation, check: str) -> Exchange:
        """Show that an operation works for a caller it must let in; asked once.

        Raises:
            Undetermined: it does not, so nothing can be concluded from a refusal.
        """
        return self._once.get(
            ("control", operation.label), lambda: self._control(operation, check)
        )

    def _control(self, operation: Operation, check: str) -> Exchange:
        identity = self.caller(operation)
        self.preflight(identity, check)
        probe = self.probe(operation, identity, purpose="control")
        exchange = answered(self.client.send(probe, check=check), self.profile)
        if exchange.status >= 500 or exchange.status in (401, 403):
            raise Undetermined(
                Reason.PRECONDITION,
                f"{operation.label} answers {exchange.status} even to "
                f"{identity.name}, whom it must let in.",
                exchange.id,
            )
        self._tells(operation, exchange, check)
        return exchange

    def _tells(self, operation: Operation, exchange: Exchange, check: str) -> None:
        """Go on only if what a caller is answered, who must be let in, is an answer.

        Raises:
            Undetermined: it is a redirect or has no end, and strangers get the same.
        """
        what = says_nothing(exchange)
        if not what:
            return
        other = self.stranger(operation, check)
        if other.status == exchange.status and says_nothing(other):
            raise Undetermined(
                Reason.PRECONDITION,
                f"{operation.label} answers everybody with {what} "
                f"({exchange.status}), so nobody can tell who is let in; give the "
                "profile an example request that is answered "
                "(target.path_parameters, target.operations), or target.exclude it.",
                exchange.id,
                other.id,
            )

    def stranger(self, operation: Operation, check: str) -> Exchange:
        """Return the answer to a caller without any credential; asked once."""
        return self._once.get(
            ("stranger", operation.label), lambda: self._stranger(operation, check)
        )

    def _stranger(self, operation: Operation, check: str) -> Exchange:
        probe = self.probe(operation, None, purpose="no credential")
        return answered(self.client.send(probe, check=check), self.profile)

    def preflight(self, identity: Identity, check: str) -> Exchange:
        """Show that a live identity is let in somewhere; asked once.

        Raises:
            Undetermined: it is not, so nothing that rests on it can be concluded.
        """
        return self._once.get(
            ("preflight", identity.name), lambda: self._preflight(identity, check)
        )

    def _preflight(self, identity: Identity, check: str) -> Exchange:
        operations = [
            operation
            for operation in self.operations
            if not operation.public and identity.may_call(operation)
        ]
        if not self.profile.consent.writes:
            operations = [item for item in operations if not item.changes]
        if not operations:
            raise Undetermined(
                Reason.PRECONDITION,
                f"There is no protected operation with which to show that "
                f"{identity.name} works.",
            )
        refusals: list[Exchange] = []
        silence: Undetermined | None = None
        for operation in sorted(operations, key=_simplicity)[:3]:
            try:
                exchange = self._ask(operation, identity, check)
            except NotAsked:
                raise
            except Undetermined as undetermined:
                # An operation that hangs says nothing of the others.
                silence = silence or undetermined
                continue
            if exchange.status == 401 and not refusals and renewed(identity):
                exchange = self._ask(operation, identity, check)
            if exchange.status < 300 and not says_nothing(exchange):
                return exchange
            refusals.append(exchange)
        if silence is not None and not refusals:
            raise silence
        why = why_refused(identity, self.profile, self.clock.now())
        remedy = f". {why}" if why else "; is its credential right?"
        seen = ", ".join(f"{item.operation}: {item.status}" for item in refusals)
        raise Undetermined(
            Reason.PRECONDITION,
            f"The identity {identity.name} should work but was let in nowhere "
            f"({seen}){remedy}",
            *(item.id for item in refusals),
        )

    def _ask(self, operation: Operation, identity: Identity, check: str) -> Exchange:
        probe = self.probe(operation, identity, purpose="preflight")
        return answered(self.client.send(probe, check=check), self.profile)


def answered(exchange: Exchange, profile: Profile) -> Exchange:
    """Return an exchange in which the deployment itself answered.

    Raises:
        Undetermined: it did not answer, a gateway answered in its place, or the
            caller was throttled.
    """
    if exchange.response is None:
        why = why_silent(exchange.failure, profile.target)
        raise Undetermined(Reason.UNREACHABLE, why, exchange.id)
    limit = profile.promises.rate_limit
    if exchange.status == 429 or (limit and exchange.status == limit.status):
        raise Undetermined(
            Reason.THROTTLED,
            f"The target throttled the probe ({exchange.status}).",
            exchange.id,
        )
    if exchange.status in (502, 503, 504):
        raise Undetermined(
            Reason.UNREACHABLE,
            f"A gateway answered {exchange.status} in the deployment's place.",
            exchange.id,
        )
    return exchange


def _declared_example(
    operation: Operation, declared: DeclaredOperation, values: Mapping[str, object]
) -> Example:
    """Return the example request that the profile itself gives."""
    if declared.body_text is not None:
        body = declared.body_text.encode()
    else:
        body = b"" if declared.body is None else json.dumps(declared.body).encode()
    lines = tuple(declared.headers.items())
    if body:
        lines += (("Content-Type", declared.content_type or "application/json"),)
    missing = [name for name in operation.parameters if name not in values]
    return Example(
        path=expand(operation.path, {**dict.fromkeys(missing, "x"), **values}),
        query=encode_query(declared.query),
        headers=lines,
        body=body,
        certain=not missing,
    )


def prefix_of(profile: Profile, document: Document | None) -> str:
    """Return the path before operations: the base URL's own, else the document's."""
    own = urlsplit(profile.target.base_url).path.rstrip("/")
    return own or (document.prefix if document else "")


def _preference(identity: Identity, operation: Operation) -> tuple[bool, bool, bool]:
    return (
        "control" not in identity.declared.purpose,
        bool(identity.limit),
        not set(operation.parameters) <= set(identity.owns),
    )


def _simplicity(operation: Operation) -> tuple[bool, int, bool]:
    return (operation.changes, len(operation.parameters), operation.method != "GET")


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    filled: bool = False
    value: object = None
    error: Undetermined | None = None


class Once:
    """Values computed once, by whichever thread asks first.

    That nothing could be determined is kept too: a control that failed is not asked
    again by the next fifty checks. That nobody was asked is not: the target may have
    come back by the time the next one wants to know.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[Hashable, _Slot] = {}

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the value for `key`, computing it when nobody has.

        Raises:
            Undetermined: as `compute` did, the first time.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
        with slot.lock:
            if not slot.filled:
                try:
                    slot.value = compute()
                except NotAsked:
                    raise
                except Undetermined as undetermined:
                    slot.error = undetermined
                slot.filled = True
        if slot.error is not None:
            raise slot.error
        return cast("T", slot.value)
