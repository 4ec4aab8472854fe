"""The token endpoint: client credentials, as RFC 6749 asks for them.

Knows clients, their secrets as keyed hashes, and the access tokens they were granted.
What it holds itself to is a value, so that a fault is another value.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from tollproof.reference.sparkient.keys import Principal
from tollproof.reference.sparkient.messages import Answer, Call

PATH = "/oauth/token"
#: Where an organisation's admins register clients and delete them (RFC 7591, 7592).
REGISTRATION = "/oauth/clients"
#: Seconds that access tokens of a client live that an admin registered.
LIFE = 300.0
SCOPES = ("read", "write")
FORM = b"application/x-www-form-urlencoded"
#: What every access token begins with.
PREFIX = "at_"
_LARGEST = 8192
_CHALLENGE = 'Basic realm="sparkient"'

SCHEMA = """
CREATE TABLE IF NOT EXISTS clients (
    id TEXT PRIMARY KEY,
    organisation TEXT NOT NULL REFERENCES organisations (id),
    role TEXT NOT NULL,
    salt BLOB NOT NULL,
    hash BLOB NOT NULL,
    life REAL NOT NULL,
    revoked_at REAL
);
CREATE TABLE IF NOT EXISTS access_tokens (
    hash BLOB PRIMARY KEY,
    client TEXT NOT NULL REFERENCES clients (id),
    expires_at REAL NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the endpoint holds itself to; the defaults are the specification's.

    Attributes:
        life: the share of the promised life for which a token is accepted.
    """

    by_post_only: bool = True
    not_in_query: bool = True
    one_method: bool = True
    no_repetition: bool = True
    known_grants: bool = True
    known_scopes: bool = True
    right_secret: bool = True
    any_secret_at_all: bool = True
    known_clients: bool = True
    live_clients: bool = True
    challenge: bool = True
    error_status: int = 401
    error_as_json: bool = True
    token_type: bool = True
    whole_expires_in: bool = True
    no_refresh_token: bool = True
    tokens_coexist: bool = True
    tokens_end_with_client: bool = True
    tokens_are_removed: bool = True
    survives: bool = True
    life: float = 1.0


class Refused(Exception):
    """A token request that is refused (RFC 6749, 5.2)."""

    def __init__(self, error: str, status: int = 400) -> None:
        self.error = error
        self.status = status
        super().__init__(error)


@dataclass(frozen=True, slots=True)
class _Client:
    id: str
    organisation: str
    role: str
    salt: bytes
    hash: bytes
    life: float
    revoked_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """Grants access tokens and knows them again."""

    connection: sqlite3.Connection
    pepper: bytes = field(repr=False)
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        self.connection.executescript(SCHEMA)

    def register(
        self, name: str, organisation: str, role: str, life: float
    ) -> tuple[str, str]:
        """Register a client; return its id and its secret, seen this once."""
        client_id, secret = f"client_{name}", secrets.token_urlsafe(32)
        salt = secrets.token_bytes(16)
        self.connection.execute(
            "INSERT INTO clients VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (client_id, organisation, role, salt, self._hash(secret, salt), life),
        )
        return client_id, secret

    def revoke(self, organisation: str, client_id: str, now: float) -> bool:
        """Revoke a client for good, and all its tokens with it.

        Returns:
            Whether the organisation has such a client.
        """
        found = self.connection.execute(
            "UPDATE clients SET revoked_at = coalesce(revoked_at, ?) "
            "WHERE id = ? AND organisation = ?",
            (now, client_id, organisation),
        )
        ends = self.rules.tokens_end_with_client and self.rules.tokens_are_removed
        if found.rowcount and ends:
            self.connection.execute(
                "DELETE FROM access_tokens WHERE client = ?", (client_id,)
            )
        return found.rowcount == 1

    def identify(self, token: str, now: float) -> Principal | None:
        """Return whose access token it is, or nobody."""
        row = self.connection.execute(
            "SELECT client, expires_at FROM access_tokens WHERE hash = ?",
            (self._hash(token, b""),),
        ).fetchone()
        if row is None or now >= row[1]:
            return None
        client = self._client(row[0])
        if client is None:
            return None
        if client.revoked_at is not None and self.rules.tokens_end_with_client:
            return None
        return Principal(
            client.id,
            client.organisation,
            client.id,
            client.role,
            "live",
            None,
            None,
            kind="client",
        )

    def _hash(self, secret: str, salt: bytes) -> bytes:
        return hmac.digest(self.pepper, salt + secret.encode(), "sha256")

    def _client(self, client_id: str) -> _Client | None:
        row = self.connection.execute(
            "SELECT id, organisation, role, salt, hash, life, revoked_at "
            "FROM clients WHERE id = ?",
            (client_id,),
        ).fetchone()
        return row and _Client(*row)

    # -- requests ----------------------------------------------------------------------

    def answer(self, call: Call, body: bytes, now: float) -> Answer:
        """Answer a token request."""
        basic = bool(call.value(b"authorization"))
        try:
            answer = self._json(200, self._grant(call, body, now))
        except Refused as refused:
            if refused.status == 405:
                answer = self._json(405, {"error": refused.error})
                answer.fields["allow"] = "POST"
            elif refused.status == 500:
                answer = Answer(status=500, body=b"{}")
                answer.fields["content-type"] = "application/json"
            else:
                answer = self._json(refused.status, {"error": refused.error})
            if answer.status == 401 and basic and self.rules.challenge:
                answer.fields["www-authenticate"] = _CHALLENGE
            if not self.rules.error_as_json:
                answer.body = f"<h1>{refused.error}</h1>".encode()
                answer.fields["content-type"] = "text/html"
        answer.fields["cache-control"] = "no-store"
        answer.fields["pragma"] = "no-cache"
        return answer

    def _json(self, status: int, document: Mapping[str, object]) -> Answer:
        return Answer(
            status=status,
            body=json.dumps(document).encode(),
            fields={"content-type": "application/json"},
        )

    def _grant(self, call: Call, body: bytes, now: float) -> dict[str, object]:
        """Return the members of a grant.

        Raises:
            Refused: the request is not one that is granted.
        """
        rules = self.rules
        form = self._form(call, body)
        client = self._authenticate(call, form)
        grant = form.get("grant_type", "")
        if "grant_type" not in form or not grant:
            if rules.known_grants or "grant_type" not in form:
                raise Refused("invalid_request")
        elif grant != "client_credentials" and rules.known_grants:
            raise Refused("unsupported_grant_type")
        asked = form.get("scope", "").split()
        if rules.known_scopes and not set(asked) <= set(SCOPES):
            raise Refused("invalid_scope")
        if not rules.tokens_coexist:
            self.connection.execute(
                "DELETE FROM access_tokens WHERE client = ?", (client.id,)
            )
        token = PREFIX + secrets.token_urlsafe(32)
        self.connection.execute(
            "INSERT INTO access_tokens VALUES (?, ?, ?)",
            (self._hash(token, b""), client.id, now + client.life * rules.life),
        )
        granted: dict[str, object] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(client.life),
            "scope": " ".join(asked or SCOPES),
        }
        if not rules.token_type:
            del granted["token_type"]
        if not rules.whole_expires_in:
            granted["expires_in"] = f"{int(client.life)} seconds"
        if not rules.no_refresh_token:
            granted["refresh_token"] = "rt_" + secrets.token_urlsafe(32)
        return granted

    def _form(self, call: Call, body: bytes) -> dict[str, str]:
        query = call.query.decode("latin-1")
        if call.method != "POST":
            if self.rules.by_post_only or call.method != "GET":
                raise Refused("invalid_request", 405)
            return dict(parse_qsl(query))
        kind = call.value(b"content-type").partition(b";")[0].strip().lower()
        if kind != FORM or len(body) > _LARGEST:
            raise Refused("invalid_request")
        try:
            pairs = parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(body),
                max_num_fields=20,
            )
        except ValueError:
            raise Refused(
                "invalid_request", 400 if self.rules.survives else 500
            ) from None
        form = dict(pairs)
        if len(form) < len(pairs) and self.rules.no_repetition:
            raise Refused("invalid_request")
        if query and self.rules.not_in_query:
            raise Refused("invalid_request")
        return dict(parse_qsl(query)) | form

    def _authenticate(self, call: Call, form: Mapping[str, str]) -> _Client:
        """Return the client that a request is from.

        Raises:
            Refused: it is from none that is known, live and has shown its secret.
        """
        values = call.values(b"authorization")
        in_body = "client_secret" in form
        if values and in_body and self.rules.one_method:
            raise Refused("invalid_request")
        if values:
            name, secret = _basic(values)
        else:
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        client = self._client(name)
        refused = Refused("invalid_client", self.rules.error_status)
        if client is None:
            guest = self._client("client_svc")
            if self.rules.known_clients or not name or guest is None:
                raise refused
            return guest
        right = hmac.compare_digest(self._hash(secret, client.salt), client.hash)
        if not secret:
            right = not self.rules.any_secret_at_all
        elif not self.rules.right_secret:
            right = True
        if not right or (client.revoked_at is not None and self.rules.live_clients):
            raise refused
        return client


def _basic(values: list[bytes]) -> tuple[str, str]:
    """Read Basic credentials, which are form-encoded inside (RFC 6749, 2.3.1)."""
    scheme, _, encoded = values[0].partition(b" ")
    if len(values) > 1 or scheme.lower() != b"basic":
        return "", ""
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    name, _, secret = pair.partition(":")
    return unquote_plus(name), unquote_plus(secret)


#: Fault → the rule that is broken.
LOOPHOLES: Mapping[str, Mapping[str, bool | float | int]] = {
    "oauth-any-secret": {"right_secret": False},
    "oauth-secret-optional": {"any_secret_at_all": False},
    "oauth-unknown-client-granted": {"known_clients": False},
    "oauth-revoked-client-granted": {"live_clients": False},
    "oauth-query-credentials": {"not_in_query": False},
    "oauth-get-granted": {"by_post_only": False},
    "oauth-two-methods": {"one_method": False},
    "oauth-repeated-parameter": {"no_repetition": False},
    "oauth-any-grant": {"known_grants": False},
    "oauth-any-scope": {"known_scopes": False},
    "oauth-challenge-missing": {"challenge": False},
    "oauth-wrong-status": {"error_status": 403},
    "oauth-html-errors": {"error_as_json": False},
    "oauth-token-type-missing": {"token_type": False},
    "oauth-expires-in-text": {"whole_expires_in": False},
    "oauth-refresh-token": {"no_refresh_token": False},
    "oauth-one-token": {"tokens_coexist": False},
    "oauth-revoked-token-works": {"tokens_end_with_client": False},
    # They are only refused; a replica that does not ask after the client takes them.
    "oauth-replica-late": {"tokens_are_removed": False},
    "oauth-malformed-crash": {"survives": False},
    "oauth-expiry-ignored": {"life": 1000.0},
    "oauth-expires-early": {"life": 0.5},
}
