"""Who is calling: the Authorization field, read strictly.

RFC 6750, 2.1 for the form, RFC 9110, 11.4 for the scheme. A key anywhere else is no
credential at all.
"""

from __future__ import annotations

import re
from enum import StrEnum

from tollproof.reference.sparkient.keys import KeyStore, Principal
from tollproof.reference.sparkient.messages import Call

#: RFC 9110, 11.2: what may stand after the scheme when it is one token.
TOKEN68 = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")
#: Longer than any key; what is longer is hashed no further.
LONGEST = 512


class Refusal(StrEnum):
    """Why a caller is unknown; the challenge depends on nothing else."""

    MISSING = "missing"
    INVALID = "invalid"


def authenticate(
    call: Call, keys: KeyStore, now: float
) -> tuple[Principal | None, Refusal | None]:
    """Return who is calling, or why that is not known.

    Exactly one of the two is None. A principal with a flaw is returned as such: the
    caller of this function refuses it as it refuses the unknown.
    """
    values = call.values(b"authorization")
    if len(values) > 1:
        return None, Refusal.INVALID
    value = values[0].strip(b" \t") if values else b""
    if not value:
        return None, Refusal.MISSING
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"bearer":
        # RFC 6750, 3.1: "attempted using an unsupported authentication method" is the
        # same as no authentication information.
        return None, Refusal.MISSING if b" " in value else Refusal.INVALID
    token = token.lstrip(b" ")
    well_formed = len(token) <= LONGEST and TOKEN68.fullmatch(token) is not None
    # What is malformed is looked up and hashed all the same: as slow as the unknown.
    principal = keys.verify(token[:LONGEST].decode("latin-1"), now)
    if principal is None or not well_formed:
        return None, Refusal.INVALID
    return principal, None
