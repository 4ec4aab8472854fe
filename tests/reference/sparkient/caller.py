"""Somebody who calls a reference deployment, with a library or byte by byte.

Knows the deployment's keys and how to send what no library sends. Must not know what is
promised.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tollproof.reference.launch import Deployment


@dataclass(frozen=True)
class Reply:
    """One response, whoever received it; names of header fields in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    count: int = 1

    @property
    def let_in(self) -> bool:
        return 200 <= self.status < 300


class Caller:
    """Calls one deployment; identities are called by name."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.keys = {
            name.removeprefix("SPARKIENT_KEY_").lower(): key
            for name, key in deployment.environment.items()
        }
        ca = deployment.folder / "ca.pem"
        self.context = trusting(ca) if deployment.http_url else None
        self.client = httpx.Client(
            base_url=deployment.base_url,
            verify=self.context or False,
            timeout=20,
            trust_env=False,
        )

    def close(self) -> None:
        self.client.close()

    def __call__(
        self,
        target: str,
        who: str = "",
        *,
        method: str = "GET",
        key: str = "",
        body: bytes | None = None,
        **fields: str,
    ) -> Reply:
        """Send one request, as an identity or with a key; field names take _ for -."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if who or key:
            headers["authorization"] = f"Bearer {key or self.keys[who]}"
        if body is not None:
            headers.setdefault("content-type", "application/json")
        response = self.client.request(method, target, headers=headers, content=body)
        return Reply(response.status_code, dict(response.headers), response.content)

    def raw(self, payload: bytes, url: str = "") -> Reply:
        """Send bytes and read to the end; the last response counts."""
        parts = urlsplit(url or self.deployment.base_url)
        assert parts.hostname
        with contextlib.ExitStack() as stack:
            address = (parts.hostname, parts.port or 0)
            connection = stack.enter_context(socket.create_connection(address, 20))
            if parts.scheme == "https":
                assert self.context
                connection = stack.enter_context(
                    self.context.wrap_socket(connection, server_hostname=parts.hostname)
                )
            connection.sendall(payload)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        return _last(received)

    def get(self, fields: bytes, target: bytes = b"/api/v1/me") -> Reply:
        """Send a GET whose header fields are given as bytes, each with its CRLF."""
        return self.raw(
            b"GET %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n%s\r\n"
            % (target, fields)
        )

    @cached_property
    def paths(self) -> Mapping[str, str]:
        """The path of one decision and of one spare key of acme's."""
        listing = self("/api/v1/keys", "alpha")
        spare = next(key for key in json_of(listing)["keys"] if key["name"] == "spare")
        decision = json_of(self("/api/v1/decisions", "alpha"))["decisions"][0]
        return {
            "decision": f"/api/v1/decisions/{decision['id']}",
            "key": f"/api/v1/keys/{spare['id']}",
        }


def json_of(reply: Reply):  # type: ignore[no-untyped-def]
    """Return a body as JSON, untyped as it is."""
    return json.loads(reply.body)


def trusting(ca: Path) -> ssl.SSLContext:
    """Return a client's TLS settings that trust one authority."""
    return ssl.create_default_context(cafile=str(ca))


def _last(received: bytes) -> Reply:
    responses = received.split(b"HTTP/1.1 ")[1:]
    head, _, body = responses[-1].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    pairs = (line.decode("latin-1").partition(": ") for line in lines[1:])
    return Reply(
        int(lines[0][:3]),
        {name.lower(): value for name, _, value in pairs},
        body,
        len(responses),
    )
