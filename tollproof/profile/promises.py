"""The `[promises]` tables: what the deployment says is true.

Knows how each promise is written. Must not know how one is tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tollproof.profile.values import (
    Address,
    Command,
    Count,
    CountedMethod,
    ErrorStatus,
    Flag,
    Flaw,
    HeaderName,
    Label,
    MediaType,
    Pointer,
    Ratio,
    Regex,
    ResponseKind,
    Scheme,
    Seconds,
    Section,
    Status,
    Text,
    Url,
    Window,
    flawed,
    refuse,
)

Milliseconds = Annotated[float, Field(gt=0, strict=True)]
Per = Literal["key", "organisation", "address", "operation", "token"]
Algorithm = Literal[
    "fixed_window",
    "fixed_window_clock",
    "fixed_window_first",
    "sliding_log",
    "sliding_counter",
    "token_bucket",
    "leaky_bucket",
]


class Refusal(Section):
    """The statuses of refusals."""

    unauthenticated: Status = 401
    """No credential, or one that is not accepted."""
    forbidden: Status = 403
    """A live credential without the permission."""
    not_owned: Literal[403, 404] | None = None
    """Another organisation's object: 403, or 404 where its existence is concealed;
    either when not said."""

    @property
    def not_owned_accepts(self) -> tuple[int, ...]:
        """The statuses that keep the promise about another organisation's object."""
        return (self.not_owned,) if self.not_owned else (403, 404)


class Errors(Section):
    """The envelope of every error response."""

    content_type: MediaType | None = None
    """Media type of errors: application/json, application/problem+json (RFC 9457)."""
    schema_: Mapping[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema of an error's body, inline, or { file = "error.schema.json" }."""
    code: Pointer | None = None
    """JSON pointer to the machine-readable code."""
    message: Pointer | None = None
    """JSON pointer to the sentence for people."""
    codes: Mapping[ErrorStatus, tuple[Text, ...]] = {}
    """Status to the codes that belong to it."""
    statuses: tuple[Annotated[ErrorStatus, Field(strict=True)], ...] = ()
    """Statuses promised for their standard cause, such as 415 for a media type."""

    @model_validator(mode="after")
    def _codes_have_a_place(self) -> Self:
        if self.codes and self.code is None:
            raise flawed(
                [
                    Flaw(
                        "codes",
                        "are given, but not where a code stands",
                        'add code = "/error/code"',
                    )
                ]
            )
        return self


class HeaderPromise(Section):
    """A header field that is required, or forbidden, on some responses."""

    name: HeaderName
    """Name of the field."""
    on: tuple[ResponseKind, ...] = Field(default=("all",), min_length=1)
    """The responses meant, any of: all, success, error, authenticated,
    unauthenticated, public, a status, 4xx, an operation; `"!404"` takes some out."""
    value: Regex | None = None
    """Regular expression that the whole value matches."""
    rule: Literal["required", "forbidden"] = "required"
    """Whether it must be there or must not."""


class Transport(Section):
    """What every response is held to unless switched off here."""

    hsts: Flag = True
    """Strict-Transport-Security over TLS (RFC 6797)."""
    nosniff: Flag = True
    """X-Content-Type-Options: nosniff."""
    no_store: Flag = True
    """Authenticated responses are not stored by shared caches (RFC 9111)."""
    no_cookies: Flag = True
    """A token API sets no cookies."""
    no_version: Flag = True
    """Server and X-Powered-By name no version."""
    cors: Flag = True
    """No origin is trusted that should not be."""


class Counts(Section):
    """Which requests count against a rate limit."""

    errors: Flag = True
    """Requests answered with an error; judged where it is said."""
    rejected: Flag = False
    """Requests refused by the limit itself."""
    methods: tuple[CountedMethod, ...] = ("*",)
    """Methods that count; `"*"` for all."""


class Policy(Section):
    """One rate limit."""

    limit: Count
    """Requests admitted in a window."""
    window: Window
    """Length of the window in seconds."""
    per: Per = "key"
    """What has an allowance of its own."""
    algorithm: Algorithm | None = None
    """How it is counted, where that is promised."""
    any_window: Flag = False
    """Whether no window of that length, wherever it starts, admits more."""
    burst: Count | None = None
    """Requests admitted at once, where that differs from `limit`."""
    tolerance: Ratio = 0.0
    """Share of `limit` that may be admitted too much or too little."""
    counts: Counts = Field(default_factory=Counts)
    """Which requests count."""


class FailedAuthentications(Section):
    """A limit on refused credentials."""

    limit: Count
    """Refusals before the caller is throttled."""
    window: Window
    """Length of the window in seconds."""
    per: Per = "address"
    """What has an allowance of its own."""


class RateHeaders(Section):
    """The header fields that tell a caller about its allowance."""

    limit: HeaderName | None = None
    """Field with the limit, such as X-RateLimit-Limit."""
    remaining: HeaderName | None = None
    """Field with what is left of the allowance."""
    reset: HeaderName | None = None
    """Field with the end of the window."""
    reset_form: Literal["unix_seconds", "unix_milliseconds", "delta_seconds"] | None = (
        None
    )
    """Unit of the reset field."""
    on: tuple[ResponseKind, ...] = Field(default=("authenticated",), min_length=1)
    """The responses that carry the fields."""
    exactly: Flag = False
    """Whether no other response carries them."""
    retry_after: Literal["delay_seconds", "http_date", "either", "none"] = "none"
    """Form of Retry-After on a refusal by the limit (RFC 9110, 10.2.3)."""
    retry_after_on_success: Flag = False
    """Whether Retry-After is tolerated on other responses."""
    ietf: Literal["", "draft-6", "draft-7", "draft-10"] = ""
    """Draft of the RateLimit and RateLimit-Policy fields that is followed."""

    @model_validator(mode="after")
    def _unit_of_reset(self) -> Self:
        if self.reset and not self.reset_form:
            raise refuse(
                "promises a reset field without its unit",
                'add reset_form = "unix_seconds", "unix_milliseconds" or '
                '"delta_seconds"',
            )
        return self


class RateLimit(Policy):
    """The rate limit, its answers, and further limits beside it."""

    status: Status = 429
    """Status of a refusal by the limit (RFC 6585, 4)."""
    headers: RateHeaders | None = None
    """The header fields that go with it."""
    failed_authentications: FailedAuthentications | None = None
    """Limit on refused credentials."""
    policies: tuple[Policy, ...] = ()
    """Further limits that hold at the same time: burst and sustained."""


class Load(Section):
    """What holds under sustained load; judged by `tollproof load`."""

    p50: Milliseconds | None = None
    """Half of all good answers come within so many milliseconds of when they were due;
    an answer is good below status 400."""
    p95: Milliseconds | None = None
    """95 of 100 good answers come within so many milliseconds."""
    p99: Milliseconds | None = None
    """99 of 100 good answers come within so many milliseconds."""
    errors: Ratio | None = None
    """Largest share of requests without an answer or with a 5xx."""
    refused: Ratio | None = None
    """Largest share of requests refused by the rate limit."""
    per_second: Annotated[float, Field(gt=0, strict=True)] | None = None
    """Least number of answers a second, on average."""


class Keys(Section):
    """How API keys look."""

    format: Regex | None = None
    """Regular expression that a whole key matches."""
    prefix: str = ""
    """The public part every key starts with; never treated as secret."""
    entropy_bits: Annotated[float, Field(gt=0, le=4096, strict=True)] | None = None
    """Least randomness of a key, in bits."""
    masked: Regex | None = None
    """Regular expression of a key as a listing shows it."""


class Rotation(Section):
    """How one key follows another."""

    overlap: Flag = True
    """Whether old and new work together until the old one is revoked."""
    active_within: Seconds | None = None
    """Seconds until a created key works."""
    revoked_within: Seconds | None = None
    """Seconds until a revoked key is refused."""
    stays_revoked_for: Seconds = 5.0
    """Seconds through which a revoked key is seen to stay refused."""


class FirstLogin(Section):
    """What the first login of an unknown user brings into being."""

    operation: Label
    """Operation that shows the user: `"GET /api/v1/me"`."""
    pointer: Pointer
    """JSON pointer to the user's id in its response."""
    organisation: Pointer | None = None
    """JSON pointer to the id of the user's organisation in it."""


class Tokens(Section):
    """Signed tokens (JWT, RFC 7519) that the deployment accepts."""

    issuer: Text
    """The `iss` claim."""
    audience: Text
    """The `aud` claim."""
    algorithms: tuple[Text, ...] = Field(default=("RS256",), min_length=1)
    """Signature algorithms accepted."""
    jwks: Url | None = None
    """Where the issuer publishes its keys as a JWK set (RFC 7517)."""
    certificates: Url | None = None
    """Where it publishes them as X.509 certificates by key id, as Google does."""
    max_age: Seconds | None = None
    """Longest life of a token in seconds."""
    first_login_provisions: FirstLogin | None = None
    """What the first login brings into being."""
    emulator: Flag = False
    """Whether the deployment says that it takes an emulator's unsigned tokens."""
    listener: Address | None = None
    """`host:port` at which the target can reach tollproof: where forged `jku` and `x5u`
    point. A target on loopback needs none."""
    rotate: Command | None = None
    """Program that makes the issuer sign with a new key and prints JSON with its `kid`
    and, in PEM, its private `key`; run without a shell."""
    followed_within: Seconds = 5.0
    """Seconds within which a new key of the issuer is accepted."""
    retire: Command | None = None
    """Program that makes the issuer withdraw a key; `{kid}` stands for its id; run
    without a shell."""
    retired_within: Window | None = None
    """Seconds within which tokens of a key that the issuer has withdrawn are refused,
    where that is promised: as long as the issuer's keys may be cached."""
    wait_for_expiry: Seconds = 0.0
    """Seconds that an audit may wait for a given token to expire; 0 for not at all."""

    @model_validator(mode="after")
    def _retires_one(self) -> Self:
        if self.retire and not any("{kid}" in word for word in self.retire):
            raise flawed(
                [
                    Flaw(
                        "retire",
                        "does not say which key to withdraw",
                        "put {kid} into an argument",
                    )
                ]
            )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.jwks and self.certificates:
            raise refuse(
                "has two sources of keys", "keep jwks or certificates, not both"
            )
        return self


class OAuth(Section):
    """The token endpoint for client credentials (RFC 6749, 4.4)."""

    token_url: Url
    """The endpoint."""
    expires_in: Count | None = None
    """Promised life of an access token in seconds."""
    scopes: tuple[Text, ...] = ()
    """Scopes that exist."""
    revoked_within: Window | None = None
    """Seconds within which tokens of a revoked client are refused, where that is
    promised."""


class Secrets(Section):
    """How the deployment keeps credentials."""

    at_rest: (
        Literal[
            "hmac-sha256",
            "hmac-sha384",
            "hmac-sha512",
            "argon2id",
            "scrypt",
            "bcrypt",
            "pbkdf2",
        ]
        | None
    ) = None
    """What is stored of a key: a keyed or slow hash with a salt of its own per key."""


def _scheme_or_false(value: Any) -> Any:
    if value is not False and not isinstance(value, str):
        raise refuse(
            "is neither a scheme nor false",
            'write "Bearer", or false when no challenge is promised',
        )
    return value


class Promises(Section):
    """What the deployment says is true."""

    challenge: Annotated[
        Scheme | Literal[False] | None, BeforeValidator(_scheme_or_false)
    ] = None
    """Scheme that WWW-Authenticate offers on 401; any when not said, since RFC 9110
    asks for one; false where the deployment promises none and that is accepted."""
    realm: Text | None = None
    """The realm it names."""
    refusal: Refusal = Field(default_factory=Refusal)
    """The statuses of refusals."""
    doubled_header: Literal["refuse", "tolerate"] | None = None
    """What becomes of two Authorization fields in one request; where nothing is said
    it must be always the first or always the last that counts."""
    before_routing: Flag = True
    """Whether what is promised of errors and header fields holds for the answers of
    the HTTP server itself too: to requests that it cannot read and gives to no route.
    Few servers let an application shape those."""
    errors: Errors | None = None
    """The envelope of errors."""
    headers: tuple[HeaderPromise, ...] = ()
    """Header fields that are required or forbidden."""
    transport: Transport = Field(default_factory=Transport)
    """What every response is held to unless switched off."""
    rate_limit: RateLimit | None = None
    """How often a caller may ask."""
    load: Load | None = None
    """What holds under sustained load."""
    keys: Keys | None = None
    """How API keys look."""
    rotation: Rotation | None = None
    """How one key follows another."""
    tokens: Tokens | None = None
    """Signed tokens that are accepted."""
    oauth: OAuth | None = None
    """The token endpoint."""
    secrets: Secrets | None = None
    """How credentials are kept."""
