"""Which mechanism an identity calls with, made from its secrets.

Knows the documented order (API key, bearer token, client credentials), which the
profile's `Identity.mechanisms` states, and how each mechanism is built. Must not know
what any of them is sent to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tollproof.errors import UsageError
from tollproof.identity import Mechanism
from tollproof.identity.api_key import FixedCredential, without_scheme
from tollproof.profile.identities import Identity as Declared
from tollproof.profile.identities import Mechanism as Kind
from tollproof.profile.model import Profile
from tollproof.redaction import Credential, Redactor


def mechanism_of(
    declared: Declared,
    secrets: Mapping[str, str],
    *,
    profile: Profile,
    redactor: Redactor,
) -> Mechanism:
    """Return the mechanism that counts, its credential known to the redactor.

    Args:
        secrets: the identity's own resolved secrets, by field.
    """
    build = _BUILDERS[declared.mechanisms[0]]
    return build(declared, secrets, profile, redactor)


Builder = Callable[[Declared, Mapping[str, str], Profile, Redactor], Mechanism]


def _api_key(
    declared: Declared,
    secrets: Mapping[str, str],
    profile: Profile,
    redactor: Redactor,
) -> Mechanism:
    keys = profile.promises.keys
    credential = Credential(
        label=declared.name,
        value=without_scheme(secrets["key"], declared.scheme),
        public_prefix=keys.prefix if keys else "",
        kind="key",
    )
    redactor.add(credential)
    return FixedCredential(
        value=credential, header=declared.header, scheme=declared.scheme
    )


def _bearer_token(
    declared: Declared,
    secrets: Mapping[str, str],
    profile: Profile,
    redactor: Redactor,
) -> Mechanism:
    credential = Credential(
        label=declared.name,
        value=without_scheme(secrets["token"], "Bearer"),
        kind="token",
    )
    redactor.add(credential)
    return FixedCredential(value=credential, header=declared.header, scheme="Bearer")


def _unsupported(
    declared: Declared,
    secrets: Mapping[str, str],
    profile: Profile,
    redactor: Redactor,
) -> Mechanism:
    raise UsageError(
        f"identities.{declared.name}: this version cannot call with {declared.kind!r}"
    )


_BUILDERS: Mapping[Kind, Builder] = {
    Kind.API_KEY: _api_key,
    Kind.TOKEN: _bearer_token,
    Kind.FIREBASE: _unsupported,
    Kind.OAUTH: _unsupported,
}
