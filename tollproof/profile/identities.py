"""The `[identities.*]` tables: callers, their credentials, what they may do.

Knows where each credential is kept and the order in which several are used. Must not
know what a credential is worth, nor how it becomes a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from tollproof.profile.values import (
    Count,
    Flaw,
    Grant,
    HeaderName,
    PathValue,
    Scheme,
    SecretRef,
    Section,
    Text,
    Url,
    Window,
    flawed,
    label_matches,
)

Kind = Literal["api_key", "token", "oauth", "firebase", "open"]
State = Literal["live", "revoked", "expired", "wrong_environment"]
Purpose = Literal["control", "burst", "bystander"]
SECRETS = (
    "key",
    "token",
    "client_id",
    "client_secret",
    "credentials",
    "id_token",
    "signing_key",
)


class Mechanism(StrEnum):
    """How an identity proves itself, in the order in which several are used."""

    API_KEY = "api_key"
    TOKEN = "token"  # noqa: S105  (the name of a mechanism)
    FIREBASE = "firebase"
    OAUTH = "oauth"


class Allowance(Section):
    """An identity's own rate limit."""

    requests: Count
    """Requests admitted in a window."""
    window: Window
    """Length of the window in seconds."""


class Identity(Section):
    """One caller: its credentials, what it may do, whether it should be let in.

    One identity may hold several mechanisms; they are used in the order API key,
    bearer token (an ID token is one), client credentials.
    """

    name: SkipJsonSchema[str] = Field(default="", init=False)
    kind: Kind
    """Which mechanism it is about; its credentials must be given."""
    header: HeaderName = "Authorization"
    """Header field that carries the credential."""
    scheme: Scheme = "Bearer"
    """Scheme before the credential; "" for the bare key, which is the default for
    any header but Authorization."""
    key: SecretRef | None = None
    """The API key."""
    token: SecretRef | None = None
    """A bearer token; a leading `Bearer ` in it is understood."""
    client_id: SecretRef | None = None
    """OAuth client identifier."""
    client_secret: SecretRef | None = None
    """OAuth client secret."""
    credentials: SecretRef | None = None
    """Instead of both: JSON with clientId and clientSecret, or client_id and
    client_secret."""
    token_url: Url | None = None
    """Token endpoint; that of `[promises.oauth]` when not given."""
    scope: tuple[Text, ...] = ()
    """Scopes to ask for."""
    auth_method: Literal["client_secret_post", "client_secret_basic"] = (
        "client_secret_post"
    )
    """How the client authenticates at the token endpoint (RFC 7591, 2)."""
    id_token: SecretRef | None = None
    """A Firebase ID token; sent as it is, even where others can be minted."""
    signing_key: SecretRef | None = None
    """Private key, PEM, of a test issuer that the target trusts: mints tokens. Those of
    kind firebase have the claims of Firebase ID tokens."""
    key_id: Text | None = None
    """The `kid` of the signing key; by default that of the matching published key."""
    subject: Text | None = None
    """The `sub` of minted tokens."""
    claims: Mapping[str, Any] = {}
    """Further claims of minted tokens."""
    organisation: Text | None = None
    """The organisation (tenant) it belongs to."""
    state: State = "live"
    """Whether its credential should be let in, and if not why."""
    grants: tuple[Grant, ...] = ("*",)
    """Operations it may call: `"*"`, `"GET /things/*"`; `"!GET /x"` denies."""
    limit: Allowance | None = None
    """Its own rate limit, where it differs from the promise."""
    owns: Mapping[str, PathValue] = {}
    """Objects it owns, by path parameter."""
    purpose: tuple[Purpose, ...] = ()
    """Hints: a `control` proves the target is well, a `burst` may be exhausted, a
    `bystander` must not notice."""

    @model_validator(mode="before")
    @classmethod
    def _bare_in_other_headers(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "scheme" not in data:
            header = data.get("header", "Authorization")
            if isinstance(header, str) and header.lower() != "authorization":
                return {**data, "scheme": ""}
        return data

    @model_validator(mode="after")
    def _credentials_fit_kind(self) -> Self:
        if flaws := [*self._missing(), *self._superfluous()]:
            raise flawed(flaws)
        return self

    def _missing(self) -> list[Flaw]:
        flaws = []

        def miss(key: str, what: str, remedy: str) -> None:
            flaws.append(Flaw(key, what, remedy))

        if self.kind == "api_key" and not self.key:
            miss("", "has no key", 'add key = { env = "NAME" }')
        if self.kind == "token" and not (self.token or self.signing_key):
            miss(
                "",
                "has no token",
                'add token = { env = "NAME" }, or signing_key and subject',
            )
        if self.kind == "firebase" and not (self.id_token or self.signing_key):
            miss(
                "",
                "has no ID token",
                'add id_token = { env = "NAME" }, or signing_key = { file = "key.pem" }'
                " and subject to mint tokens",
            )
        if self.signing_key and not self.subject:
            miss("signing_key", "mints tokens for nobody", 'add subject = "user-1"')
        pair = (self.client_id, self.client_secret)
        if self.kind == "oauth" and not self.credentials and not all(pair):
            miss(
                "",
                "has no client credentials",
                "add client_id and client_secret, or credentials, each as "
                '{ env = "NAME" } or { file = "path" }',
            )
        elif any(pair) and not all(pair):
            miss(
                "client_id" if self.client_id else "client_secret",
                "stands alone",
                "client_id and client_secret go together",
            )
        return flaws

    def _superfluous(self) -> list[Flaw]:
        flaws = []
        if self.credentials and (self.client_id or self.client_secret):
            flaws.append(
                Flaw(
                    "credentials",
                    "is given beside client_id and client_secret",
                    "keep one of the two forms",
                )
            )
        if self.kind == "open" and (self.mechanisms or self.state != "live"):
            flaws.append(
                Flaw(
                    "",
                    "is open, which means without a credential, and has one or a state",
                    "leave credentials and state out, or choose another kind",
                )
            )
        return flaws

    @property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """The mechanisms it holds, the one to be used first."""
        held = {
            Mechanism.API_KEY: self.key,
            Mechanism.TOKEN: self.token,
            Mechanism.FIREBASE: self.id_token or self.signing_key,
            Mechanism.OAUTH: self.credentials or self.client_id,
        }
        return tuple(mechanism for mechanism, place in held.items() if place)

    @property
    def is_live(self) -> bool:
        """Whether it holds a credential that should be let in."""
        return self.state == "live" and bool(self.mechanisms)

    @property
    def is_open(self) -> bool:
        """Whether it calls without a credential."""
        return not self.mechanisms

    @property
    def is_token(self) -> bool:
        """Whether it proves itself with a bearer token given or minted."""
        return bool({Mechanism.TOKEN, Mechanism.FIREBASE} & set(self.mechanisms[:1]))

    @property
    def mints(self) -> bool:
        """Whether its tokens are made with a signing key."""
        return self.signing_key is not None

    def secrets(self) -> Mapping[str, SecretRef]:
        """Return where each of its secrets is kept, by field."""
        places = {field: getattr(self, field) for field in SECRETS}
        return {field: place for field, place in places.items() if place is not None}

    def may_call(self, label: str) -> bool:
        """Tell whether its grants cover an operation; a denial wins over a grant."""
        granted = [grant for grant in self.grants if not grant.startswith("!")]
        denied = [grant[1:] for grant in self.grants if grant.startswith("!")]
        return any(label_matches(grant, label) for grant in granted) and not any(
            label_matches(denial, label) for denial in denied
        )
