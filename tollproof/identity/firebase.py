"""Tokens minted with a test signing key: Firebase ID tokens, or any issuer's.

Knows which claims such a token has. Must not know how the target verifies it. The key
is a test issuer's, which the target trusts for as long as it is tested.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tollproof.identity.clock import TargetClock
from tollproof.identity.forge import SigningKey, mint
from tollproof.redaction import Credential, Redactor

#: Seconds a minted token lives; Firebase's live an hour.
LIFE = 3600.0
#: Seconds before its expiry from which a minted token is not used any more.
MARGIN = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What minted tokens have in common.

    Attributes:
        firebase: whether they have the claims of a Firebase ID token.
        claims: further claims, which replace those of the same name.
        life: seconds a token lives.
    """

    issuer: str
    audience: str
    subject: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    firebase: bool = True
    life: float = LIFE

    def at(self, now: float, subject: str = "") -> dict[str, Any]:
        """Return the claims of a token issued just before `now`, Unix seconds."""
        since, who = int(now) - 1, subject or self.subject
        full: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": who,
            "iat": since,
            "exp": since + int(self.life),
        }
        if self.firebase:
            full |= {
                "auth_time": since,
                "user_id": who,
                "firebase": {"identities": {}, "sign_in_provider": "custom"},
            }
        return full | dict(self.claims) | ({"sub": who} if subject else {})


@dataclass(slots=True)
class _State:
    lock: threading.Lock = field(default_factory=threading.Lock)
    credential: Credential | None = None
    until: float = 0.0
    key: SigningKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Minting:
    """The mechanism of an identity whose tokens are made here.

    Attributes:
        find_key: gives the signing key with the id under which it is published; asked
            once, since it may have to look that up.
    """

    name: str
    template: Template
    find_key: Callable[[], SigningKey] = field(repr=False)
    clock: TargetClock = field(repr=False)
    redactor: Redactor = field(repr=False)
    header: str = "Authorization"
    scheme: str = "Bearer"
    _state: _State = field(default_factory=_State, repr=False)

    @property
    def key(self) -> SigningKey:
        """The key that signs.

        Raises:
            Undetermined: its published id cannot be looked up.
        """
        with self._state.lock:
            return self._key()

    def _key(self) -> SigningKey:
        if self._state.key is None:
            self._state.key = self.find_key()
        return self._state.key

    def credential(self) -> Credential:
        """Return a token that is valid now by the target's clock.

        Raises:
            Undetermined: the published id of its key cannot be looked up.
        """
        state, now = self._state, self.clock.now()
        with state.lock:
            if state.credential is None or now >= state.until:
                state.credential = self._mint(now)
                state.until = now + max(self.template.life - MARGIN, 1.0)
            return state.credential

    def renew(self, refused: Credential) -> Credential:
        """Return another token than a refused one: the clock may be better known.

        Raises:
            Undetermined: as :meth:`credential`.
        """
        with self._state.lock:
            if self._state.credential == refused:
                self._state.credential = None
        return self.credential()

    def for_subject(self, subject: str) -> Credential:
        """Return a token for somebody else."""
        now = self.clock.now()
        with self._state.lock:
            return self._mint(now, subject)

    def _mint(self, now: float, subject: str = "") -> Credential:
        token = mint({"typ": "JWT"}, self.template.at(now, subject), self._key())
        label = f"{self.name}, token for another" if subject else self.name
        credential = Credential(label=label, value=token, kind="token")
        self.redactor.add(credential)
        return credential
