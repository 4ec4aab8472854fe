"""The profile as a whole: one deployment, its identities, its promises, our consent.

Knows the tables and the questions asked of them. Must not read a file or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from pydantic import Field, PrivateAttr, model_validator

from tollproof.profile import needs
from tollproof.profile.acts import (
    ClientLifecycle,
    Consent,
    Lifecycle,
    Places,
    WaiverField,
)
from tollproof.profile.identities import Identity
from tollproof.profile.promises import Promises
from tollproof.profile.sdk import Sdk
from tollproof.profile.target import Target
from tollproof.profile.values import Section, Text, refuse

#: The address of the platform that client SDKs are judged against.
SCRIPTED = "http://127.0.0.1"


class Profile(Section):
    """One deployment, or one client SDK, and what it promises.

    :func:`tollproof.profile.load.load_profile` makes one from a file; tests may use
    `Profile.model_validate(mapping)`.
    """

    name: Text
    """What the deployment is called in reports."""
    target: Target
    """Where it is."""
    identities: Mapping[str, Identity] = {}
    """Who calls it."""
    promises: Promises = Field(default_factory=Promises)
    """What it says is true."""
    sdk: Sdk | None = None
    """Instead of a target: a client SDK and what it promises."""
    lifecycle: Lifecycle | None = None
    """How keys are created and revoked."""
    client_lifecycle: ClientLifecycle | None = None
    """How clients of the token endpoint are created and revoked."""
    places: Places | None = None
    """Where secrets are looked for."""
    consent: Consent = Field(default_factory=Consent)
    """What tollproof may do."""
    waivers: tuple[WaiverField, ...] = ()
    """Failures that are accepted until a day."""

    _path: Path = PrivateAttr(default=Path("profile.toml"))
    _lines: Mapping[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)
    _notes: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _of_an_sdk(cls, data: Any) -> Any:
        """An SDK's target is a platform of ours, on loopback and on no fixed port."""
        if not isinstance(data, Mapping) or "sdk" not in data:
            return data
        if "target" in data:
            raise refuse(
                "is about a deployment and about an SDK",
                "give [sdk] a profile of its own, without [target]",
            )
        return {**data, "target": {"base_url": SCRIPTED, "environment": "development"}}

    @model_validator(mode="before")
    @classmethod
    def _name_identities(cls, data: Any) -> Any:
        identities = data.get("identities") if isinstance(data, Mapping) else None
        if not isinstance(identities, Mapping):
            return data
        named = {
            name: {**item, "name": name} if isinstance(item, Mapping) else item
            for name, item in identities.items()
        }
        return {**data, "identities": named}

    def model_post_init(self, context: Any) -> None:
        """Take what the file does not say about itself from the loader's context."""
        if isinstance(context, Mapping):
            self._path = context.get("path", self._path)
            self._lines = context.get("lines", self._lines)
            self._notes = context.get("notes", self._notes)

    @property
    def path(self) -> Path:
        """The file it was read from; files it names are relative to its folder."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder that files named in the profile are relative to."""
        return self._path.parent

    @property
    def lines(self) -> Mapping[tuple[str | int, ...], int]:
        """Line of each key and table in the file, by path."""
        return self._lines

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the reader about how the profile was understood."""
        return self._notes

    @property
    def openapi_source(self) -> str | None:
        """The OpenAPI document as a URL or as the path of a file, or None."""
        source = self.target.openapi
        if source is None or urlsplit(source).scheme in ("http", "https"):
            return source
        if source.startswith("/") and not Path(source).is_file():
            return urljoin(self.target.base_url + "/", source)
        return str(self.folder / source)

    def token_url(self, identity: Identity) -> str | None:
        """Return the token endpoint of an identity: its own or the promised one."""
        promised = self.promises.oauth
        return identity.token_url or (promised.token_url if promised else None)

    def has(self, dotted: str) -> bool:
        """Tell whether the profile has what a check needs.

        Raises:
            CatalogueError: no profile could have something of that name.
        """
        return needs.has(self, dotted)

    def why_not(self, dotted: str) -> str:
        """Say in a sentence what to add to the profile to meet a need.

        Raises:
            CatalogueError: no profile could have something of that name.
        """
        return needs.why_not(self, dotted)
