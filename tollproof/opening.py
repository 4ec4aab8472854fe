"""From a profile to a deployment that can be probed.

Knows the order of things: secrets, TLS, client, identities, OpenAPI document,
operations. Must not judge anything. All that is wrong is raised here, before the first
probe, so that a bad profile never sends a request.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tollproof import client_lifecycle, lifecycle
from tollproof.allowance import Ledger, ledger_of
from tollproof.client import Client, ClientSettings, origin_of
from tollproof.deployment import Deployment, prefix_of
from tollproof.errors import Problem, ProfileError, UsageError
from tollproof.identity import FixedCredential, Identity, Open
from tollproof.identity.clock import TargetClock
from tollproof.identity.fetching import Fetcher
from tollproof.identity.mechanisms import Surroundings, mechanism_of
from tollproof.model import Anchor, Exchange, Tier
from tollproof.openapi.document import Document, read_operations
from tollproof.openapi.drawer import Drawer, new_drawer
from tollproof.operations import Operation
from tollproof.profile.model import Profile
from tollproof.profile.secrets import resolve_all
from tollproof.redaction import Redactor
from tollproof.secrecy.marks import remembered
from tollproof.transport import tls_context
from tollproof.wire import Limits

#: Bytes of a document that are read; real ones of thousands of operations fit.
DOCUMENT_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says beside the profile.

    Attributes:
        workers: processes that share the budgets of the run, to each its part.
        forks: processes forked later, which spend one budget together; what each has
            under way, and what is never known in time, is shared out as well.
        offline: nothing is sent, so documents that lie elsewhere are not read.
        folder: of the run's journal, when it keeps one.
    """

    tier: Tier = Tier.GATE
    seed: int = 0
    run_id: str = ""
    worker: str = "main"
    workers: int = 1
    forks: int = 1
    production_consent: bool = False
    offline: bool = False
    folder: Path | None = None
    say: Callable[[str], None] = lambda _: None


def open_deployment(
    profile: Profile,
    *,
    options: Options,
    environ: Mapping[str, str],
    record: Callable[[Exchange], None],
) -> Deployment:
    """Resolve, read and connect everything a run needs.

    Raises:
        ProfileError: secrets that cannot be had, TLS files that cannot be read, an
            OpenAPI document that cannot be used.
    """
    drawer = new_drawer()
    try:
        return _opened(profile, drawer, options, environ, record)
    except BaseException:
        drawer.close()
        raise


def _opened(
    profile: Profile,
    drawer: Drawer,
    options: Options,
    environ: Mapping[str, str],
    record: Callable[[Exchange], None],
) -> Deployment:
    secrets = resolve_all(profile, environ)
    if profile.openapi_source is not None:
        drawer.start()
    redactor, clock = Redactor(), TargetClock()

    used: dict[str, float] = {}

    def observe(exchange: Exchange) -> None:
        clock.observe(exchange)
        used[exchange.identity] = time.monotonic()
        record(exchange)

    settings = client_settings(profile, options)
    client = Client(settings, redactor=redactor, record=observe, worker=options.worker)
    client.say = options.say
    fetcher = Fetcher(
        settings.context, seconds=settings.limits.total, proxy=settings.proxy
    )
    identities = _identities(
        secrets,
        Surroundings(profile=profile, redactor=redactor, fetcher=fetcher, clock=clock),
    )
    # By now what reads documents is ready, mostly.
    api = _read_api(profile, client, drawer, offline=options.offline)
    deployment = Deployment(
        profile=profile,
        operations=api.operations,
        identities=identities,
        client=client,
        redactor=redactor,
        fetcher=fetcher,
        clock=clock,
        drawer=drawer,
        document=api.document,
        prefix=prefix_of(profile, api.document),
        seed=options.seed,
        notes=(*profile.notes, *api.notes, *_weak(identities)),
        anchors=api.anchors,
        production_consent=options.production_consent,
        say=options.say,
        used=used,
        record=options.folder,
    )
    lifecycle.adopt(deployment)
    client_lifecycle.adopt(deployment)
    remembered(deployment)
    return deployment


def client_settings(profile: Profile, options: Options) -> ClientSettings:
    """Return what the client may reach and ask, by the profile's consent.

    Raises:
        ProfileError: a TLS file cannot be read.
    """
    target, budget = profile.target, profile.consent.budget
    share = max(options.workers, 1)
    processes = share * max(options.forks, 1)
    gate = options.tier is Tier.GATE
    urls = [target.base_url, *target.replicas]
    if target.http_url:
        urls.append(target.http_url)
    # Token endpoints are part of the deployment wherever they are.
    endpoints = (profile.token_url(item) for item in profile.identities.values())
    urls += [url for url in endpoints if url]
    return ClientSettings(
        origins=tuple(dict.fromkeys(origin_of(url) for url in urls)),
        context=_context(profile),
        limits=Limits(connect=min(target.timeout, 5.0), total=target.timeout),
        proxy=target.proxy,
        concurrency=max(budget.concurrency // processes, 1),
        per_second=budget.per_second / share,
        requests=(budget.requests if gate else budget.audit_requests) // share,
        seconds=budget.seconds if gate else 0.0,
        run_id=options.run_id,
        # A gate never waits for a window.
        ledger=Ledger() if gate else ledger_of(profile, processes=processes),
    )


def _context(profile: Profile) -> ssl.SSLContext:
    tls = profile.target.tls

    def beside(name: str | None) -> Path | None:
        return profile.folder / name if name else None

    try:
        return tls_context(
            verify=tls.verify,
            ca=beside(tls.ca),
            certificate=beside(tls.certificate),
            key=beside(tls.key.file if tls.key else None),
        )
    except (OSError, ssl.SSLError) as error:
        problem = Problem(
            where="target.tls",
            line=profile.lines.get(("target", "tls"), 0),
            message=f"a file cannot be used: {error}",
            remedy="give PEM files that exist, relative to the profile",
        )
        raise ProfileError(str(profile.path), [problem]) from error


def _identities(
    secrets: Mapping[tuple[str, str], str], around: Surroundings
) -> dict[str, Identity]:
    identities: dict[str, Identity] = {}
    for name, declared in around.profile.identities.items():
        own = {field: value for (who, field), value in secrets.items() if who == name}
        mechanism = Open() if declared.is_open else mechanism_of(declared, own, around)
        identities[name] = Identity(
            declared=declared, mechanism=mechanism, redactor=around.redactor
        )
    return identities


def _weak(identities: Mapping[str, Identity]) -> tuple[str, ...]:
    """Name the fixed credentials that are too weak to be recognised in an answer."""
    return tuple(
        f"The credential of {identity.name} is so short or plain that it cannot be "
        "told from ordinary text: it is not redacted, and no leak of it will be found."
        for identity in identities.values()
        if isinstance(identity.mechanism, FixedCredential)
        and identity.redactor.holds(identity.mechanism.value.value) is None
    )


# -- operations ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Api:
    """What profile and OpenAPI document say of the operations together."""

    operations: tuple[Operation, ...]
    document: Document | None
    notes: tuple[str, ...]
    anchors: Mapping[str, Anchor]


def _read_api(
    profile: Profile, client: Client, drawer: Drawer, *, offline: bool
) -> _Api:
    target, source = profile.target, profile.openapi_source
    document, notes = None, list[str]()
    operations: dict[str, Operation] = {}
    anchors: dict[str, Anchor] = {}
    if source is not None and offline and urlsplit(source).scheme:
        notes = [
            "the OpenAPI document is not read offline, so its operations are missing"
        ]
    elif source is not None:
        try:
            text = read_source(source, client)
            document = read_operations(
                text, source=source, target=target, drawer=drawer
            )
        except UsageError as error:
            problem = Problem(
                where="target.openapi",
                line=profile.lines.get(("target", "openapi"), 0),
                message=str(error),
                remedy="mend the document, or list operations under target.operations",
            )
            raise ProfileError(str(profile.path), [problem]) from error
        operations = {item.label: item for item in document.operations}
        if not urlsplit(source).scheme:
            anchors = {
                label: Anchor(file=source, line=line)
                for label, line in document.lines.items()
            }
        notes = [
            f"{label} could not be read from the OpenAPI document and is not "
            f"judged: {problem}"
            for label, problem in document.unreadable.items()
        ]
    for number, declared in enumerate(target.operations):
        if target.is_excluded(declared.label):
            continue
        has_body = declared.body is not None or declared.body_text is not None
        kind = declared.content_type or "application/json"
        operations[declared.label] = Operation(
            method=declared.method,
            path=declared.path,
            public=target.is_public(declared.label),
            changes=not target.is_read_only(declared.label),
            media_type=kind if has_body else "",
            parameters=_template_names(declared.path),
        )
        line = profile.lines.get(("target", "operations", number), 1)
        anchors[declared.label] = Anchor(file=str(profile.path), line=line)
    return _Api(
        operations=tuple(operations.values()),
        document=document,
        notes=tuple(notes),
        anchors=anchors,
    )


def _template_names(path: str) -> tuple[str, ...]:
    return tuple(part.partition("}")[0] for part in path.split("{")[1:])


def read_source(source: str, client: Client) -> str:
    """Return the text of an OpenAPI document: a file, or a URL the client can reach.

    Raises:
        UsageError: it cannot be had; says why and what to do.
    """
    if urlsplit(source).scheme in ("http", "https"):
        return client.fetch(source, DOCUMENT_LIMIT)
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: cannot be read: {error}") from error


def fetch_document(source: str) -> str:
    """Return the text of an OpenAPI document when there is no profile yet.

    Raises:
        UsageError: it cannot be had; says why and what to do.
    """
    settings = ClientSettings(
        origins=(), context=tls_context(), limits=Limits(connect=5.0, total=30.0)
    )
    with Client(settings, redactor=Redactor(), record=lambda _: None) as client:
        return read_source(source, client)
