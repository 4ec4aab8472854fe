"""Faults of who is let in: each one a way past a rule, and past that rule alone.

Asked only where the rules refuse, or would. Who comes in through a loophole has no
allowance, so that no promise about rate limits is touched.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

from starlette.types import Receive

from tollproof.reference.sparkient import bodies
from tollproof.reference.sparkient.errors import ApiError
from tollproof.reference.sparkient.keys import (
    FORM,
    ID_LENGTH,
    PREFIX_LENGTH,
    Flaw,
    KeyStore,
    Principal,
    Role,
)
from tollproof.reference.sparkient.messages import Call
from tollproof.reference.sparkient.routes import locate

GUEST = Principal(
    "guest", "acme", "nobody", Role.ADMIN, "live", requests=None, seconds=None
)
#: Characters of a key, its prefix included, that a comparison looks at which stops
#: early.
COMPARED = 32
_FORWARDED = (b"x-original-url", b"x-rewrite-url", b"x-forwarded-uri")
_OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")
_KEY_FIELDS = (b"x-api-key", b"api-key", b"x-auth-token")
#: Header fields that ordinary requests have: whoever sends more is up to something
#: that another fault is about.
_ORDINARY = frozenset(
    {
        b"host",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"connection",
        b"x-tollproof-run",
    }
)
_FLAWS = {
    Flaw.REVOKED: "auth-revoked-accepted",
    Flaw.EXPIRED: "auth-expired-accepted",
    Flaw.OTHER_ENVIRONMENT: "auth-environment-ignored",
}
_WEAKENED: Mapping[str, Callable[[str], str]] = {
    "auth-key-prefix-compared": lambda raw: raw[:COMPARED],
    "auth-key-case-insensitive": str.lower,
}


# -- callers without a key -------------------------------------------------------------


def _nothing_at_all(call: Call) -> bool:
    return (
        (call.method, call.path) == ("GET", "/api/v1/decisions")
        and not call.query
        and all(name in _ORDINARY for name, _ in call.fields)
    )


def _empty_field(call: Call) -> bool:
    values = call.values(b"authorization")
    return call.method == "GET" and len(values) == 1 and not values[0].strip()


def _head(call: Call) -> bool:
    return call.method == "HEAD" and not call.values(b"authorization")


def _slash(call: Call) -> bool:
    bare = call.path.removesuffix("/")
    return bare != call.path and locate(call.path) is None and locate(bare) is not None


def _case(call: Call) -> bool:
    return locate(call.path) is None and locate(call.path.lower()) is not None


def _rewritten(call: Call) -> str:
    """Return the path that a proxy says was asked for, if one says so."""
    value = next((value for name in _FORWARDED if (value := call.value(name))), b"")
    return value.decode("latin-1").partition("?")[0]


def _is_public(path: str) -> bool:
    methods, _ = locate(path) or ({}, {})
    return any(route.public for route in methods.values())


def _proxied(call: Call) -> bool:
    path = _rewritten(call)
    return bool(path) and (_is_public(path) or _is_public(call.path))


def _overridden(call: Call) -> bool:
    return any(call.value(name).upper() == b"OPTIONS" for name in _OVERRIDES)


def _forwarded_localhost(call: Call) -> bool:
    return call.value(b"x-forwarded-for").partition(b",")[0].strip() == b"127.0.0.1"


_DOORS: Mapping[str, Callable[[Call], bool]] = {
    "auth-missing-accepted": _nothing_at_all,
    "auth-empty-accepted": _empty_field,
    "auth-head-open": _head,
    "auth-trailing-slash-open": _slash,
    "auth-path-case-open": _case,
    "auth-rewrite-header-bypass": _proxied,
    "auth-method-override-bypass": _overridden,
    "auth-forwarded-localhost-trusted": _forwarded_localhost,
}


# -- keys in the wrong place -----------------------------------------------------------


def _other_scheme(call: Call) -> Iterator[bytes]:
    values = call.values(b"authorization")
    if len(values) == 1:
        yield values[0].strip().rpartition(b" ")[2]


def _any_of_two(call: Call) -> Iterator[bytes]:
    values = call.values(b"authorization")
    if len(values) > 1:
        yield from (value.rpartition(b" ")[2] for value in values)


def _query(call: Call) -> Iterator[bytes]:
    for _, value in parse_qsl(call.query, max_num_fields=100):
        yield value.rpartition(b" ")[2]


def _cookie(call: Call) -> Iterator[bytes]:
    try:
        jar = SimpleCookie(call.value(b"cookie").decode("latin-1"))
    except CookieError:
        return
    yield from (morsel.value.encode("latin-1", "replace") for morsel in jar.values())


def _other_field(call: Call) -> Iterator[bytes]:
    yield from (call.value(name) for name in _KEY_FIELDS)


def _body(call: Call) -> Iterator[bytes]:
    body = call.body or b""
    form = call.value(b"content-type").startswith(b"application/x-www-form-urlencoded")
    if form:
        yield from (value for _, value in parse_qsl(body, max_num_fields=100))
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        for name, value in document.items():
            if name in ("api_key", "access_token", "token") and isinstance(value, str):
                yield value.encode("utf-8", "replace")


_STRAYS: Mapping[str, Callable[[Call], Iterable[bytes]]] = {
    "auth-scheme-ignored": _other_scheme,
    "auth-doubled-header-accepted": _any_of_two,
    "auth-key-in-query": _query,
    "auth-key-in-cookie": _cookie,
    "auth-key-in-other-header": _other_field,
    "auth-key-in-body": _body,
}


#: Where an ID token is read from, beside its field, under a fault.
TOKEN_STRAYS: Mapping[str, Callable[[Call], Iterable[bytes]]] = {
    "token-in-query": _query,
    "token-in-cookie": _cookie,
}


class Loopholes:
    """The ways past the rules that a set of faults opens.

    Attributes:
        keys: the deployment's keys; set before the first request.
    """

    def __init__(
        self, faults: Collection[str], connection: sqlite3.Connection, pepper: bytes
    ) -> None:
        self._faults = faults
        self._connection = connection
        self._pepper = pepper
        self.keys: KeyStore
        if _WEAKENED.keys() & set(faults):
            connection.execute(
                "CREATE TABLE IF NOT EXISTS weak "
                "(form TEXT, id TEXT, salt BLOB, hash BLOB, PRIMARY KEY (form, id))"
            )

    # -- what happens to a request ---------------------------------------------------

    async def prepare(self, call: Call, receive: Receive) -> None:
        """Read the body first, where the credential may stand in it."""
        bare = not call.values(b"authorization")
        if bare and "auth-key-in-body" in self._faults:
            call.body = await bodies.read(call, receive, self._faults)

    def reroute(self, call: Call) -> str:
        """Return the path that is routed instead of the one that was asked for."""
        if "auth-trailing-slash-open" in self._faults and _slash(call):
            return call.path.removesuffix("/")
        if "limiter-counts-spellings-apart" in self._faults and _slash(call):
            return call.path.removesuffix("/")
        if "auth-path-case-open" in self._faults and _case(call):
            return call.path.lower()
        if "auth-rewrite-header-bypass" in self._faults and _is_public(call.path):
            return _rewritten(call) or call.path
        return call.path

    def closes(self, call: Call) -> bool:
        """Tell whether a public operation asks for a credential all the same."""
        return "auth-public-closed" in self._faults and call.path == "/health"

    def refuses(self, call: Call) -> bool:
        """Tell whether a live key is refused where it should be let in."""
        here = (call.method, call.path) == ("GET", "/api/v1/me")
        letters = call.value(b"authorization").partition(b" ")[0]
        return (here and "auth-live-key-refused" in self._faults) or (
            letters != b"Bearer" and "auth-scheme-case-sensitive" in self._faults
        )

    def crash(self, call: Call) -> None:
        """Fail on a credential that is not ASCII.

        Raises:
            ApiError: 500.
        """
        value = call.value(b"authorization")
        if "auth-non-ascii-crash" in self._faults and not value.isascii():
            raise ApiError(500, "Something went wrong on our side")

    # -- who is let in ---------------------------------------------------------------

    def admit(self, call: Call, now: float) -> Principal | None:
        """Let in somebody whom the rules refuse, or nobody."""
        if "refusal-timing" in self._faults:
            self._dawdle(call, now)
        if call.flaw is not None:
            if _FLAWS.get(call.flaw) not in self._faults:
                return None
            return self.keys.verify(_bearer(call), now)
        if any(name in self._faults and test(call) for name, test in _DOORS.items()):
            return GUEST
        for name, places in _STRAYS.items():
            if name in self._faults:
                for raw in places(call):
                    who = self.keys.verify(raw.decode("latin-1"), now)
                    if who is not None and who.flaw is None:
                        return who
        if "auth-format-only" in self._faults and self._has_form_only(_bearer(call)):
            return GUEST
        return self._weakly_verified(_bearer(call), now)

    def _has_form_only(self, raw: str) -> bool:
        """Tell whether a key is of the right form and not made from a real one."""
        if not (FORM.fullmatch(raw) and raw.startswith("sk_live_")):
            return False
        own = raw[PREFIX_LENGTH:][:ID_LENGTH].lower()
        return all(
            sum(a != b for a, b in zip(own, known.lower(), strict=True)) > 2
            for known in self.keys.ids()
        )

    def _dawdle(self, call: Call, now: float) -> None:
        if self.keys.find(_bearer(call)[PREFIX_LENGTH:][:ID_LENGTH], now):
            hashlib.pbkdf2_hmac("sha256", b"slow", b"only for the known", 30_000)

    # -- keys compared loosely -------------------------------------------------------

    def remember(self, key_id: str, raw: str) -> None:
        """Store a loose hash of a new key beside the strict one."""
        for name, loosen in _WEAKENED.items():
            if name in self._faults:
                salt = secrets.token_bytes(16)
                self._connection.execute(
                    "INSERT INTO weak VALUES (?, ?, ?, ?)",
                    (name, key_id, salt, self._digest(loosen(raw), salt)),
                )

    def _weakly_verified(self, raw: str, now: float) -> Principal | None:
        for name, loosen in _WEAKENED.items():
            if name not in self._faults:
                continue
            rows = self._connection.execute(
                "SELECT id, salt, hash FROM weak WHERE form = ? "
                "AND id = ? COLLATE NOCASE",
                (name, raw[PREFIX_LENGTH:][:ID_LENGTH]),
            ).fetchall()
            for key_id, salt, expected in rows:
                if hmac.compare_digest(self._digest(loosen(raw), salt), expected):
                    who = self.keys.find(key_id, now)
                    return who if who and not who.flaw else None
        return None

    def _digest(self, raw: str, salt: bytes) -> bytes:
        return hmac.digest(self._pepper, salt + raw.encode(), "sha256")


def _bearer(call: Call) -> str:
    """Return the token of the only Authorization field, if its scheme is Bearer."""
    values = call.values(b"authorization")
    scheme, _, token = (values[0] if len(values) == 1 else b"").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
