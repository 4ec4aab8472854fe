"""Bearer tokens that are no API keys: ID tokens of users, access tokens of clients.

Knows which is which, and who stands behind each. The form of the field is that of
`credentials`; a token anywhere else is no credential at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tollproof.reference.sparkient.keys import Principal
from tollproof.reference.sparkient.messages import Call
from tollproof.reference.sparkient.oauth import PREFIX, TokenEndpoint
from tollproof.reference.sparkient.tokens import LONGEST, TokenRefused, TokenVerifier
from tollproof.reference.sparkient.users import UserStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearers:
    """Whoever comes with a token.

    Attributes:
        strays: where else a token is looked for; nowhere in a correct deployment.
    """

    verifier: TokenVerifier
    users: UserStore
    endpoint: TokenEndpoint
    strays: tuple[Callable[[Call], Iterable[bytes]], ...] = ()

    async def identify(self, call: Call, now: float) -> Principal | None:
        """Return whose token a request carries, provisioning a user who is new."""
        raw = _presented(call)
        for place in self.strays if not raw else ():
            raw = next((item.decode("latin-1") for item in place(call)), "")
        if raw.startswith(PREFIX):
            return self.endpoint.identify(raw, now)
        if "." not in raw:
            return None
        try:
            # The issuer may have to be asked, which may take its time.
            claims = await asyncio.to_thread(self.verifier.verify, raw, now)
        except TokenRefused:
            return None
        return self.users.login(claims, now)


def _presented(call: Call) -> str:
    values = call.values(b"authorization")
    scheme, _, token = (values[0] if len(values) == 1 else b"").strip().partition(b" ")
    token = token.strip()
    # A token with a foreign character is not of the form that RFC 6750, 2.1 gives, but
    # it is the verifier's to say so.
    known = scheme.lower() == b"bearer" and len(token) <= LONGEST
    return token.decode("latin-1") if known else ""
