"""A deployment put together: its stores, its limiter, its faults.

Knows what a worker is told and makes an application of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tollproof.reference.algorithms import ALGORITHMS, USUAL, together
from tollproof.reference.limiter_stores import MemoryStates, RedisStates, SqliteStates
from tollproof.reference.limiters import Limiter, RedisLimiter, SqliteLimiter
from tollproof.reference.sparkient.app import Sparkient
from tollproof.reference.sparkient.bearers import Bearers
from tollproof.reference.sparkient.blemishes import blemishes
from tollproof.reference.sparkient.byways import Byways
from tollproof.reference.sparkient.errors import envelope
from tollproof.reference.sparkient.fields import DASHBOARD_ORIGIN
from tollproof.reference.sparkient.issuer_keys import IssuerKeys
from tollproof.reference.sparkient.lapses import lapses
from tollproof.reference.sparkient.loopholes import TOKEN_STRAYS
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.miscounts import miscount
from tollproof.reference.sparkient.routes import Service
from tollproof.reference.sparkient.seed import Stores, open_stores
from tollproof.reference.sparkient.spills import spills
from tollproof.reference.sparkient.token_loopholes import LOOPHOLES
from tollproof.reference.sparkient.tokens import Policy, Procedure, TokenVerifier
from tollproof.reference.sparkient.untruths import untruths

#: Faults that put another algorithm in the place of the one that is promised.
_INSTEAD = {
    "limiter-slides": "sliding_log",
    "limiter-bursts-at-the-edge": "fixed_window_first",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What each worker of a deployment is told.

    Attributes:
        folder: the run folder, seeded.
        origin: the deployment's own, `scheme://host:port`.
        limit, window: the default allowance: requests, seconds.
        per: what has an allowance of its own, one of `miscounts.SCOPES`.
        failures: wrong credentials that an address may show in a window; 0 for any
            number.
        sustained: whether a second limit holds, over `algorithms.LONGER` windows.
        redis: URL of the server that counts; None to count in SQLite.
        algorithm: how requests are counted, one of `algorithms.ALGORITHMS`.
        issuer, audience: of the ID tokens that are accepted.
        certificates: where their issuer publishes its keys; empty for no tokens.
    """

    folder: str
    origin: str
    limit: int
    window: float
    faults: tuple[str, ...] = ()
    redis: str | None = None
    algorithm: str = USUAL
    per: str = "key"
    failures: int = 0
    sustained: bool = False
    issuer: str = ""
    audience: str = ""
    certificates: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An application and what has to be closed after it.

    Attributes:
        twin: what answers on the plain-HTTP twin of a TLS deployment.
    """

    app: Sparkient
    twin: ASGIApp
    close: Callable[[], None]


def build(settings: Settings) -> Built:
    """Open the stores of a seeded run folder and put the application on them."""
    faults = frozenset(settings.faults)
    folder = Path(settings.folder)
    stores = open_stores(folder, faults)
    limiter = _limiter(settings, faults)
    log = (folder / "server.log").open("a", buffering=1, encoding="utf-8")
    app = Sparkient(
        service=Service(
            keys=stores.keys,
            decisions=stores.decisions,
            endpoint=stores.endpoint,
            limit=settings.limit,
            window=settings.window,
            per=settings.per,
            failures=settings.failures,
            faults=faults,
        ),
        limiter=limiter,
        origins=frozenset({DASHBOARD_ORIGIN.encode(), settings.origin.encode()}),
        blemishes=blemishes(faults)
        + lapses(faults)
        + spills(faults, folder)
        + untruths(faults),
        loopholes=stores.loopholes,
        bearers=_bearers(settings, stores, faults),
        byways=Byways(faults) or None,
        miscount=miscount(faults),
        log=log,
    )

    def close() -> None:
        limiter.close()
        stores.connection.close()
        log.close()

    twin = app if "http-accepts-credentials" in faults else _twin(app.finish)
    return Built(app=app, twin=twin, close=close)


def _limiter(settings: Settings, faults: frozenset[str]) -> Limiter:
    folder = Path(settings.folder)
    algorithm = settings.algorithm
    for fault in sorted(faults & _INSTEAD.keys()):
        algorithm = _INSTEAD[fault]
    decide = ALGORITHMS[algorithm]
    twofold = settings.sustained and "limiter-forgets-what-is-sustained" not in faults
    if twofold:
        decide = together(decide)
    usual = algorithm == USUAL and not twofold
    if "limiter-per-worker" in faults:
        return MemoryStates(decide)
    if settings.redis:
        prefix = f"sparkient:{folder.name}"
        if usual:
            return RedisLimiter(settings.redis, prefix)
        return RedisStates(decide, settings.redis, prefix)
    if usual:
        return SqliteLimiter(folder / "windows.db")
    return SqliteStates(decide, folder / "windows.db")


def _bearers(
    settings: Settings, stores: Stores, faults: frozenset[str]
) -> Bearers | None:
    if not settings.certificates:
        return None
    procedure = Procedure()
    for fault in sorted(faults & LOOPHOLES.keys()):
        procedure = LOOPHOLES[fault](procedure)
    return Bearers(
        verifier=TokenVerifier(
            policy=Policy(issuer=settings.issuer, audience=settings.audience),
            keys=IssuerKeys(
                settings.certificates,
                follow="token-keys-cached" not in faults,
                forget="token-retired-key-kept" not in faults,
            ),
            procedure=procedure,
        ),
        users=stores.users,
        endpoint=stores.endpoint,
        strays=tuple(place for name, place in TOKEN_STRAYS.items() if name in faults),
    )


def _twin(finish: Callable[[Call, Answer], None]) -> ASGIApp:
    """Return an application that refuses everything and reads no credential."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        answer = envelope(403, "Use HTTPS, and replace the key if you just sent one")
        finish(call, answer)
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer.encoded(),
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    return refuse
