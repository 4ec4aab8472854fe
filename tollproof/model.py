"""The values everything else is made of: checks, verdicts, exchanges, results, runs.

Knows only the standard library. Must not know where a value comes from (pytest,
httpx, a file) or where it goes (a report, a terminal): each is frozen, compares by
value and travels as plain JSON through :func:`to_json` and :func:`from_json`.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Severity(StrEnum):
    """How much harm the broken promise does; the order is that of the declaration."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """4 for critical down to 0 for info, so that severities can be compared."""
        return len(Severity) - 1 - list(Severity).index(self)


class Tier(StrEnum):
    """The smallest command that runs a check; each later one runs the earlier too."""

    GATE = "gate"
    AUDIT = "audit"
    LOAD = "load"

    @property
    def rank(self) -> int:
        """0 for gate, 1 for audit, 2 for load."""
        return list(Tier).index(self)


class Impact(StrEnum):
    """What a check does to the target, so what the profile must consent to."""

    READS = "reads"
    WRITES = "writes"
    LIFECYCLE = "lifecycle"
    LOAD = "load"


class Outcome(StrEnum):
    """The four verdicts, worst first."""

    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    PASSED = "passed"
    NOT_APPLICABLE = "not_applicable"

    @property
    def rank(self) -> int:
        """3 for failed down to 0 for not applicable: aggregates take the highest."""
        return len(Outcome) - 1 - list(Outcome).index(self)


class Reason(StrEnum):
    """Why a verdict is inconclusive."""

    UNREACHABLE = "target-unreachable"
    THROTTLED = "throttled"
    PRECONDITION = "precondition-failed"
    NOISE = "noise"
    BUDGET = "budget-spent"
    HARNESS = "harness-error"
    NOT_RUN = "not-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A clause of a standard, as :mod:`tollproof.references` builds and validates it.

    Attributes:
        standard: short name of the standard with its edition, `"RFC 9110"`.
        clause: the clause inside it, `"11.6.1"`; empty for a whole document.
        title: what the clause is called; empty where the standard names none.
        url: where it can be read.
    """

    standard: str
    clause: str
    title: str
    url: str

    @property
    def label(self) -> str:
        """The short form people quote: `CWE-347`, `API2:2023`, `RFC 8725 §3.1`."""
        if self.standard == "CWE":
            return f"CWE-{self.clause}"
        if self.standard.startswith("OWASP API"):
            return f"API{self.clause}:{self.standard.rsplit(' ', 1)[-1]}"
        return f"{self.standard} §{self.clause}" if self.clause else self.standard


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """What is declared of a check: everything but its procedure.

    Attributes:
        id: `suite.slug`, stable for ever.
        title: the secure condition, as a sentence without a full stop.
        rationale: why it matters; the check function's docstring.
        needs: dotted names of what the profile must have for the check to apply.
        aliases: former ids, still accepted wherever an id is.
    """

    id: str
    title: str
    severity: Severity
    rationale: str = ""
    remediation: str = ""
    references: tuple[Reference, ...] = ()
    needs: tuple[str, ...] = ()
    impact: Impact = Impact.READS
    tier: Tier = Tier.GATE
    aliases: tuple[str, ...] = ()

    @property
    def suite(self) -> str:
        """The part of the id before the first dot."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check concluded, always with a sentence saying why.

    Attributes:
        outcome: one of the four.
        summary: the sentence.
        reason: set when, and only when, the outcome is inconclusive.
        expected: for a failure, what was promised.
        actual: for a failure, what was seen.
        exchanges: ids of the exchanges the verdict rests on, most telling first.
        measurements: named figures and series behind the verdict, plain JSON.
    """

    outcome: Outcome
    summary: str
    reason: Reason | None = None
    expected: str = ""
    actual: str = ""
    exchanges: tuple[str, ...] = ()
    measurements: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it was sent, redacted.

    Attributes:
        body: decoded as UTF-8 with replacement; cut at the recording limit.
        body_bytes: the length of what was sent, in bytes.
        raw: true when it was written byte by byte on a socket.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_bytes: int = 0
    raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response as it arrived, bounded and redacted.

    Attributes:
        body: decoded as UTF-8 with replacement; cut at the recording limit.
        body_bytes: how many bytes were read before a limit or the end.
        truncated: true when the target had more to say than the client reads.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_bytes: int = 0
    truncated: bool = False
    http_version: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """Return the field's combined value (RFC 9110, 5.3), or None when absent."""
        values = self.header_list(name)
        return ", ".join(values) if values else None

    def header_list(self, name: str) -> tuple[str, ...]:
        """Return every field line of that name, in order of arrival."""
        wanted = name.lower()
        return tuple([value for key, value in self.headers if key.lower() == wanted])


class FailureKind(StrEnum):
    """How a probe ended without a usable response."""

    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    PROTOCOL = "protocol"
    REDIRECT = "redirect"
    DECOMPRESSION = "decompression"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no response: a kind to reason with, a sentence to show."""

    kind: FailureKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A credential of the run that the target sent back.

    Attributes:
        credential: the label of the credential, never its value.
        encoding: how it was written: `plain`, `base64`, `url`, `sha256-hex` …
        place: `body`, or `header Name`, or `status line`.
        complete: whether the whole credential was there or a telling part of it.
    """

    credential: str
    encoding: str
    place: str
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A probe and what came back, redacted when it was captured.

    Attributes:
        id: unique in the run, `worker-number`.
        at: when the request was sent, ISO 8601 in UTC.
        seconds: from sending to the last byte read.
        identity: the caller whose credential was sent; `anonymous`, or a variant
            such as `alpha, cut short`.
        operation: label of the operation probed, or empty.
        purpose: what the probe was for, in a few words.
        leaks: credentials found in the response, before they were redacted.
    """

    id: str
    at: str
    seconds: float
    request: Request
    response: Response | None = None
    failure: Failure | None = None
    identity: str = "anonymous"
    operation: str = ""
    check: str = ""
    purpose: str = ""
    leaks: tuple[Leak, ...] = ()

    @property
    def status(self) -> int:
        """The response's status, or 0 when there was none."""
        return self.response.status if self.response else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One (check, subject) that the run set out to decide."""

    check: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A check, or one subject of it, that the run does not decide, and why."""

    check: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A failure that the profile's owner accepts until a day."""

    check: str
    subject: str
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """check × subject → verdict.

    Attributes:
        at: when the check started, ISO 8601 in UTC.
        waiver: the waiver that covers this failure, when one does.
    """

    check: str
    subject: str
    verdict: Verdict
    at: str
    seconds: float
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A place in a file of the user's: where a promise or an operation is written."""

    file: str
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What was judged, by what, when.

    Attributes:
        anchors: subject or check id → the place in the profile or OpenAPI document.
        notes: sentences for the reader: clock offset, unreadable operations, …
    """

    tool: str
    run_id: str
    command: str
    deployment: str
    base_url: str
    environment: str
    profile: str
    started: str
    ended: str = ""
    seed: int = 0
    interrupted: bool = False
    anchors: Mapping[str, Anchor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How much was sent: the run's account against the consented budget."""

    requests: int = 0
    responses: int = 0
    bytes_received: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    budget: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The plan and all results: the only thing a report is made from.

    Attributes:
        exchanges: those that a result refers to; the journal holds all of them.
        problems: what fails the gate besides results: a stale waiver, for instance.
    """

    about: About
    checks: tuple[CheckSpec, ...] = ()
    planned: tuple[Planned, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    results: tuple[Result, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    problems: tuple[str, ...] = ()
    traffic: Traffic = field(default_factory=Traffic)


def now() -> str:
    """The time of day as results carry it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- plain JSON ----------------------------------------------------------------------

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Turn any value of this module into plain JSON; empty optional fields stay out."""
    kind: Any = type(value)
    return _writer(kind)(value)


def from_json(kind: type[T], data: Any) -> T:
    """Rebuild a value of `kind` from what :func:`to_json` made of it.

    Unknown keys are ignored, so that a newer record can still be read.

    Raises:
        ValueError: the data does not have the shape of `kind`.
    """
    try:
        read: Callable[[Any], T] = _reader(typing.cast("Any", kind))
        return read(data)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error


_REQUIRED = object()


@cache
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    def default(item: dataclasses.Field[Any]) -> Any:
        if item.default is not dataclasses.MISSING:
            return item.default
        if item.default_factory is not dataclasses.MISSING:
            return item.default_factory()
        return _REQUIRED

    return tuple((item.name, default(item)) for item in dataclasses.fields(kind))


@cache
def _writer(kind: type) -> Callable[[Any], Any]:
    """Return what makes JSON of a value of this type: each type is looked at once."""
    if dataclasses.is_dataclass(kind):
        fields = _defaults(kind)
        return lambda value: {
            name: item if type(item) is str else to_json(item)
            for name, default in fields
            if (item := getattr(value, name)) != default
        }
    if issubclass(kind, StrEnum):
        return lambda value: value.value
    if issubclass(kind, date):
        return lambda value: value.isoformat()
    if issubclass(kind, Mapping):
        return lambda value: {str(key): to_json(item) for key, item in value.items()}
    if issubclass(kind, list | tuple):
        return lambda value: [
            item if type(item) is str else to_json(item) for item in value
        ]
    return lambda value: value


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        build: Callable[..., Any] = kind
        hints = typing.get_type_hints(kind)
        readers = {name: _reader(hints[name]) for name, _ in _defaults(kind)}

        def read(data: Any) -> Any:
            known = {key: data[key] for key in readers if key in data}
            return build(**{key: readers[key](item) for key, item in known.items()})

        return read
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (_reader(arg) for arg in args if arg is not types.NoneType)
        return lambda data: None if data is None else inner(data)
    if origin is tuple:
        items = [_reader(arg) for arg in args if arg is not Ellipsis]
        if args[-1] is Ellipsis:
            return lambda data: tuple(items[0](item) for item in data)
        return lambda data: tuple(
            one(item) for one, item in zip(items, data, strict=True)
        )
    if origin is not None and issubclass(origin, Mapping):
        value = _reader(args[1])
        return lambda data: {key: value(item) for key, item in data.items()}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind
    if kind is date:
        return date.fromisoformat
    if kind is float:
        return float
    return lambda data: data
