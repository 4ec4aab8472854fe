"""Requests that identities make for themselves: for a token, for an issuer's keys.

They go to hosts the profile names, which need not be the target's. Bounded in time and
size, no redirect is followed, nothing is tried twice. Must not know what is asked.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpcore
import httpx

from tollproof.errors import Undetermined
from tollproof.model import Reason
from tollproof.transport import DeadlineTransport

#: Bytes of an answer that are read.
LARGEST = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back; it may hold a credential and is never shown.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: it is none.
        """
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


class Fetcher:
    """Sends one request at a time to wherever the profile says.

    Args:
        seconds: within which a whole exchange must end.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        seconds: float = 10.0,
        proxy: str | None = None,
    ) -> None:
        self._seconds = seconds
        self._connect = partial(
            DeadlineTransport, context=context, connections=2, proxy=proxy
        )
        self._transport = self._connect()

    def begin_anew(self) -> None:
        """In a forked process: leave the connections to the one it was forked from."""
        self._transport = self._connect()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def send(self, request: httpx.Request, what: str) -> Reply:
        """Send a request once and read the reply.

        Args:
            what: who is asked, for the sentence: "the token endpoint".

        Raises:
            Undetermined: no reply came, or one that is too long.
        """
        with self._transport.deadline(self._seconds):
            try:
                response = self._transport.handle_request(request)
                try:
                    body = _read(response, what)
                finally:
                    response.close()
            except httpcore.TimeoutException:
                raise Undetermined(
                    Reason.UNREACHABLE,
                    f"{what} at {_where(request)} gave no complete answer within "
                    f"{self._seconds:g} seconds.",
                ) from None
            except (
                httpcore.NetworkError,
                httpcore.ProtocolError,
                httpcore.ProxyError,
                httpcore.UnsupportedProtocol,
                ssl.SSLError,
            ) as error:
                raise Undetermined(
                    Reason.UNREACHABLE,
                    f"{what} at {_where(request)} cannot be reached: "
                    f"{str(error) or type(error).__name__}.",
                ) from None
        return Reply(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
        )

    def get_json(self, url: str, what: str) -> str:
        """Return the text of a JSON document.

        Raises:
            Undetermined: it cannot be had; says why.
        """
        request = httpx.Request("GET", url, headers={"Accept": "application/json"})
        reply = self.send(request, what)
        if reply.status != 200:
            raise Undetermined(
                Reason.PRECONDITION,
                f"{what} at {_where(request)} answers {reply.status}, not a document.",
            )
        return reply.body.decode("utf-8", "replace")


def _where(request: httpx.Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"


def _read(response: httpx.Response, what: str) -> bytes:
    kept = bytearray()
    for chunk in response.iter_raw():
        kept += chunk
        if len(kept) > LARGEST:
            raise Undetermined(
                Reason.PRECONDITION, f"{what} answers with more than {LARGEST} bytes."
            )
    return bytes(kept)
