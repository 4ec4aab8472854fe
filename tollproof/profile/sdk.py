"""The `[sdk]` table: a client library, how to drive it, and what it promises.

Knows each mechanism, the environment variables, masking and retries. Must not run
anything. A profile with this table is about an SDK and has no `[target]`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tollproof.profile.values import (
    Command,
    Flag,
    HeaderName,
    PathTemplate,
    Regex,
    Scheme,
    Section,
    Text,
    Window,
    refuse,
)

SdkMechanism = Literal["api_key", "token", "oauth"]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class SdkApiKey(Section):
    """How an API key is sent."""

    header: HeaderName = "Authorization"
    """Header field that carries it."""
    scheme: Scheme = ""
    """Scheme before it; "" for the bare key."""


class SdkToken(Section):
    """How a bearer token is sent: as `Authorization: Bearer …` (RFC 6750, 2.1)."""

    prefixed: Flag = True
    """A token that is given with `Bearer` before it is understood as well."""


class SdkOAuth(Section):
    """How client credentials are used (RFC 6749, 4.4)."""

    token_path: PathTemplate
    """Path of the token endpoint, below the base URL."""
    file_keys: tuple[Text, Text] | None = None
    """Names of id and secret in a JSON credentials file; none when there is no file."""
    manual: Flag = False
    """A token can be fetched by hand, too."""


class SdkEnvironment(Section):
    """Environment variables that are read when an argument is not given."""

    base_url: Variable | None = None
    """Base URL of the platform."""
    api_key: Variable | None = None
    """API key."""
    token: Variable | None = None
    """Bearer token."""
    client_id: Variable | None = None
    """Client identifier."""
    client_secret: Variable | None = None
    """Client secret."""
    credentials_file: Variable | None = None
    """Path of a JSON credentials file."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise refuse("names half a pair", "client_id and client_secret go together")
        return self


class SdkBrowser(Section):
    """The SDK's build for browsers."""

    driver: Text
    """ES module, relative to the profile, that exports `create(options)`, which returns
    a client, and `call(client)`; `{drivers}/` begins the name of a shipped one."""
    program: Command | None = None
    """Browser with the DevTools of Chromium; the machine's own when not given."""


class Sdk(Section):
    """A client library under judgement."""

    command: Command
    """Driver: program and arguments, run without a shell in an empty folder. `{python}`
    stands for the interpreter in TOLLPROOF_SDK_PYTHON, else tollproof's own,
    `{drivers}` for the folder of shipped drivers, `{profile}` for the profile's."""
    language: Text = "unknown"
    """What it is written in."""
    patience: Window = 30.0
    """Seconds that one request to the driver may take."""
    api_key: SdkApiKey | None = None
    """The API key, when there is such a mechanism."""
    token: SdkToken | None = None
    """The bearer token, when there is such a mechanism."""
    oauth: SdkOAuth | None = None
    """Client credentials, when there is such a mechanism."""
    order: tuple[SdkMechanism, ...] = ("api_key", "token", "oauth")
    """Which mechanism is used when several are given, the first one first."""
    environment: SdkEnvironment | None = None
    """Environment variables it reads."""
    open: Text | None = None
    """The API key that means: no credential at all."""
    masked: Regex | None = None
    """How a credential reads back from a client."""
    retries: Flag = False
    """A call that was throttled (429) is repeated."""
    max_retries: Flag = False
    """How often is an option, and 0 means never."""
    copies: Flag = False
    """A client, or its configuration, can be copied."""
    hosts: tuple[Text, ...] = ()
    """Domains that a base URL must belong to, such as "example.com"."""
    browser: SdkBrowser | None = None
    """Its build for browsers, where credentials are refused unless allowed."""

    @model_validator(mode="after")
    def _promises_something(self) -> Self:
        if not self.mechanisms:
            raise refuse(
                "names no mechanism",
                "add [sdk.api_key], [sdk.token] or [sdk.oauth]",
            )
        if len(set(self.order)) != len(self.order):
            raise refuse("ranks a mechanism twice", "name each of them once")
        return self

    @property
    def mechanisms(self) -> tuple[SdkMechanism, ...]:
        """The mechanisms it has, the one that is used first first."""
        return tuple(name for name in self.order if getattr(self, name) is not None)
