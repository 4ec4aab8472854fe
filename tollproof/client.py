"""The one module that talks to the target: sends probes, records exchanges.

Every probe is counted against the consented budget, paced, bounded in time and size,
redacted and handed to the journal before anybody sees it. Knows nothing of promises:
whatever the target does comes back as an :class:`~tollproof.model.Exchange`.
"""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, islice
from types import TracebackType
from urllib.parse import urlsplit

import httpcore
import httpx

from tollproof.allowance import Ledger
from tollproof.breaker import Breaker
from tollproof.common import Common, Place
from tollproof.errors import NotAsked, Undetermined, UsageError
from tollproof.model import (
    Exchange,
    Failure,
    FailureKind,
    Leak,
    Reason,
    Request,
    Response,
    Traffic,
    now,
)
from tollproof.redaction import Redactor
from tollproof.transport import DeadlineTransport
from tollproof.version import __version__
from tollproof.wire import Address, Limits, send_raw

#: Characters of a body that are recorded; the rest is counted, not kept.
RECORDED_BODY = 16_384
#: Seconds of waiting for its turn that the reader is told of.
LONG_WAIT = 2.0
#: Bytes of a body above which it may be answered before all of it was read. A server
#: then closes the connection (RFC 9112, 9.3), and what is sent next on it is lost.
LONG_BODY = 65_536
#: Methods that RFC 9110, 9.2.1 calls safe.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A request to send.

    Attributes:
        target: path and query exactly as they shall stand on the request line.
        headers: in order; `Host`, `User-Agent` and framing are added when absent.
        origin: another origin of the deployment: its plain-HTTP twin, a replica.
        identity: whose credential it carries, in words; never the credential.
        operation: the label of the operation it aims at.
        raw: the whole request as bytes, for what no HTTP library sends.
        take: called with the answer's body as it arrived, before anything of it is
            recorded: for answers that hold a new credential, which it must give to
            the redactor.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    origin: str = ""
    identity: str = "anonymous"
    operation: str = ""
    purpose: str = ""
    raw: bytes | None = None
    take: Callable[[bytes], None] | None = field(
        default=None, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What the client may reach and how much it may ask.

    Attributes:
        origins: the deployment's origins, `scheme://host:port`; the first is the
            base. Nothing else is ever connected to.
        per_second: probes started a second, 0 for no pacing.
        requests: the budget of probes, 0 for none.
        seconds: the budget of time for the whole run, 0 for none.
        ledger: makes probes wait that would exceed their identity's rate limit.
    """

    origins: tuple[str, ...]
    context: ssl.SSLContext
    limits: Limits
    proxy: str | None = None
    concurrency: int = 8
    per_second: float = 0.0
    requests: int = 0
    seconds: float = 0.0
    run_id: str = ""
    ledger: Ledger = field(default_factory=Ledger)


@dataclass(slots=True)
class _Account:
    """What has been sent and received, under one lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    started: float = field(default_factory=time.monotonic)
    next_start: float = 0.0
    sent: int = 0
    received: int = 0
    received_bytes: int = 0
    by_status: Counter[int] = field(default_factory=Counter)
    breaker: Breaker = field(default_factory=Breaker)
    told_until: float = 0.0
    common: Common | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Have what all processes have sent, and let them know what is sent now."""
        if self.common is None:
            yield
            return
        with self.common.held(Place.ACCOUNT) as figures:
            self.sent, self.next_start = figures.count, figures.moment
            yield
            figures.count, figures.moment = self.sent, self.next_start

    def writing(self, probe: Probe) -> AbstractContextManager[object]:
        """Keep out of the time in which another process watches for changes."""
        if self.common is None or probe.method in SAFE_METHODS:
            return nullcontext()
        return self.common.entered(Place.STATE)


class Client:
    """Sends probes to one deployment from any number of threads.

    Args:
        settings: what may be reached and how much.
        redactor: replaces every known credential before anything is kept.
        record: called with each exchange the moment it is complete.
        worker: prefix of the exchange ids, unique in the run.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        redactor: Redactor,
        record: Callable[[Exchange], None],
        worker: str = "x",
    ) -> None:
        self.settings = settings
        self._redactor = redactor
        self._record = record
        self._worker = worker
        #: Shown each answer as it arrived, with its probe and status, before anything
        #: of it is recorded: whatever creates a credential must be known to redact it.
        self.reveal: Callable[[Probe, int, bytes], None] | None = None
        #: Called before anything is recorded: learns what other processes have learnt.
        self.catch_up: Callable[[], None] = lambda: None
        #: Told when a probe must wait long for its turn.
        self.say: Callable[[str], None] = lambda _: None
        self._account = _Account()
        self._connect()

    def _connect(self) -> None:
        """Begin without threads and connections."""
        settings = self.settings
        self._pool = ThreadPoolExecutor(max_workers=settings.concurrency)
        limits = settings.limits
        self._extensions: dict[str, object] = {
            "timeout": {
                "connect": limits.connect,
                "read": limits.total,
                "write": limits.total,
                "pool": limits.total,
            }
        }
        self._transport = DeadlineTransport(
            context=settings.context,
            connections=settings.concurrency + 2,
            proxy=settings.proxy,
        )

    def rest(self) -> None:
        """Have no thread until there is something to send again."""
        self._pool.shutdown()
        self._pool = ThreadPoolExecutor(max_workers=self.settings.concurrency)

    def share(self, common: Common) -> None:
        """From now on, spend one budget together with the processes forked later."""
        with self._account.lock, common.held(Place.ACCOUNT) as figures:
            self._account.common = common
            figures.count = self._account.sent
            figures.moment = self._account.next_start

    def alone(self) -> AbstractContextManager[object]:
        """Keep other processes of the run from changing anything meanwhile."""
        common = self._account.common
        return nullcontext() if common is None else common.held(Place.STATE)

    def begin_anew(self, worker: str) -> None:
        """In a forked process: leave the connections to the one it was forked from."""
        self._worker = worker
        self._connect()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and close every connection."""
        self._pool.shutdown()
        self._transport.close()

    def traffic(self) -> Traffic:
        """Return the account so far."""
        account = self._account
        with account.lock:
            return Traffic(
                requests=account.sent,
                responses=account.received,
                bytes_received=account.received_bytes,
                by_status={
                    str(key): account.by_status[key]
                    for key in sorted(account.by_status)
                },
                budget=self.settings.requests,
            )

    def send(self, probe: Probe, *, check: str = "", undoing: bool = False) -> Exchange:
        """Send a probe once and return what came back, recorded and redacted.

        Args:
            undoing: removes what the run has created, so no spent budget stops it.

        Raises:
            NotAsked: the target or the operation has stopped answering and is not
                asked again for a while.
            Undetermined: the budget of requests or time is spent.
            ValueError: the probe's origin is not one of the deployment's.
        """
        origin = probe.origin or self.settings.origins[0]
        if origin not in self.settings.origins:
            raise ValueError(f"{origin} is not an origin of the deployment")
        number = self._admit(probe, undoing)
        with self._account.writing(probe):
            at, started = now(), time.perf_counter()
            answer = self._exchange(probe, origin)
            seconds = round(time.perf_counter() - started, 6)
        if isinstance(answer, _Answer):
            if probe.take is not None:
                probe.take(answer.body)
            if self.reveal is not None:
                self.reveal(probe, answer.status, answer.body)
        self.catch_up()
        exchange = self._exchange_record(
            probe, origin, answer, f"{self._worker}-{number}", at, seconds, check
        )
        self._settle(answer, _place(probe))
        self._record(exchange)
        return exchange

    def send_all(
        self, probes: Iterable[Probe], *, check: str = ""
    ) -> tuple[Exchange, ...]:
        """Send probes at the consented concurrency; results in the probes' order.

        Each goes out as soon as it is made: the next is made while it is under way.

        Raises:
            Undetermined: as :meth:`send`, for the first probe that could not be sent.
        """
        rest = iter(probes)
        few = tuple(islice(rest, 2))
        if len(few) <= 1:
            return tuple(self.send(probe, check=check) for probe in few)
        return tuple(
            self._pool.map(
                lambda probe: self.send(probe, check=check), chain(few, rest)
            )
        )

    @property
    def worker(self) -> str:
        """The prefix of exchange ids, unique in the run."""
        return self._worker

    def note(self, exchange: Exchange) -> None:
        """Record an exchange that another client had: an SDK under judgement."""
        self._record(exchange)

    def fetch(self, url: str, limit: int) -> str:
        """Return a document that describes the deployment, by URL.

        It is not a probe: it is neither counted nor recorded, and it may lie on another
        host. No credential goes along and no redirect is followed.

        Raises:
            Undetermined: nobody answers.
            UsageError: the answer is not a document; says what it is.
        """
        try:
            request = httpx.Request("GET", url, headers={"Accept": "*/*"})
        except httpx.InvalidURL as error:
            raise UsageError(f"{url}: is not a URL ({error})") from error
        limits = replace(
            self.settings.limits, body_bytes=limit, decompressed_bytes=limit
        )
        with self._transport.deadline(limits.total):
            try:
                response = self._transport.handle_request(request)
                try:
                    headers = _text_fields(response.headers.raw)
                    body, cut = _read_body(response.iter_raw(), headers, "GET", limits)
                finally:
                    response.close()
            except _FAILURES as error:
                raise Undetermined(
                    Reason.UNREACHABLE, f"{url}: {_failure(error).detail}"
                ) from error
        if response.status_code in (429, 502, 503, 504):
            raise Undetermined(
                Reason.UNREACHABLE, f"{url}: answers {response.status_code}"
            )
        if response.status_code != 200 or cut:
            found = f"more than {limit} bytes" if cut else f"{response.status_code}"
            raise UsageError(f"{url}: no document there ({found})")
        return body.decode("utf-8", "replace")

    # -- budget, pacing, breaker -----------------------------------------------------

    def _admit(self, probe: Probe, undoing: bool) -> int:
        """Count a probe, wait for its turn, and return its number."""
        account, settings = self._account, self.settings
        with account.lock, account.shared():
            clock = time.monotonic()
            spent = settings.requests and account.sent >= settings.requests
            if spent and not undoing:
                raise Undetermined(
                    Reason.BUDGET,
                    f"The budget of {settings.requests} requests is spent "
                    "(consent.budget in the profile).",
                )
            over = settings.seconds and clock - account.started >= settings.seconds
            if over and not undoing:
                raise Undetermined(
                    Reason.BUDGET,
                    f"The budget of {settings.seconds:g} seconds is spent "
                    "(consent.budget in the profile).",
                )
            if why := account.breaker.refusal(_place(probe), clock):
                raise NotAsked(Reason.UNREACHABLE, why)
            account.sent += 1
            number = account.sent
            start = clock
            if settings.per_second:
                start = max(clock, account.next_start)
                account.next_start = start + 1 / settings.per_second
            wait = settings.ledger.reserve(probe.identity, start) - clock
            tell = wait >= LONG_WAIT and clock >= account.told_until
            if tell:
                account.told_until = clock + wait
        if tell:
            self.say(
                f"waiting {wait:.0f} s: the run has used what it may of the rate limit "
                f"promised to {probe.identity}"
            )
        if wait > 0:
            time.sleep(wait)
        return number

    def _settle(self, answer: _Answer | Failure, place: str) -> None:
        """Enter the outcome in the account."""
        account = self._account
        with account.lock:
            if isinstance(answer, _Answer):
                account.received += 1
                account.received_bytes += len(answer.body)
                account.by_status[answer.status] += 1
                account.breaker.answered(place)
            elif answer.kind in _SILENT:
                account.breaker.silent(place, answer.detail, time.monotonic())

    # -- the exchange itself ---------------------------------------------------------

    def _exchange(self, probe: Probe, origin: str) -> _Answer | Failure:
        if probe.raw is not None:
            return self._send_raw(probe.raw, probe.method, origin)
        answer = self._send_once(probe, origin)
        if (
            isinstance(answer, Failure)
            and answer.kind is FailureKind.CLOSED
            and probe.method in SAFE_METHODS
        ):
            # A kept-alive connection may close just as it is reused; asking again
            # tells that from a target that hangs up on this very request.
            return self._send_once(probe, origin)
        return answer

    def _send_once(self, probe: Probe, origin: str) -> _Answer | Failure:
        limits = self.settings.limits
        request = self._request(probe, origin)
        with self._transport.deadline(limits.total):
            try:
                response = self._transport.send(request)
                try:
                    headers = _text_fields(response.headers)
                    body, truncated = _read_body(
                        response.iter_stream(), headers, probe.method, limits
                    )
                finally:
                    response.close()
            except _FAILURES as error:
                return _failure(error)
        return _Answer(
            status=response.status,
            headers=headers,
            body=body,
            truncated=truncated,
            http_version=response.extensions["http_version"].decode("ascii", "ignore"),
        )

    def _request(self, probe: Probe, origin: str) -> httpcore.Request:
        """Put a probe together as it goes out: its own fields, `Host` and framing."""
        place = _parsed(origin)
        target, extensions = _bytes(probe.target), self._extensions
        if self.settings.proxy is not None and origin.startswith("http:"):
            # A proxy is told the whole URL of a plain request (RFC 9112, 3.2.2).
            extensions = {**extensions, "target": _bytes(origin) + target}
        fields = [(_bytes(name), _bytes(value)) for name, value in self._headers(probe)]
        named = {name.lower() for name, _ in fields}
        if b"host" not in named:
            fields.insert(0, (b"Host", place.netloc))
        if b"content-length" not in named and (
            probe.body or probe.method in {"POST", "PUT", "PATCH"}
        ):
            fields.append((b"Content-Length", b"%d" % len(probe.body)))
        return httpcore.Request(
            method=probe.method.upper(),
            url=httpcore.URL(
                scheme=place.raw_scheme,
                host=place.raw_host,
                port=place.port,
                target=target,
            ),
            headers=fields,
            content=(probe.body,) if probe.body else (),
            extensions=extensions,
        )

    def _send_raw(self, payload: bytes, method: str, origin: str) -> _Answer | Failure:
        address = Address.of(origin, self.settings.context)
        raw = send_raw(address, payload, limits=self.settings.limits, method=method)
        if isinstance(raw, Failure):
            return raw
        return _Answer(
            status=raw.status,
            headers=raw.headers,
            body=raw.body,
            truncated=raw.truncated,
            http_version=raw.http_version,
        )

    def _headers(self, probe: Probe) -> Iterator[tuple[str, str]]:
        named = {name.lower() for name, _ in probe.headers}
        if "user-agent" not in named:
            yield "User-Agent", f"tollproof/{__version__}"
        if "x-tollproof-run" not in named and self.settings.run_id:
            yield "X-Tollproof-Run", self.settings.run_id
        if "accept" not in named:
            yield "Accept", "*/*"
        if "accept-encoding" not in named:
            yield "Accept-Encoding", "gzip, deflate"
        if "connection" not in named and len(probe.body) > LONG_BODY:
            yield "Connection", "close"
        yield from probe.headers

    # -- recording -------------------------------------------------------------------

    def _exchange_record(
        self,
        probe: Probe,
        origin: str,
        answer: _Answer | Failure,
        id: str,
        at: str,
        seconds: float,
        check: str,
    ) -> Exchange:
        response, leaks = (
            (None, ()) if isinstance(answer, Failure) else self._redacted(answer)
        )
        failure = answer if isinstance(answer, Failure) else None
        return Exchange(
            id=id,
            at=at,
            seconds=seconds,
            request=self._redacted_request(probe, origin),
            response=response,
            failure=failure and self._redacted_failure(failure),
            identity=probe.identity,
            operation=probe.operation,
            check=check,
            purpose=probe.purpose,
            leaks=leaks,
        )

    def _redacted_failure(self, failure: Failure) -> Failure:
        return Failure(kind=failure.kind, detail=self._redactor.redact(failure.detail))

    def _redacted_request(self, probe: Probe, origin: str) -> Request:
        redact = self._redactor.redact
        if probe.raw is not None:
            return Request(
                method=probe.method,
                url=redact(origin + probe.target),
                body=self._head(probe.raw, "latin-1"),
                body_bytes=len(probe.raw),
                raw=True,
            )
        return Request(
            method=probe.method,
            url=redact(origin + probe.target),
            headers=tuple(
                (name, redact(value)) for name, value in self._headers(probe)
            ),
            body=self._head(probe.body, "utf-8"),
            body_bytes=len(probe.body),
        )

    def _head(self, body: bytes, encoding: str) -> str:
        """Return what is recorded of a body that we sent, however long it is.

        Twice as much is looked at as is kept: a credential across the cut is still
        recognised by what stands on either side of it.
        """
        text = body[: 2 * RECORDED_BODY].decode(encoding, "replace")
        return self._redactor.redact(text)[:RECORDED_BODY]

    def _redacted(self, answer: _Answer) -> tuple[Response, tuple[Leak, ...]]:
        headers, header_leaks = self._redactor.redact_headers(answer.headers)
        body, body_leaks = self._redactor.scrub(
            answer.body.decode("utf-8", "replace"), "body"
        )
        response = Response(
            status=answer.status,
            headers=headers,
            body=body[:RECORDED_BODY],
            body_bytes=len(answer.body),
            truncated=answer.truncated,
            http_version=answer.http_version,
        )
        return response, header_leaks + body_leaks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A response as it arrived, before anything is redacted: never leaves here."""

    status: int
    headers: Headers
    body: bytes
    truncated: bool
    http_version: str


_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    zlib.error,
    ssl.SSLError,
)

#: Failures that say the target is not there, not that it disliked one probe.
_SILENT = frozenset({FailureKind.CONNECT, FailureKind.TLS, FailureKind.TIMEOUT})


def _failure(error: BaseException) -> Failure:
    """Name what went wrong, in the words of the library that saw it."""
    text = str(error) or type(error).__name__
    match error:
        case zlib.error():
            kind = FailureKind.DECOMPRESSION
        case ssl.SSLError():
            kind = FailureKind.TLS
        case httpcore.ProxyError():
            kind = FailureKind.PROXY
        case httpcore.ConnectTimeout():
            kind, text = FailureKind.CONNECT, "no connection within the time allowed"
        case httpcore.ConnectError():
            tls = "SSL" in text or "certificate" in text.lower()
            kind = FailureKind.TLS if tls else FailureKind.CONNECT
        case httpcore.TimeoutException():
            kind, text = FailureKind.TIMEOUT, "no complete answer in the time allowed"
        case httpcore.RemoteProtocolError() if "disconnected" in text:
            kind = FailureKind.CLOSED
        case httpcore.ReadError() | httpcore.WriteError():
            kind = FailureKind.CLOSED
        case _:
            kind = FailureKind.PROTOCOL
    return Failure(kind=kind, detail=text)


def _read_body(
    chunks: Iterable[bytes], headers: Headers, method: str, limits: Limits
) -> tuple[bytes, bool]:
    """Read and decode the body within the limits; say whether it was cut."""
    codings = [value for name, value in headers if name.lower() == "content-encoding"]
    coding = ", ".join(codings).strip().lower()
    decoder = _DECODERS[coding]() if coding in _DECODERS and method != "HEAD" else None
    kept = bytearray()
    read = 0
    for chunk in chunks:
        read += len(chunk)
        room = limits.decompressed_bytes if decoder else limits.body_bytes
        if decoder:
            kept += decoder.decompress(chunk, max(room - len(kept), 1))
        else:
            kept += chunk
        if len(kept) >= room or read >= limits.body_bytes:
            return bytes(kept[:room]), True
    return bytes(kept), False


_DECODERS: dict[str, Callable[[], zlib._Decompress]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "deflate": lambda: zlib.decompressobj(),
}


def _place(probe: Probe) -> str:
    """Name what a probe asks: one instance may hang and another not."""
    return f"{probe.origin} {probe.operation}" if probe.origin else probe.operation


@cache
def _parsed(origin: str) -> httpx.URL:
    """Take apart one of the few origins that a client pins."""
    return httpx.URL(origin)


def _text_fields(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in fields
    )


def _bytes(text: str) -> bytes:
    """Encode header text: as latin-1 where it fits (RFC 9110, 5.5), else UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def origin_of(url: str) -> str:
    """Return `scheme://host[:port]` of a URL, the form the client pins."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
