"""Every attack on a token that the suite knows.

At least jwt_tool's playbook, exploits and claim modes, and what it cannot do: tokens
signed with a key that the target trusts and wrong in one claim. Each group is judged
by one check, `tokens.GROUP`; the lists themselves are in the modules beside this.
"""

from __future__ import annotations

from tollproof.identity.attack import Attack
from tollproof.identity.claim_attacks import BENIGN, CLAIM_ATTACKS
from tollproof.identity.key_attacks import KEY_ATTACKS
from tollproof.identity.malformed import MALFORMED
from tollproof.identity.signature_attacks import EMULATOR, SIGNATURE_ATTACKS

__all__ = ["ATTACKS", "BENIGN", "EMULATOR", "MALFORMED", "of_group"]

ATTACKS: tuple[Attack, ...] = (
    EMULATOR,
    *SIGNATURE_ATTACKS,
    *KEY_ATTACKS,
    *CLAIM_ATTACKS,
)


def of_group(group: str) -> tuple[Attack, ...]:
    """Return the attacks of a group, in the order of the list.

    Raises:
        KeyError: there is no such group.
    """
    found = tuple(item for item in ATTACKS if item.group == group)
    if not found:
        raise KeyError(group)
    return found
