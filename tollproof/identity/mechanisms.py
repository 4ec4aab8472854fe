"""Which mechanism an identity calls with, made from its secrets.

Knows the documented order (API key, bearer token, client credentials), which the
profile's `Identity.mechanisms` states, and how each mechanism is built. Must not know
what any of them is sent to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tollproof.errors import Undetermined, UsageError
from tollproof.identity import Mechanism
from tollproof.identity.api_key import FixedCredential, without_scheme
from tollproof.identity.clock import TargetClock
from tollproof.identity.fetching import Fetcher
from tollproof.identity.firebase import LIFE, Minting, Template
from tollproof.identity.forge import SigningKey, read_key, thumbprint
from tollproof.identity.oauth import Client, ClientCredentials
from tollproof.identity.published import PublishedKey, read_published
from tollproof.model import Reason
from tollproof.profile.identities import Identity as Declared
from tollproof.profile.identities import Mechanism as Kind
from tollproof.profile.model import Profile
from tollproof.redaction import Credential, Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What mechanisms are made with.

    Attributes:
        fetcher: asks token endpoints and issuers.
        clock: the target's.
    """

    profile: Profile
    redactor: Redactor
    fetcher: Fetcher
    clock: TargetClock


def mechanism_of(
    declared: Declared, secrets: Mapping[str, str], around: Surroundings
) -> Mechanism:
    """Return the mechanism that counts, its secrets known to the redactor.

    Args:
        secrets: the identity's own resolved secrets, by field.

    Raises:
        UsageError: a secret is not what it should be, or the profile says too little.
    """
    return _BUILDERS[declared.mechanisms[0]](declared, secrets, around)


Builder = Callable[[Declared, Mapping[str, str], Surroundings], Mechanism]


def _api_key(
    declared: Declared, secrets: Mapping[str, str], around: Surroundings
) -> Mechanism:
    keys = around.profile.promises.keys
    credential = Credential(
        label=declared.name,
        value=without_scheme(secrets["key"], declared.scheme),
        public_prefix=keys.prefix if keys else "",
        kind="key",
    )
    around.redactor.add(credential)
    return FixedCredential(
        value=credential, header=declared.header, scheme=declared.scheme
    )


def _bearer_token(
    declared: Declared, secrets: Mapping[str, str], around: Surroundings
) -> Mechanism:
    credential = Credential(
        label=declared.name,
        value=without_scheme(secrets["token"], "Bearer"),
        kind="token",
    )
    around.redactor.add(credential)
    return FixedCredential(value=credential, header=declared.header, scheme="Bearer")


def _firebase(
    declared: Declared, secrets: Mapping[str, str], around: Surroundings
) -> Mechanism:
    if "id_token" in secrets:
        credential = Credential(
            label=declared.name,
            value=without_scheme(secrets["id_token"], "Bearer"),
            kind="token",
        )
        around.redactor.add(credential)
        return FixedCredential(
            value=credential, header=declared.header, scheme="Bearer"
        )
    return _minting(declared, secrets, around)


def _minting(
    declared: Declared, secrets: Mapping[str, str], around: Surroundings
) -> Minting:
    """Return the mechanism that makes tokens with a test signing key."""
    promised = around.profile.promises.tokens
    if promised is None:
        raise UsageError(
            f"identities.{declared.name}: tokens can be minted only when "
            "[promises.tokens] says for which issuer and audience"
        )
    try:
        key = read_key(
            secrets["signing_key"],
            key_id=declared.key_id or "",
            algorithms=promised.algorithms,
        )
    except ValueError as error:
        raise UsageError(f"identities.{declared.name}.signing_key: {error}") from None
    around.redactor.add(
        Credential(
            label=f"{declared.name}, signing key",
            value=secrets["signing_key"],
            kind="secret",
        )
    )
    url = promised.certificates or promised.jwks

    def find_key() -> SigningKey:
        if key.key_id or url is None:
            return key
        published = read_keys(around.fetcher, url)
        mine = thumbprint(key.public)
        found = [item for item in published if thumbprint(item.key) == mine]
        if not found:
            raise Undetermined(
                Reason.PRECONDITION,
                f"The signing key of {declared.name} is not among the "
                f"{len(published)} keys that the issuer publishes.",
            )
        return replace(key, key_id=found[0].key_id)

    return Minting(
        name=declared.name,
        header=declared.header,
        template=Template(
            issuer=promised.issuer,
            audience=promised.audience,
            subject=declared.subject or declared.name,
            claims=declared.claims,
            firebase=declared.kind == "firebase",
            life=min(promised.max_age or LIFE, LIFE),
        ),
        find_key=find_key,
        clock=around.clock,
        redactor=around.redactor,
    )


def _client_credentials(
    declared: Declared, secrets: Mapping[str, str], around: Surroundings
) -> Mechanism:
    url = around.profile.token_url(declared)
    if url is None:
        raise UsageError(
            f"identities.{declared.name}: has no token endpoint; add token_url to it, "
            "or to [promises.oauth]"
        )
    around.redactor.add(
        Credential(
            label=f"{declared.name}, client secret",
            value=secrets["client_secret"],
            kind="secret",
        )
    )
    return ClientCredentials(
        name=declared.name,
        client=Client(
            url=url,
            id=secrets["client_id"],
            secret=secrets["client_secret"],
            scope=declared.scope,
            method=declared.auth_method,
        ),
        fetcher=around.fetcher,
        redactor=around.redactor,
        header=declared.header,
    )


def read_keys(fetcher: Fetcher, url: str) -> tuple[PublishedKey, ...]:
    """Return the keys an issuer publishes.

    Raises:
        Undetermined: they cannot be had, or are none; says why.
    """
    try:
        return read_published(fetcher.get_json(url, "The issuer's key document"))
    except ValueError as error:
        raise Undetermined(Reason.PRECONDITION, f"{url}: {error}.") from None


_BUILDERS: Mapping[Kind, Builder] = {
    Kind.API_KEY: _api_key,
    Kind.TOKEN: _bearer_token,
    Kind.FIREBASE: _firebase,
    Kind.OAUTH: _client_credentials,
}
