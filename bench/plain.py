"""A deployment of any number of operations that keeps its promises, as an ASGI app.

`/things/0` … `/things/N-1` answer a caller with the key and refuse everybody else. It
does next to nothing, so that what is measured is the harness. Serves on the socket
whose descriptor it is given: python bench/plain.py FD KEY COUNT
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import uvicorn

COMMON = [
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]


def app(key: str, count: int) -> Any:
    """Return the application."""
    wanted = f"bearer {key}".encode()

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        head, more = 401, [(b"www-authenticate", b'Bearer realm="things"')]
        if len(shown) == 1 and shown[0][:7].lower() + shown[0][7:] == wanted:
            kind, _, number = scope["path"].rpartition("/")
            known = kind == "/things" and number.isdecimal() and int(number) < count
            read = scope["method"] in ("GET", "HEAD")
            head, more = (200 if read else 405) if known else 404, [(b"allow", b"GET")]
        body = b"" if scope["method"] == "HEAD" else b'{"thing": 1}'
        start = {"type": "http.response.start", "status": head}
        await send({**start, "headers": [*COMMON, *more]})
        await send({"type": "http.response.body", "body": body})

    return serve


def document(count: int) -> str:
    """Return the OpenAPI document of so many operations."""
    answer = {"responses": {"200": {"description": "A thing"}}}
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Things", "version": "1"},
            "security": [{"key": []}],
            "components": {
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}
            },
            "paths": {f"/things/{number}": {"get": answer} for number in range(count)},
        }
    )


def main(descriptor: int, key: str, count: int) -> None:
    """Serve until the process is ended."""
    # uvicorn's own `fd=` takes the socket for a Unix one, leaves Nagle's algorithm on,
    # and every answer waits 40 ms for an acknowledgement.
    config = uvicorn.Config(app(key, count), log_level="critical", lifespan="off")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
