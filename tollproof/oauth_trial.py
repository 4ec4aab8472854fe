"""Asking a token endpoint for what it should refuse: what the suite `oauth` shares.

Knows the form of a token request and how its answer holds a credential, which is given
to the redactor before anything of it is kept. Must not know which answer is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from tollproof.client import Headers, Probe, origin_of
from tollproof.declare import not_applicable
from tollproof.errors import Undetermined
from tollproof.identity import Identity
from tollproof.identity.oauth import FORM, Client, ClientCredentials, basic
from tollproof.model import Exchange, Reason, Verdict
from tollproof.operations import Operation
from tollproof.redaction import Credential
from tollproof.target import Target

#: Members of an answer that are credentials.
GRANTED = ("access_token", "refresh_token", "id_token")
Pairs = Sequence[tuple[str, str]]


class NoEndpoint(Exception):
    """The check does not apply; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A token request and its answer.

    Attributes:
        document: the answer as a JSON object, with whatever was granted; empty when it
            is none.
    """

    exchange: Exchange
    document: Mapping[str, Any] = field(repr=False)

    @property
    def token(self) -> str | None:
        """The access token, when one was granted."""
        token = self.document.get("access_token")
        granted = 200 <= self.exchange.status < 300 and isinstance(token, str)
        return token if granted and token else None

    @property
    def error(self) -> str | None:
        """The error code (RFC 6749, 5.2), when it is a text."""
        code = self.document.get("error")
        return code if isinstance(code, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A token endpoint and a client that is registered there.

    Attributes:
        who: what the client is called, where it is not the identity's own.
    """

    target: Target
    identity: Identity
    client: Client
    who: str = ""

    @property
    def name(self) -> str:
        """What the client is called in the record."""
        return self.who or self.identity.name

    def form(self, **changes: str | None) -> list[tuple[str, str]]:
        """Return the parameters of a right request, some changed or, by None, left out.

        The client's credentials are among them where it sends them so.
        """
        form: dict[str, str | None] = {"grant_type": "client_credentials"}
        if self.client.scope:
            form["scope"] = " ".join(self.client.scope)
        if self.client.method == "client_secret_post":
            form |= {"client_id": self.client.id, "client_secret": self.client.secret}
        form |= changes
        return [(name, value) for name, value in form.items() if value is not None]

    def headers(self) -> Headers:
        """Return the header fields of a right request."""
        fields: Headers = (("Content-Type", FORM), ("Accept", "application/json"))
        if self.client.method == "client_secret_basic":
            fields += (("Authorization", basic(self.client.id, self.client.secret)),)
        return fields

    def as_client(self, name: str, secret: str | None) -> tuple[Pairs, Headers]:
        """Return form and fields of a request by other client credentials."""
        plain: Headers = (("Content-Type", FORM), ("Accept", "application/json"))
        if self.client.method == "client_secret_basic":
            shown = basic(name, secret or "")
            return self.form(), (*plain, ("Authorization", shown))
        return self.form(client_id=name, client_secret=secret), plain

    def ask(
        self,
        form: Pairs | bytes,
        headers: Headers | None = None,
        *,
        purpose: str,
        method: str = "POST",
        query: str = "",
    ) -> Asked:
        """Send one token request.

        Raises:
            Undetermined: no answer, throttled, or the budget is spent.
        """
        where = urlsplit(self.client.url)
        document: dict[str, Any] = {}
        label = f"{self.name}, {purpose}"

        def take(body: bytes) -> None:
            try:
                found = json.loads(body)
            except (ValueError, RecursionError):
                return
            if isinstance(found, dict):
                document.update(found)
            for name in GRANTED:
                value = document.get(name)
                if isinstance(value, str) and value:
                    self.target.deployment.redactor.add(
                        Credential(label=label, value=value, kind="token")
                    )

        body = form if isinstance(form, bytes) else urlencode(form).encode("ascii")
        exchange = self.target.send(
            Probe(
                method=method,
                origin=origin_of(self.client.url),
                target=(where.path or "/") + (f"?{query}" if query else ""),
                headers=self.headers() if headers is None else headers,
                body=b"" if method == "GET" else body,
                identity=self.name,
                purpose=purpose,
                take=take,
            )
        )
        return Asked(exchange=exchange, document=document)

    def grant(self, purpose: str = "control: a right request") -> Asked:
        """Ask rightly.

        Raises:
            Undetermined: no token is granted, so no refusal tells anything.
        """
        asked = self.ask(self.form(), purpose=purpose)
        if asked.token is None:
            raise Undetermined(
                Reason.PRECONDITION,
                f"The token endpoint answers {asked.exchange.status} even to a right "
                f"request of {self.name}.",
                asked.exchange.id,
            )
        return asked

    def control(self) -> Asked:
        """Ask rightly, once in a run.

        Raises:
            Undetermined: no token is granted.
        """
        return self.target.deployment.once(
            ("oauth-control", self.identity.name), self.grant
        )


def endpoints(target: Target, *states: str) -> list[Endpoint]:
    """Return the token endpoint as each client of the profile uses it."""
    return [
        Endpoint(target=target, identity=identity, client=identity.mechanism.client)
        for identity in target.identities(*(states or ("live",)))
        if isinstance(identity.mechanism, ClientCredentials)
    ]


def endpoint(target: Target) -> Endpoint:
    """Return the token endpoint as the first live client uses it.

    Raises:
        NoEndpoint: every client of the profile calls with something else.
    """
    found = endpoints(target)
    if not found:
        raise NoEndpoint(
            "Every identity with client credentials has another credential that is "
            "used before them."
        )
    return found[0]


def let_in_at(at: Endpoint) -> Operation:
    """Return an operation in which the client's identity was seen to be let in.

    Raises:
        Undetermined: it is let in nowhere.
    """
    seen = at.target.deployment.preflight(at.identity, at.target.check)
    return next(item for item in at.target.operations if item.label == seen.operation)


def judging(procedure: Callable[[], Verdict]) -> Verdict:
    """Turn :class:`NoEndpoint` into the verdict it stands for."""
    try:
        return procedure()
    except NoEndpoint as none:
        return not_applicable(str(none))
