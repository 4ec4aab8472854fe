"""The way of a request through the platform, as an ASGI application.

Who is calling comes first, then how often, then what is asked. Credentials are kept as
keyed hashes. Knows its callers and its paths; faults are switches, each where the
promise is kept.
"""

from __future__ import annotations

import hmac
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from tollproof.reference.limiters import Limiter
from tollproof.reference.sparkient import bodies
from tollproof.reference.sparkient.errors import ApiError, envelope
from tollproof.reference.sparkient.fields import add_common
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.negotiation import accepts
from tollproof.reference.sparkient.oauth import TokenEndpoint

TENANT = "acme"
REALM = "spark"
KEY_FIELD = b"x-synthetic-key"
TOKEN_PATH = f"/auth/realms/{TENANT}/protocol/openid-connect/token"
HEALTH = "/health"
CONFIG = "/api/v1/config/GetSparkConfiguration"
VERSIONS = "/api/v1/product/{folder}/engines/getversions/{service}"
EXECUTE = "/api/v3/folders/{folder}/services/{service}/execute"
LONGEST_TARGET, LARGEST_FIELDS = 8_192, 32_768
#: RFC 9110, 11.2: what may stand after the scheme when it is one token.
_TOKEN68 = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")

_IN_QUERY = re.compile(rb"(?:^|&)(?:api_?key|key|x-synthetic-key)=([^&]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who holds a credential.

    Attributes:
        kind: `key`, or `token`; a client's access tokens are known to the endpoint.
        live: whether the credential is let in.
        may_configure: whether the configuration may be read with it.
        limit: requests in a window; None for the usual ones.
    """

    name: str
    kind: str
    live: bool = True
    may_configure: bool = True
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """The fixed credentials of the platform, as keyed hashes."""

    pepper: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    known: dict[bytes, Caller] = field(default_factory=dict, repr=False)

    def add(self, value: str, caller: Caller) -> None:
        """Let a credential be known."""
        self.known[self._hash(value)] = caller

    def find(self, value: str, kind: str) -> Caller | None:
        """Return who holds a credential of a kind."""
        found = self.known.get(self._hash(value))
        return found if found is not None and found.kind == kind else None

    def _hash(self, value: str) -> bytes:
        return hmac.digest(self.pepper, value.encode("utf-8", "replace"), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """The application."""

    callers: Callers
    endpoint: TokenEndpoint
    limiter: Limiter
    limit: int
    window: float
    faults: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        call = Call.of(scope)
        answer = envelope(500, "Something went wrong on our side")
        try:
            answer = await self._handle(call, receive)
        except ApiError as error:
            answer = error.answer()
        finally:
            self.finish(call, answer)
            start = {"status": answer.status, "headers": answer.encoded()}
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": answer.body})

    def finish(self, call: Call, answer: Answer) -> None:
        """Give an answer what every answer carries."""
        add_common(call, answer, frozenset())
        # The fields of the draft are not this platform's.
        for name in ("ratelimit", "ratelimit-policy"):
            answer.fields.pop(name, None)
        if "spark-version-told" in self.faults:
            answer.fields["server"] = "spark/7.3.1"
        told = "spark-challenge-missing" not in self.faults or call.path == TOKEN_PATH
        if answer.status == 401 and not told:
            answer.fields.pop("www-authenticate", None)

    async def _handle(self, call: Call, receive: Receive) -> Answer:
        now = self.clock()
        if call.path == TOKEN_PATH:
            _bound(call)
            body = await bodies.read(call, receive, ())
            answer = self.endpoint.answer(call, body, now)
            if "www-authenticate" in answer.fields:
                answer.fields["www-authenticate"] = f'Basic realm="{REALM}"'
            return answer
        methods = _methods(call.path)
        caller = None
        if call.path != HEALTH:
            try:
                caller = self._identify(call, methods, now)
            except ApiError:
                _bound(call)  # what is too long is that first, whoever sent it
                raise
        _bound(call)
        if not methods:
            raise ApiError(404, "There is nothing at this path")
        if call.method not in methods:
            allow = ", ".join(sorted(methods))
            raise ApiError(405, "This path does not have this method", allow=allow)
        path = methods[call.method]
        narrow = caller is not None and not caller.may_configure
        if narrow and path == CONFIG and "spark-forbidden-granted" not in self.faults:
            raise ApiError(403, "This key is not allowed to do this")
        if not accepts(b", ".join(call.values(b"accept")), "application/json"):
            raise ApiError(406, "This is available as application/json only")
        if path == EXECUTE:
            bodies.check_media_type(call, ())
            call.body = await bodies.read(call, receive, ())
            return _executed(bodies.parse(call.body, None, ()))
        return Answer.of_json(_DOCUMENTS[path])

    def _identify(self, call: Call, methods: Mapping[str, str], now: float) -> Caller:
        """Find out who is calling, and count the request.

        Raises:
            ApiError: 401 for nobody that is known, 429 when the allowance is spent.
        """
        caller, shown = self._caller(call, now)
        if caller is None:
            if "spark-versions-open" in self.faults and VERSIONS in methods.values():
                return Caller(name="nobody", kind="key")
            error = ', error="invalid_token"' if shown else ""
            raise ApiError(
                401,
                "Invalid or expired credential" if shown else "Missing credentials",
                www_authenticate=f'Bearer realm="{REALM}"{error}',
            )
        call.window = self.window
        limit = caller.limit or self.limit
        call.decision = self.limiter.hit(caller.name, limit, self.window, now)
        if not call.decision.allowed:
            wait = max(1, math.ceil(call.decision.retry_after))
            fields = {"retry_after": str(wait)}
            if "spark-retry-after-missing" in self.faults:
                fields = {}
            raise ApiError(429, "Too many requests: wait for a while", **fields)
        return caller

    def _caller(self, call: Call, now: float) -> tuple[Caller | None, bool]:
        """Return who is calling, and whether a credential was shown at all.

        Of two mechanisms the key counts, as the SDKs promise it.
        """
        keys, values = call.values(KEY_FIELD), call.values(b"authorization")
        if "spark-key-in-query" in self.faults and not keys:
            found = re.search(
                rb"(?:^|&)(?:api_?key|key|x-synthetic-key)=([^&]+)", call.query
            )
            keys = [found[1]] if found else keys
        if any(value.strip() for value in keys):
            key = keys[0].decode("latin-1") if len(keys) == 1 else ""
            return self._live(self.callers.find(key, "key")), True
        value = values[0].strip(b" \t") if values else b""
        if not value:
            return None, False
        scheme, _, token = value.partition(b" ")
        token = token.lstrip(b" ")
        if len(values) > 1 or scheme.lower() != b"bearer":
            return None, len(values) > 1 or b" " not in value
        if not _TOKEN68.fullmatch(token):
            return None, True
        raw = token.decode("ascii")
        if (client := self.endpoint.identify(raw, now)) is not None:
            return Caller(name=client.id, kind="token"), True
        return self._live(self.callers.find(raw, "token")), True

    def _live(self, caller: Caller | None) -> Caller | None:
        revoked = "spark-revoked-accepted" in self.faults
        return caller if caller is not None and (caller.live or revoked) else None


def _bound(call: Call) -> None:
    """Refuse what is too long to be meant.

    Raises:
        ApiError: 414 or 431.
    """
    if len(call.path) + len(call.query) > LONGEST_TARGET:
        raise ApiError(414, f"The target is longer than {LONGEST_TARGET} bytes")
    if sum(len(name) + len(text) + 4 for name, text in call.fields) > LARGEST_FIELDS:
        raise ApiError(431, f"The header is larger than {LARGEST_FIELDS} bytes")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", r"[A-Za-z0-9_-]{1,64}", path))


_PATHS: Mapping[str, tuple[str, ...]] = {
    HEALTH: ("GET", "HEAD"),
    CONFIG: ("GET", "HEAD"),
    VERSIONS: ("GET", "HEAD"),
    EXECUTE: ("POST",),
}
_PATTERNS = [(path, _pattern(path)) for path in _PATHS]

_DOCUMENTS: Mapping[str, object] = {
    HEALTH: {"status": "UP"},
    CONFIG: {
        "status": "Success",
        "data": {"tenant": TENANT, "features": ["execute", "versions"]},
        "message": None,
    },
    VERSIONS: {
        "status": "Success",
        "data": [{"id": "v-1", "version": "1.0.0", "revision": "1.0.0"}],
        "message": None,
    },
}


def _methods(path: str) -> dict[str, str]:
    """Return the methods of a path, each with the path as it is declared."""
    for declared, pattern in _PATTERNS:
        if pattern.fullmatch(path):
            return dict.fromkeys(_PATHS[declared], declared)
    return {}


def _executed(document: object) -> Answer:
    """Return what a service computes: the sum of its inputs.

    Raises:
        ApiError: 422 for a body without inputs.
    """
    data = document.get("request_data") if isinstance(document, dict) else None
    inputs = data.get("inputs") if isinstance(data, dict) else None
    if not isinstance(inputs, dict):
        raise ApiError(422, "request_data.inputs must be an object")
    numbers = [
        value
        for value in inputs.values()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    try:
        total = float(math.fsum(numbers))
    except (OverflowError, ValueError):
        raise ApiError(422, "The inputs are too large to be added") from None
    if not math.isfinite(total):
        raise ApiError(422, "The inputs are too large to be added")
    return Answer.of_json(
        {
            "status": "Success",
            "response_data": {"outputs": {"sum": total}, "errors": None},
            "response_meta": {"version": "1.0.0", "process_time": 1},
        }
    )
