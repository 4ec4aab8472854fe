"""The platform, started and ended inside this process, with fresh credentials.

Knows sockets, a thread and the folder that its secrets are in. Must not know what is
answered.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tollproof.errors import UsageError
from tollproof.reference.algorithms import ALGORITHMS, USUAL
from tollproof.reference.coherent_spark.app import Caller, Callers, Spark
from tollproof.reference.coherent_spark.profile import CLIENTS, profile_text
from tollproof.reference.limiter_stores import MemoryStates
from tollproof.reference.server import Listener, bind, run
from tollproof.reference.sparkient.oauth import LOOPHOLES, Rules, TokenEndpoint
from tollproof.reference.sparkient.protocol import protocol
from tollproof.reference.sparkient.seed import write_secret
from tollproof.reference.threads import in_a_thread

#: Name of a fault, the check that notices it, what is wrong.
FAULTS: tuple[tuple[str, str, str], ...] = (
    (
        "spark-versions-open",
        "authentication.missing",
        "the versions of a service are shown to anybody",
    ),
    (
        "spark-revoked-accepted",
        "authentication.revoked-key",
        "a revoked key is let in",
    ),
    (
        "spark-key-in-query",
        "authentication.credential-location",
        "a key in the query is let in",
    ),
    (
        "spark-challenge-missing",
        "authentication.challenge",
        "401 comes without WWW-Authenticate",
    ),
    (
        "spark-forbidden-granted",
        "authorization.refused",
        "the configuration is shown to keys that may not read it",
    ),
    (
        "spark-retry-after-missing",
        "headers.retry-after-present",
        "429 comes without Retry-After",
    ),
    ("spark-version-told", "headers.no-server-version", "Server names a version"),
)
NAMES = frozenset({name for name, *_ in FAULTS} | set(LOOPHOLES))
LIFE = 300.0
#: Seconds that the tokens of the second client live: their end can be waited for.
BRIEF = 3.0

#: The fixed credentials: who, how they are let in.
CAST: tuple[Caller, ...] = (
    Caller(name="key", kind="key"),
    Caller(name="narrow", kind="key", may_configure=False),
    Caller(name="revoked", kind="key", live=False),
    Caller(name="tiny", kind="key", limit=5),
    Caller(name="token", kind="token"),
    # A load measures independent promises at the same time, each on a key of its own.
    Caller(name="load1", kind="key"),
    Caller(name="load2", kind="key"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A platform that is running.

    Attributes:
        folder: where its secrets are; gone when it ends.
        made: the secrets, by caller; `svc` and `brief` are clients.
    """

    base_url: str
    folder: Path
    made: dict[str, str] = field(repr=False)
    profile_text: str = field(repr=False)

    def write_profile(self, path: Path) -> Path:
        """Write a profile with every promise that it keeps."""
        path.write_text(self.profile_text, encoding="utf-8")
        return path


@contextlib.contextmanager
def serving(
    *,
    faults: Collection[str] = (),
    limit: int = 600,
    window: float = 60.0,
    port: int = 0,
    host: str = "127.0.0.1",
) -> Iterator[Running]:
    """Run the platform for the length of a `with` block.

    Raises:
        UsageError: a fault is not known.
        LaunchError: it did not start.
    """
    if strange := sorted(set(faults) - NAMES):
        raise UsageError(f"there is no fault {strange[0]!r}")
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="coherent-spark-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (bound,) = bind(host, port, 1)
        stack.callback(bound.close)
        base_url = f"http://{host}:{bound.getsockname()[1]}"
        callers = Callers()
        made = {one.name: f"spark{secrets.token_hex(16)}" for one in CAST}
        for one in CAST:
            callers.add(made[one.name], one)
            write_secret(folder / f"{one.name}.secret", made[one.name])
        rules = Rules()
        for name in sorted(set(faults) & LOOPHOLES.keys()):
            rules = replace(rules, **LOOPHOLES[name])  # type: ignore[arg-type]
        connection = sqlite3.connect(
            ":memory:", check_same_thread=False, isolation_level=None
        )
        stack.callback(connection.close)
        endpoint = TokenEndpoint(
            connection=connection, pepper=secrets.token_bytes(32), rules=rules
        )
        for name, life in (("svc", LIFE), ("brief", BRIEF)):
            pair = endpoint.register(name, "acme", "admin", life)
            document = dict(zip(("clientId", "clientSecret"), pair, strict=True))
            write_secret(folder / CLIENTS[name], json.dumps(document))
            made[name] = pair[1]
        app = Spark(
            callers=callers,
            endpoint=endpoint,
            limiter=MemoryStates(ALGORITHMS[USUAL]),
            limit=limit,
            window=window,
            faults=frozenset(faults),
        )
        listener = Listener(app=app, socket=bound, protocol=protocol(app.finish))
        stack.enter_context(in_a_thread(partial(run, [listener])))
        yield Running(
            base_url=base_url,
            folder=folder,
            made=made,
            profile_text=profile_text(base_url, folder, CAST, limit, window),
        )
