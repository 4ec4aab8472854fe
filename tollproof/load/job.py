"""What a load job is: target, requests, credentials, schedule or stages, budget.

A job travels to the child process as two documents: the job, which may lie in a file,
and the credentials, which never do. Knows how the bytes of a request are made.
Must not know sockets or Locust.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from tollproof.errors import UsageError
from tollproof.load.allowance import Budget
from tollproof.load.arrivals import Stage, duration, expected, peak
from tollproof.load.engine import Limits
from tollproof.model import from_json, to_json
from tollproof.ratelimit.observation import ROLES
from tollproof.ratelimit.promise import ResetForm
from tollproof.ratelimit.schedule import Schedule
from tollproof.version import __version__

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(
    r"[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?"
)
_PATH = re.compile(r"[\x21-\x7e\x80-\xff]+")

#: Stands in a prebuilt request where its id goes; no header or path can hold it.
_ID = "\x00"
#: Length of a request's id: share, then number, in hexadecimal.
_ID_FORMAT = b"%03x-%09x"

Headers = tuple[tuple[str, str], ...]

#: Where the recorded values are read from when the promise names nothing else.
USUAL_HEADERS: Mapping[str, str] = {
    "limit": "X-RateLimit-Limit",
    "remaining": "X-RateLimit-Remaining",
    "reset": "X-RateLimit-Reset",
    "retry_after": "Retry-After",
    "date": "Date",
    "ratelimit": "RateLimit",
    "policy": "RateLimit-Policy",
    "age": "Age",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS towards the target.

    Attributes:
        ca: PEM file of further authorities to trust.
        certificate: PEM file of the client's certificate, with `key` if it is apart.
    """

    verify: bool = True
    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSpec:
    """A request without its credential.

    Attributes:
        name: the variant that the schedule asks for by this name.
        path: request target: path and query, as it goes on the wire.
        headers: beside the ones that are always sent and the credential's.
        body: sent with its length.
        source: local address to send from; empty for the system's choice.
    """

    name: str = "plain"
    method: str = "GET"
    path: str = "/"
    headers: Headers = ()
    body: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """Open-loop load for as long as asked.

    Attributes:
        stages: the rate over time, all keys together.
        keys: the keys used, in turn.
        variants: the requests used, in turn.
        connections: most connections of the whole job.
        seed: makes arrivals a Poisson process; without one they are evenly spaced.
    """

    stages: tuple[Stage, ...]
    keys: tuple[str, ...]
    variants: tuple[str, ...] = ("plain",)
    connections: int = 200
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadJob:
    """Everything a load process needs to know.

    Attributes:
        url: scheme, host and port of the target; what follows is ignored.
        budget: the consent; the sending process holds itself to it.
        schedule: a measurement at exact times, or …
        sustained: … load over time: one of the two.
        requests: the variants; a schedule's shots name them.
        credentials: headers by key label. Never part of :meth:`document`.
        operation: label of the operation, recorded with each observation.
        headers: name of the header that each of `observation.ROLES` is read from; a
            role that is left out is not recorded.
        reset_form: what a Reset is, where the promise says; else its size tells.
        refusals: statuses that mean "not admitted" to rules that stop a shot.
        id_header: name of a header that carries an id of its own on each request.
        run_id: sent as `X-Tollproof-Run`.
    """

    url: str
    budget: Budget
    schedule: Schedule | None = None
    sustained: Sustained | None = None
    requests: tuple[RequestSpec, ...] = (RequestSpec(),)
    credentials: Mapping[str, Headers] = field(default_factory=dict, repr=False)
    operation: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: dict(USUAL_HEADERS))
    reset_form: ResetForm | None = None
    refusals: tuple[int, ...] = (429,)
    limits: Limits = field(default_factory=Limits)
    tls: Tls = field(default_factory=Tls)
    id_header: str = ""
    run_id: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The labels of all keys it uses."""
        if self.sustained is not None:
            return self.sustained.keys
        return self.schedule.keys if self.schedule else ()

    @property
    def most_requests(self) -> int:
        """How many requests it may send by its own plan."""
        if self.sustained is not None:
            # Random arrivals stay below this with a probability of one in 10^8.
            mean = expected(self.sustained.stages)
            spread = 6 * mean**0.5 if self.sustained.seed is not None else 0
            return mean + int(spread)
        return self.schedule.most_requests if self.schedule else 0

    @property
    def seconds(self) -> float:
        """How long it lasts by its own plan, waiting for the last answers included."""
        if self.sustained is not None:
            return duration(self.sustained.stages) + self.limits.timeout
        return self.schedule.seconds + self.limits.timeout if self.schedule else 0.0

    def document(self) -> str:
        """Return the job as JSON, without the credentials."""
        plain = to_json(self)
        plain.pop("credentials", None)
        return json.dumps(plain, indent=1)

    def secrets(self) -> str:
        """Return the credentials as JSON: for a pipe, never for a file that stays."""
        return json.dumps(to_json(self.credentials))


def read_job(document: str, secrets: str = "{}") -> LoadJob:
    """Rebuild a job from its two documents.

    Raises:
        ValueError: one of them is not what it should be. Nothing of the credentials
            is in the text.
    """
    job: dict[str, Any] = json.loads(document)
    try:
        credentials = json.loads(secrets)
        return from_json(LoadJob, {**job, "credentials": credentials})
    except ValueError:
        raise ValueError("the load job or its credentials are malformed") from None


def essence(job: LoadJob) -> str:
    """Return a digest of what machines that share a job must agree upon.

    How much load there is, and for how long, is the leading machine's to say; where
    files lie and how much is consented to is each machine's own.
    """
    same = replace(job, run_id="", tls=Tls(verify=job.tls.verify))
    if job.sustained is not None:
        none = Sustained(stages=(), keys=(), connections=0)
        budget = replace(job.budget, requests=0, per_second=0, seconds=0.0)
        same = replace(same, sustained=none, budget=budget)
    return hashlib.sha256(same.document().encode()).hexdigest()


def led(own: LoadJob, sustained: Sustained, *, seconds: float) -> LoadJob:
    """Return a worker's job with the load that its master asks for.

    Args:
        own: target, requests, credentials and consent, by this machine's profile.
        seconds: for how long the master's consent holds.

    Raises:
        UsageError: this machine's consent does not cover it, or a key is not known.
    """
    highest, most = peak(sustained.stages), own.budget.per_second
    if most and highest > most:
        raise UsageError(f"{highest:g} requests a second are asked, {most} consented")
    budget = replace(own.budget, seconds=seconds)
    job = replace(own, sustained=sustained, schedule=None, budget=budget)
    check(job)
    return job


def check(job: LoadJob) -> None:
    """Refuse a job that cannot be run, or that its consent does not cover.

    Raises:
        UsageError: with the reason; before anything was sent.
    """
    scheme, host, port = target(job)
    if scheme not in ("http", "https"):
        raise UsageError(f"load needs an http or https URL, not {scheme!r}")
    if not job.budget.allows(host, port):
        raise UsageError(f"consent to load does not name {host}:{port}")
    if (job.schedule is None) == (job.sustained is None):
        raise UsageError("a load job has either a schedule or stages")
    if job.most_requests > job.budget.requests:
        raise UsageError(
            f"{job.most_requests} requests are planned, {job.budget.requests} consented"
        )
    if job.seconds - job.limits.timeout > job.budget.seconds:
        raise UsageError(
            f"{job.seconds - job.limits.timeout:.0f} seconds are planned, "
            f"{job.budget.seconds:.0f} consented"
        )
    if missing := set(job.keys) - set(job.credentials):
        raise UsageError(f"no credential for {', '.join(sorted(missing))}")
    if not job.keys:
        raise UsageError("a load job needs a key")
    named = {spec.name for spec in job.requests}
    used = set(
        job.sustained.variants
        if job.sustained
        else (shot.variant for shot in job.schedule.shots if job.schedule)
        if job.schedule
        else ()
    )
    if unknown := used - named:
        raise UsageError(f"no request is called {', '.join(sorted(unknown))}")
    if strange := set(job.headers) - set(ROLES):
        raise UsageError(f"no value is recorded as {', '.join(sorted(strange))}")
    for key in job.keys:
        for spec in job.requests:
            Template(job, key, spec)


def target(job: LoadJob) -> tuple[str, str, int]:
    """Return scheme, host and port of the job's URL.

    Raises:
        UsageError: it has none.
    """
    try:
        parts = urlsplit(job.url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        parts, port = None, 0
    if parts is None or not parts.hostname or parts.username or parts.password:
        raise UsageError("load needs a URL with a host and without credentials")
    return parts.scheme, parts.hostname, port


class Template:
    """The bytes of one request of one key, made once.

    Attributes:
        head: whether it is a HEAD request, whose answer has no body.
    """

    __slots__ = ("_after", "_before", "head")

    def __init__(self, job: LoadJob, key: str, spec: RequestSpec) -> None:
        """Build the request.

        Raises:
            UsageError: something in it cannot be sent in HTTP/1.1. The text names the
                header at fault and never a value.
        """
        scheme, host, port = target(job)
        usual = {"http": 80, "https": 443}[scheme]
        name = f"[{host}]" if ":" in host else host
        fields: list[tuple[str, str]] = [
            ("Host", name if port == usual else f"{name}:{port}"),
            ("User-Agent", f"tollproof/{__version__}"),
            ("Accept", "*/*"),
            *([("X-Tollproof-Run", job.run_id)] if job.run_id else ()),
        ]
        own = (*spec.headers, *job.credentials.get(key, ()))
        said = {name.lower() for name, _ in own}
        if framing := said & {"content-length", "transfer-encoding", "connection"}:
            raise UsageError(f"header {framing.pop()!r} is not the caller's to set")
        fields = [item for item in fields if item[0].lower() not in said]
        body = spec.body.encode()
        if body or spec.method in ("POST", "PUT", "PATCH"):
            fields.append(("Content-Length", str(len(body))))
        if not _TOKEN.fullmatch(spec.method) or not _PATH.fullmatch(spec.path):
            raise UsageError(f"request {spec.name!r} has no valid method and path")
        lines = [f"{spec.method} {spec.path} HTTP/1.1"]
        for header, value in (*fields, *own):
            if not _TOKEN.fullmatch(header) or not _VALUE.fullmatch(value):
                raise UsageError(f"header {header!r} of {spec.name!r} cannot be sent")
            lines.append(f"{header}: {value}")
        if job.id_header:
            if not _TOKEN.fullmatch(job.id_header):
                raise UsageError("the name of the id header cannot be sent")
            lines.append(f"{job.id_header}: {_ID}")
        data = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
        self._before, self._after = data, b""
        if job.id_header:
            self._before, _, self._after = data.partition(_ID.encode())
        self.head = spec.method == "HEAD"

    def build(self, share: int, number: int) -> bytes:
        """Return the bytes to send, with the id of request `number` of a share."""
        if not self._after:
            return self._before
        return self._before + _ID_FORMAT % (share, number) + self._after
