"""A sound API beside operations that misbehave, each in its own way, on one server.

Knows what can go wrong between a request and its answer. Must not know the package
under test.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from tests import servers
from tests.guarded import Api, Told, error, read, written
from tests.servers import Connection, Handler, answer, says

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_BOMB = gzip.compress(bytes(32 * 1024 * 1024))


def redirect(*location: str) -> Handler:
    """Redirect to a location, or to nowhere."""
    return says(answer(302, [("Location", text) for text in location], b""))


def endless(connection: Connection) -> None:
    """Answer with a body that has no end."""
    connection.request()
    connection.send(_OK + b"\r\n")
    while not connection.wait(0):
        connection.send(b" " * 65_536)


#: What an operation does instead of answering: every way of it must be inconclusive.
WAYS: Mapping[str, Handler] = {
    "hangs": servers.silent,
    "hangs-after-fields": says(_OK + b"\r\n{", then=servers.silent),
    "trickles": servers.trickle(_OK + b"\r\n", every=0.05),
    "interim-flood": servers.interim_flood,
    "interim-only": says(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "closes": servers.closes,
    "resets": servers.resets,
    "not-http": servers.garbage,
    "http-0.9": says(b"<html>hello</html>"),
    "endless": endless,
    "bomb": says(answer(200, [("Content-Encoding", "gzip")], _BOMB)),
    "not-gzip": says(answer(200, [("Content-Encoding", "gzip")], b"not gzip")),
    "half-a-head": says(_OK),
    "head-alone": says(_OK + b"Content-Length: 50\r\n\r\n"),
    "too-short": says(_OK + b"Content-Length: 50\r\n\r\n{}"),
    "length-below-zero": says(_OK + b"Content-Length: -5\r\n\r\n{}"),
    "two-lengths": says(_OK + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}"),
    "bad-chunk": says(_OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "cut-chunk": says(_OK + b"Transfer-Encoding: chunked\r\n\r\n10\r\n{}"),
    "huge-field": says(answer(200, [("X-Huge", "x" * 200_000)])),
    "many-fields": says(answer(200, [(f"X-{n}", "x") for n in range(20_000)])),
    "nul-in-field": says(answer(200, [("X-Odd", "a\0b")])),
    "status-zero": says(b"HTTP/1.1 000 Odd\r\nContent-Length: 2\r\n\r\n{}"),
    "status-999": says(b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}"),
    "loop": redirect("/hostile/loop"),
    "elsewhere": redirect("http://elsewhere.invalid/x"),
    "javascript": redirect("javascript:alert(1)"),
    "empty-location": redirect(""),
    "no-location": redirect(),
    "relative": redirect("../../x?y#z"),
    "long-location": redirect("/" + "a" * 10_240),
}


def beside(api: Api) -> Handler:
    """Serve the API, and below `/hostile/` every one of :data:`WAYS`."""

    def handle(connection: Connection) -> None:
        while raw := connection.request():
            path = raw.partition(b" ")[2].partition(b" ")[0].partition(b"?")[0]
            name = path.decode("latin-1").removeprefix("/hostile/")
            if name in WAYS:
                connection.unread(raw)
                WAYS[name](connection)
                return
            asked = read(raw)
            if asked is None:
                body = error("bad_request", "The request cannot be read.")
                connection.send(written(Told(status=400, body=body)))
                return
            told = api.alter(asked, api.answer(asked))
            connection.send(written(told, head=asked.method == "HEAD"))

    return handle
