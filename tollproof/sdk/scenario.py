"""What the scripted platform answers: frozen data, so that a scenario can be a key.

Knows answers, grants and their order. Must not know sockets or SDKs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Headers = tuple[tuple[str, str], ...]

#: Requests of one script after which the platform hangs up and the SDK is ended.
STORM = 40
_OK = b'{"status": "Success", "data": {}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the platform.

    Attributes:
        delay: seconds before it is sent.
        reset: no answer at all: the connection is reset (RFC 9293, 3.5.2).
        redirect: `Location` names another host.
        revokes: the access token of the request is worth nothing from now on.
        retry_after: a `Retry-After` that many seconds ahead, in that form.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes = _OK
    delay: float = 0.0
    reset: bool = False
    redirect: bool = False
    revokes: bool = False
    retry_after: tuple[Literal["seconds", "date"], int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A fresh access token (RFC 6749, 5.1).

    Attributes:
        expires_in: seconds it lives; the platform says so and remembers it.
    """

    expires_in: int = 3600
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How the platform behaves during one script.

    Attributes:
        api: answers to calls of the API, in order; the last one for all further.
        tokens: answers to requests for a token, likewise.
        guarded: a call without a credential that the platform knows gets 401 and
            does not use up an answer.
        limit: requests in all after which it is a storm.
        pages: a web page for a browser, by path: content type and text.
    """

    api: tuple[Answer, ...] = (Answer(),)
    tokens: tuple[Answer | Grant, ...] = (Grant(),)
    guarded: bool = True
    limit: int = STORM
    pages: tuple[tuple[str, str, str], ...] = ()


def throttled(
    form: Literal["seconds", "date"] | None = None, seconds: int = 0
) -> Answer:
    """Return a 429, with Retry-After in one of its forms or without."""
    return Answer(
        status=429,
        body=b'{"error": {"code": "rate_limited", "message": "too many requests"}}',
        retry_after=None if form is None else (form, seconds),
    )


REFUSED = Answer(status=401, body=b'{"error": "invalid_token"}')
FORBIDDEN = Answer(status=403, body=b'{"error": "forbidden"}')
UNAVAILABLE = Answer(status=503, body=b'{"error": "unavailable"}')
RESET = Answer(reset=True)
REDIRECT = Answer(status=307, body=b"", redirect=True)
REVOKED = Answer(status=401, body=b'{"error": "invalid_token"}', revokes=True)
INVALID_CLIENT = Answer(status=400, body=b'{"error": "invalid_client"}')
