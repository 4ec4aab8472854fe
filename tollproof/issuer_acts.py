"""What a test issuer does at the profile's word: sign with a new key, withdraw one.

Knows the profile's commands and the JSON one of them prints. Must not judge. A command
that does not do it is undetermined; a private key is known to the redactor at once.
"""

from __future__ import annotations

import json
import os

from tollproof.deployment import Deployment
from tollproof.errors import Undetermined
from tollproof.identity.forge import SigningKey, read_key
from tollproof.model import Reason
from tollproof.profile.promises import Tokens
from tollproof.programs import ProgramFailed, output_of
from tollproof.redaction import Credential

#: Bytes of a command's output that are read.
LARGEST = 65_536


def rotate(deployment: Deployment) -> SigningKey:
    """Make the issuer sign with a new key, and return that.

    Raises:
        Undetermined: the profile names no command for it, or that does not do it.
    """
    promised = _promised(deployment)
    printed = _run(deployment, promised.rotate, "rotate")
    try:
        document = json.loads(printed)
        pem, key_id = document["key"], document["kid"]
        deployment.redactor.add(
            Credential(label="the issuer's new key", value=pem, kind="secret")
        )
        return read_key(pem, key_id=key_id, algorithms=promised.algorithms)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Undetermined(
            Reason.PRECONDITION,
            "promises.tokens.rotate does not print JSON with kid and key, in PEM.",
        ) from None


def retire(deployment: Deployment, key: SigningKey) -> None:
    """Make the issuer withdraw a key.

    Raises:
        Undetermined: the profile names no command for it, or that fails.
    """
    command = _promised(deployment).retire
    filled = tuple(word.replace("{kid}", key.key_id) for word in command or ())
    _run(deployment, filled, "retire")


def _promised(deployment: Deployment) -> Tokens:
    promised = deployment.profile.promises.tokens
    if promised is None:
        raise Undetermined(
            Reason.PRECONDITION, "The profile has no [promises.tokens] table: add it."
        )
    return promised


def _run(deployment: Deployment, command: tuple[str, ...] | None, name: str) -> bytes:
    if not command:
        raise Undetermined(
            Reason.PRECONDITION, f"The profile has no promises.tokens.{name}: add it."
        )
    try:
        printed, _ = output_of(
            command,
            folder=deployment.profile.folder,
            limit=LARGEST,
            environ=dict(os.environ),
        )
    except ProgramFailed as error:
        raise Undetermined(
            Reason.PRECONDITION, f"promises.tokens.{name}: {error}."
        ) from None
    return printed
