"""A small readings API as one writes it with aiohttp; its errors are problem+json.

Keys come from the environment, as JSON: {"KEY": {"organisation", "revoked"}}. FAULTS
names what is broken, by comma. Listens on the socket whose number is its argument.
"""

import hashlib
import json
import os
import socket
import sys
import traceback
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

KEYS: dict[str, dict[str, Any]] = json.loads(os.environ["KEYS"])
FAULTS = frozenset(os.environ.get("FAULTS", "").split(","))
PUBLIC = {"/health", "/openapi.json"}
ORGANISATION = web.RequestKey("organisation", str)

READINGS = {
    "1": {"id": 1, "organisation": "acme", "value": 1.5},
    "2": {"id": 2, "organisation": "globex", "value": 2.5},
}


def digest(key: str) -> bytes:
    shown = key.lower() if "any-case" in FAULTS else key
    return hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest()


ACCOUNTS = {digest(key): account for key, account in KEYS.items()}


def problem(status: int, title: str, detail: str, **fields: str) -> web.Response:
    return web.json_response(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status=status,
        content_type="application/problem+json",
        headers={name.replace("_", "-"): value for name, value in fields.items()},
    )


def refuse(detail: str) -> web.Response:
    return problem(
        401, "Unauthorized", detail, WWW_Authenticate='ApiKey realm="readings"'
    )


@web.middleware
async def shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    response: web.StreamResponse
    try:
        response = await handler(request)
    except web.HTTPException as error:
        allow = error.headers.get("Allow")
        fields = {"Allow": allow} if allow else {}
        response = problem(error.status, error.reason, error.text or "", **fields)
    except (LookupError, ValueError, RecursionError):
        told = traceback.format_exc() if "stack" in FAULTS else "Something went wrong."
        response = problem(500, "Internal Server Error", told)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if "server-version" not in FAULTS:
        response.headers["Server"] = "readings"
    response.enable_compression()
    return response


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Looking for an open path anywhere in the URL opens every one of them.
    looked_at = str(request.rel_url) if "substring" in FAULTS else request.path
    if any(
        path in looked_at if "substring" in FAULTS else path == looked_at
        for path in PUBLIC
    ):
        return await handler(request)
    key = request.headers.get("X-API-Key")
    if "key-in-cookie" in FAULTS:
        key = key or request.cookies.get("X-API-Key")
    if key is None:
        return refuse("A key is needed.")
    account = ACCOUNTS.get(digest(key))
    if account is None:
        return refuse("The key is not valid.")
    if account.get("revoked"):
        return refuse(
            "The key was revoked." if "talkative" in FAULTS else "The key is not valid."
        )
    request[ORGANISATION] = account["organisation"]
    if "org-query" in FAULTS:
        request[ORGANISATION] = request.query.get("org", account["organisation"])
    return await handler(request)


async def health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def list_readings(request: web.Request) -> web.Response:
    found = [
        item
        for item in READINGS.values()
        if item["organisation"] == request.get(ORGANISATION)
    ]
    return web.json_response({"readings": found})


async def create_reading(request: web.Request) -> web.Response:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send JSON.")
    try:
        document = json.loads(await request.text())
    except (ValueError, RecursionError, LookupError):
        if "stack" in FAULTS:
            raise
        raise web.HTTPBadRequest(text="The body is no JSON.") from None
    value = document.get("value") if isinstance(document, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise web.HTTPUnprocessableEntity(text="value must be a number.")
    return web.json_response({"id": 9}, status=201)


async def read_reading(request: web.Request) -> web.Response:
    found = READINGS.get(request.match_info["id"])
    if found is None or found["organisation"] != request.get(ORGANISATION):
        raise web.HTTPNotFound(text="There is no such reading.")
    return web.json_response(found)


async def count(request: web.Request) -> web.Response:
    return web.json_response({"count": len(READINGS), "note": "x" * 600})


app = web.Application(middlewares=[shape, authenticate], client_max_size=64 * 1024)
app.add_routes(
    [
        web.get("/health", health),
        web.get("/readings", list_readings),
        web.post("/readings", create_reading),
        web.get("/readings/{id}", read_reading),
        web.get("/count", count),
    ]
)
if __name__ == "__main__":
    listener = socket.socket(fileno=int(sys.argv[1]))
    web.run_app(app, sock=listener, print=None, access_log=None, shutdown_timeout=0.5)
