"""What can be done, and said, about a credential that was refused.

Knows which mechanisms can come by another credential, and what a token gives away of
why it was refused. Must not ask the target anything.
"""

from __future__ import annotations

from tollproof.identity import Identity
from tollproof.identity.firebase import Minting
from tollproof.identity.oauth import ClientCredentials
from tollproof.identity.token import FIREBASE_CLAIMS, Expected, diagnose
from tollproof.profile.model import Profile


def renewed(identity: Identity) -> bool:
    """Get an identity another credential, once it was answered 401.

    Returns:
        Whether there is another one; false for a fixed credential.

    Raises:
        Undetermined: none can be had; says why.
    """
    mechanism = identity.mechanism
    if not isinstance(mechanism, Minting | ClientCredentials):
        return False
    refused = mechanism.credential()
    return mechanism.renew(refused) != refused


def why_refused(identity: Identity, profile: Profile, now: float) -> str:
    """Say what is wrong with an identity's token, or nothing if that cannot be seen.

    Args:
        now: the target's time, Unix seconds.
    """
    promised = profile.promises.tokens
    firebase = identity.declared.kind == "firebase"
    expected = Expected(
        now=now,
        issuer=promised.issuer if promised else "",
        audience=promised.audience if promised else "",
        algorithms=promised.algorithms if promised else (),
        signed=firebase,
        claims=FIREBASE_CLAIMS if firebase else (),
    )
    credential = identity.mechanism.credential()
    if credential.kind != "token" or isinstance(identity.mechanism, ClientCredentials):
        return ""
    return " ".join(diagnose(credential.value, expected))
