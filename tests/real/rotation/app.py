"""A key service as it is written every day: SQLite below, a cache above it.

`STORE` is the database, `CACHE` how keys are remembered: `none`, `redis` (in the server
at `REDIS`, for `TTL` seconds, by whoever asks first), or `own` (in this process alone,
which forgets a key when it revokes it itself). `EVICT=1` makes revocation forget the
key in Redis as well: that is how it should be.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
import time

import redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

STORE, CACHE = os.environ["STORE"], os.environ["CACHE"]
TTL, EVICT = int(os.environ.get("TTL", "4")), os.environ.get("EVICT") == "1"
ADMIN, PEPPER = os.environ["ADMIN"], os.environ["PEPPER"].encode()
shared = redis.Redis.from_url(os.environ["REDIS"]) if CACHE == "redis" else None
own: dict[str, tuple[float, bool]] = {}

database = sqlite3.connect(STORE, timeout=10, isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute(
    "CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, salt BLOB, hash BLOB, "
    "last4 TEXT, revoked INTEGER DEFAULT 0)"
)


def digest(key: str, salt: bytes) -> bytes:
    return hmac.digest(PEPPER, salt + key.encode(), "sha256")


def name_of(key: str) -> str:
    return hashlib.sha256(PEPPER + key.encode()).hexdigest()


def looked_up(key: str) -> bool:
    row = database.execute(
        "SELECT salt, hash, revoked FROM keys WHERE id = ?", (key[5:15],)
    ).fetchone()
    return bool(row) and hmac.compare_digest(digest(key, row[0]), row[1]) and not row[2]


def is_live(key: str) -> bool:
    if shared is not None:
        known = shared.get("key:" + key[5:15])
        if isinstance(known, bytes) and known.decode() == name_of(key):
            return True
        if live := looked_up(key):
            shared.set("key:" + key[5:15], name_of(key), ex=TTL)
        return live
    if CACHE == "own":
        until, live = own.get(key, (0.0, False))
        if time.monotonic() < until:
            return live
        live = looked_up(key)
        own[key] = (time.monotonic() + TTL, live)
        return live
    return looked_up(key)


def caller(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme == "Bearer" else ""


def refused() -> Response:
    return JSONResponse(
        {"error": "unauthorized"}, 401, headers={"WWW-Authenticate": "Bearer"}
    )


async def me(request: Request) -> Response:
    key = caller(request)
    if key != ADMIN and not is_live(key):
        return refused()
    return JSONResponse({"ok": True})


async def create(request: Request) -> Response:
    if caller(request) != ADMIN:
        return refused()
    key_id, salt = secrets.token_hex(5), secrets.token_bytes(16)
    key = f"real_{key_id}{secrets.token_hex(16)}"
    database.execute(
        "INSERT INTO keys VALUES (?, ?, ?, ?, 0)",
        (key_id, salt, digest(key, salt), key[-4:]),
    )
    return JSONResponse({"data": {"id": key_id, "secret": key}}, 201)


async def listing(request: Request) -> Response:
    if caller(request) != ADMIN:
        return refused()
    rows = database.execute("SELECT id, last4 FROM keys WHERE NOT revoked").fetchall()
    return JSONResponse([{"id": one, "shown": f"real_…{four}"} for one, four in rows])


async def revoke(request: Request) -> Response:
    if caller(request) != ADMIN:
        return refused()
    key_id = request.path_params["key_id"]
    database.execute("UPDATE keys SET revoked = 1 WHERE id = ?", (key_id,))
    if shared is not None and EVICT:
        shared.delete(f"key:{key_id}")
    for key in [key for key in own if key[5:15] == key_id]:
        del own[key]
    return Response(status_code=204)


app = Starlette(
    routes=[
        Route("/me", me),
        Route("/keys", create, methods=["POST"]),
        Route("/keys", listing, methods=["GET"]),
        Route("/keys/{key_id}", revoke, methods=["DELETE"]),
    ]
)
print(json.dumps({"ready": STORE}))  # noqa: T201 - the test waits for it
