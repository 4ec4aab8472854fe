"""HTTP Archive 1.2 of the evidence, for browsers' network panels and HAR viewers.

Knows the format; extra members begin with `_`, as it demands. Must not know verdicts:
an exchange is an exchange.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tollproof.model import Exchange, Request, Response
from tollproof.reporting.text import laid_out, plain_json

__all__ = ["render"]


def render(
    exchanges: Iterable[Exchange], *, tool: str = "tollproof", comment: str = ""
) -> str:
    """Return the archive as JSON text, the exchanges in order of sending."""
    name, _, version = tool.partition(" ")
    entries = [_entry(item) for item in sorted(exchanges, key=lambda item: item.at)]
    log = {
        "version": "1.2",
        "creator": {"name": name or "tollproof", "version": version or "unknown"},
        "pages": [],
        "entries": entries,
        "comment": comment,
    }
    return laid_out(plain_json({"log": log}))


def _entry(exchange: Exchange) -> dict[str, Any]:
    wait = _milliseconds(exchange.seconds)
    entry: dict[str, Any] = {
        "startedDateTime": exchange.at,
        "time": wait,
        "request": _request(exchange.request, _version(exchange)),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": 0},
        "comment": exchange.purpose,
        "_id": exchange.id,
        "_check": exchange.check,
        "_identity": exchange.identity,
        "_operation": exchange.operation,
    }
    if exchange.failure:
        entry["_failure"] = {
            "kind": exchange.failure.kind.value,
            "detail": exchange.failure.detail,
        }
    if exchange.leaks:
        entry["_leaks"] = [
            f"{leak.credential} as {leak.encoding} in {leak.place}"
            for leak in exchange.leaks
        ]
    return entry


def _request(request: Request, version: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "httpVersion": version,
        "cookies": [],
        "headers": _headers(request.headers),
        "queryString": _query(request.url),
        "headersSize": -1,
        "bodySize": request.body_bytes,
    }
    if request.body:
        made["postData"] = {
            "mimeType": _content_type(request.headers),
            "params": [],
            "text": request.body,
        }
    return made


def _response(exchange: Exchange) -> dict[str, Any]:
    response = exchange.response
    if response is None:
        # Status 0 is how browsers write down a request that was never answered.
        detail = exchange.failure.detail if exchange.failure else "no response"
        return _answer(Response(status=0), status_text="", comment=detail)
    known = {item.value: item.phrase for item in HTTPStatus}
    return _answer(
        response,
        status_text=known.get(response.status, ""),
        comment="cut short by the client's limit" if response.truncated else "",
    )


def _answer(response: Response, *, status_text: str, comment: str) -> dict[str, Any]:
    return {
        "status": response.status,
        "statusText": status_text,
        "httpVersion": response.http_version,
        "cookies": [],
        "headers": _headers(response.headers),
        "content": {
            "size": response.body_bytes,
            "mimeType": _content_type(response.headers),
            "text": response.body,
        },
        "redirectURL": response.header("location") or "",
        "headersSize": -1,
        "bodySize": response.body_bytes,
        "comment": comment,
    }


def _headers(headers: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _content_type(headers: Iterable[tuple[str, str]]) -> str:
    found = [value for name, value in headers if name.lower() == "content-type"]
    return found[0] if found else "application/octet-stream"


def _query(url: str) -> list[dict[str, str]]:
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:  # a URL made to be malformed has no query to take apart
        pairs = []
    return [{"name": name, "value": value} for name, value in pairs]


def _version(exchange: Exchange) -> str:
    return exchange.response.http_version if exchange.response else "HTTP/1.1"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3) if 0 <= seconds < 1e9 else 0.0
