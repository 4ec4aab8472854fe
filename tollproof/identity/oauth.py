"""OAuth client credentials (RFC 6749, 4.4): a token acquired once and shared.

Knows the request, and what is wrong with an answer that is none. Must not know what the
token is used for. One refusal is remembered for a while, so that a token endpoint in
trouble gets no more of it from us; over a run the number of requests is bounded.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import httpx

from tollproof.errors import Undetermined
from tollproof.identity.fetching import Fetcher, Reply
from tollproof.model import Reason
from tollproof.redaction import Credential, Redactor

#: Seconds before its expiry from which a token is not used any more.
MARGIN = 10.0
#: Seconds for which a failure is repeated to whoever asks, without a request.
PAUSE = 30.0
#: Requests to a token endpoint in one run, for one identity.
MOST = 100
#: The token endpoint as sentences name it.
ENDPOINT = "The token endpoint"

Method = Literal["client_secret_post", "client_secret_basic"]
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered client and where it gets its tokens.

    Attributes:
        url: the token endpoint.
        scope: what is asked for; nothing when empty.
        method: how the client authenticates (RFC 7591, 2).
    """

    url: str
    id: str
    secret: str = field(repr=False)
    scope: tuple[str, ...] = ()
    method: Method = "client_secret_post"

    def request(self) -> httpx.Request:
        """Return the request for a token."""
        headers, body = grant_request(self)
        return httpx.Request("POST", self.url, headers=headers, content=body)


def grant_request(client: Client) -> tuple[dict[str, str], bytes]:
    """Return header fields and body of a client credentials grant."""
    form = {"grant_type": "client_credentials"}
    if client.scope:
        form["scope"] = " ".join(client.scope)
    headers = {"Content-Type": FORM, "Accept": "application/json"}
    if client.method == "client_secret_basic":
        headers["Authorization"] = basic(client.id, client.secret)
    else:
        form |= {"client_id": client.id, "client_secret": client.secret}
    return headers, urlencode(form).encode("ascii")


def basic(name: str, secret: str) -> str:
    """Return Basic credentials; both are form-encoded first (RFC 6749, 2.3.1)."""
    pair = f"{quote_plus(name)}:{quote_plus(secret)}"
    return "Basic " + b64encode(pair.encode("ascii")).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An access token.

    Attributes:
        expires_in: seconds it lives; None when the endpoint does not say.
    """

    token: str = field(repr=False)
    expires_in: float | None = None


def read_grant(reply: Reply) -> Grant:
    """Take the access token out of an answer.

    Raises:
        Undetermined: the answer is not a grant; says what it is instead.
    """

    def no(sentence: str) -> Undetermined:
        return Undetermined(Reason.PRECONDITION, f"{ENDPOINT} {sentence}.")

    status = reply.status
    if 300 <= status < 400:
        raise no(f"answers {status}: it redirects, which is not followed")
    if status == 429 or status >= 500:
        again = reply.headers.get("retry-after", "")[:40]
        hint = f", retry after {again}" if again.isdecimal() else ""
        raise Undetermined(
            Reason.THROTTLED if status == 429 else Reason.UNREACHABLE,
            f"{ENDPOINT} answers {status}{hint}; it was not asked again.",
        )
    try:
        document = reply.json()
    except ValueError:
        raise no(
            f"answers {status} with {reply.kind[:60] or 'a body'} that is not JSON"
        ) from None
    if not isinstance(document, dict):
        raise no(f"answers {status} with JSON that is not an object")
    if status != 200:
        code = document.get("error")
        named = f" ({code})" if isinstance(code, str) and code.isprintable() else ""
        raise no(f"refuses the client with {status}{named[:80]}")
    return _grant(document, no)


def _grant(document: Mapping[str, Any], no: Callable[[str], Undetermined]) -> Grant:
    token, kind = document.get("access_token"), document.get("token_type")
    life = document.get("expires_in")
    if not isinstance(token, str) or not token:
        raise no("grants no access_token")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise no("grants an access_token that no header field can carry")
    if kind is not None and str(kind).lower() != "bearer":
        raise no("grants a token that is not a bearer token")
    if life is None:
        return Grant(token=token)
    if isinstance(life, str) and life.isdecimal():
        life = int(life[:12])  # some write the number in quotes
    if isinstance(life, bool) or not isinstance(life, int | float) or not life > 0:
        raise no("grants a token whose expires_in is not a positive number")
    return Grant(token=token, expires_in=float(life))


@dataclass(slots=True)
class _State:
    lock: threading.Lock = field(default_factory=threading.Lock)
    grant: Credential | None = None
    until: float | None = None
    failure: Undetermined | None = None
    failed_until: float = 0.0
    asked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The mechanism of an identity that holds a client id and secret.

    Safe to share between threads: whoever comes first asks, the others wait for it.
    """

    name: str
    client: Client
    fetcher: Fetcher = field(repr=False)
    redactor: Redactor = field(repr=False)
    header: str = "Authorization"
    scheme: str = "Bearer"
    clock: Callable[[], float] = time.monotonic
    _state: _State = field(default_factory=_State, repr=False)

    def credential(self) -> Credential:
        """Return an access token that is not about to expire.

        Raises:
            Undetermined: none can be had; says why.
        """
        state = self._state
        with state.lock:
            fresh = state.until is None or self.clock() < state.until
            if state.grant is not None and fresh:
                return state.grant
            return self._ask()

    def renew(self, refused: Credential) -> Credential:
        """Return another token than one that was just refused.

        When somebody else has renewed it in the meantime, that one is returned.

        Raises:
            Undetermined: none can be had; says why.
        """
        with self._state.lock:
            if self._state.grant is not None and self._state.grant != refused:
                return self._state.grant
            return self._ask()

    def _ask(self) -> Credential:
        state = self._state
        if state.failure is not None and self.clock() < state.failed_until:
            raise state.failure
        if state.asked >= MOST:
            raise Undetermined(
                Reason.BUDGET,
                f"{ENDPOINT} was asked {MOST} times for {self.name}; no more.",
            )
        state.asked += 1
        asked_at = self.clock()
        try:
            grant = read_grant(self.fetcher.send(self.client.request(), ENDPOINT))
        except Undetermined as failure:
            state.failure, state.failed_until = failure, self.clock() + PAUSE
            raise
        credential = Credential(
            label=f"{self.name}, access token", value=grant.token, kind="token"
        )
        self.redactor.add(credential)
        state.failure, state.grant = None, credential
        # A token that lives shorter than the margin is still used for half its life.
        state.until = grant.expires_in and (
            asked_at + max(grant.expires_in - MARGIN, grant.expires_in / 2)
        )
        return credential
