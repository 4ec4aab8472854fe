"""The `[target]` table: where the deployment is and what may be asked of it.

Knows the operations as the profile states them. Must not read the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, model_validator

from tollproof.profile.values import (
    Flag,
    Flaw,
    HeaderName,
    MediaType,
    Method,
    PathTemplate,
    PathValue,
    Pattern,
    PlainUrl,
    ProxyUrl,
    SecretRef,
    Section,
    Text,
    Url,
    flawed,
    label_matches,
    refuse,
)

Environment = Literal["development", "staging", "production"]


class Tls(Section):
    """How TLS connections to the target are made."""

    ca: Text | None = None
    """File of certificate authorities to trust, PEM, relative to the profile."""
    certificate: Text | None = None
    """Client certificate, PEM, relative to the profile."""
    key: SecretRef | None = None
    """Private key of the client certificate: a file, PEM."""
    verify: Flag = True
    """Whether the target's certificate is verified."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        flaws = []
        if self.key and not self.key.file:
            flaws.append(
                Flaw("key", "is not a file", 'write key = { file = "client.key" }')
            )
        if self.key and not self.certificate:
            flaws.append(
                Flaw("key", "has no certificate", 'add certificate = "client.pem"')
            )
        if flaws:
            raise flawed(flaws)
        return self


class DeclaredOperation(Section):
    """An operation declared by hand, instead of or beside the OpenAPI document."""

    method: Method
    """HTTP method, in capitals."""
    path: PathTemplate
    """Path template below `base_url`, such as `/things/{id}`."""
    body: Any = None
    """Example request body, sent as JSON."""
    body_text: str | None = None
    """Example request body that is not JSON; says `content_type` too."""
    content_type: MediaType | None = None
    """Media type of the body; application/json for `body`."""
    query: Mapping[str, PathValue] = {}
    """Query parameters of the example request."""
    headers: Mapping[HeaderName, str] = {}
    """Further header fields of the example request; never a credential."""
    public: Flag = False
    """Whether it needs no credential."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and self.body_text is not None:
            raise refuse("has two bodies", "keep body or body_text, not both")
        if self.body_text is not None and self.content_type is None:
            raise refuse(
                "has a body_text of unknown type",
                'add content_type = "text/plain" or what it is',
            )
        return self

    @property
    def label(self) -> str:
        """The name operations go by: `"POST /things"`."""
        return f"{self.method} {self.path}"


class Target(Section):
    """One deployment of the API."""

    base_url: Url
    """Where it answers; the command line and TOLLPROOF_BASE_URL override it."""
    http_url: PlainUrl | None = None
    """The plain-HTTP twin of an https `base_url`, which must not take credentials."""
    replicas: tuple[Url, ...] = ()
    """Addresses of single instances, to see whether they share their counters."""
    environment: Environment = "production"
    """What it is for; when not said, it is treated as production."""
    openapi: Text | None = None
    """OpenAPI 3 document, JSON or YAML: a file beside the profile, a path of the
    target (`/openapi.json`) or a URL."""
    public: tuple[Pattern, ...] = ()
    """Operations that need no credential: `"GET /health"`, `"GET /docs/*"`. Where some
    are named, these alone; else those of which the document asks none."""
    exclude: tuple[Pattern, ...] = ()
    """Operations that are never touched."""
    read_only: tuple[Pattern, ...] = ()
    """Operations with an unsafe method that change nothing, so need no consent."""
    path_parameters: Mapping[str, PathValue | Mapping[str, PathValue]] = {}
    """Values for path templates, by name; a table under a key such as
    `"GET /things/{id}"` holds for that operation alone."""
    timeout: Annotated[float, Strict(), Field(gt=0, le=600)] = 10.0
    """Seconds to wait for one response."""
    proxy: ProxyUrl | None = None
    """Proxy through which every request goes."""
    tls: Tls = Field(default_factory=Tls)
    """How TLS connections are made."""
    operations: tuple[DeclaredOperation, ...] = ()
    """Operations declared by hand."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        flaws = [
            Flaw(
                f"path_parameters.{key}",
                "is a table of values, but its key names no operation",
                'write the key as "GET /things/{id}"',
            )
            for key, value in self.path_parameters.items()
            if not isinstance(value, str) and not _is_label(key)
        ]
        if self.http_url and not self.base_url.startswith("https://"):
            flaws.append(
                Flaw(
                    "http_url",
                    "is the plain twin of an https base_url, and base_url is not https",
                    "leave http_url out, or write base_url with https://",
                )
            )
        if flaws:
            raise flawed(flaws)
        return self

    def is_public(self, label: str) -> bool:
        """Tell whether the profile says that an operation needs no credential."""
        return any(label_matches(pattern, label) for pattern in self.public) or any(
            item.public for item in self.operations if item.label == label
        )

    def is_excluded(self, label: str) -> bool:
        """Tell whether an operation must never be touched."""
        return any(label_matches(pattern, label) for pattern in self.exclude)

    def is_read_only(self, label: str) -> bool:
        """Tell whether an operation changes nothing: safe method, or said so."""
        method = label.partition(" ")[0]
        return method in ("GET", "HEAD", "OPTIONS", "TRACE") or any(
            label_matches(pattern, label) for pattern in self.read_only
        )

    def parameters_for(self, label: str) -> Mapping[str, str]:
        """Return the path parameter values for one operation, its own winning."""
        common = {k: v for k, v in self.path_parameters.items() if isinstance(v, str)}
        own = self.path_parameters.get(label, {})
        return common if isinstance(own, str) else {**common, **own}


def _is_label(key: str) -> bool:
    return key.partition(" ")[2].startswith("/")
