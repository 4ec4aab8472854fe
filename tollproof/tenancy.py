"""Telling one organisation's data from another's: what the checks of tenancy share.

Knows how to show that an owner sees its object, which texts are its alone, and how a
refusal may give an object's existence away. Must not judge.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tollproof.access import Cell
from tollproof.client import Probe
from tollproof.errors import Undetermined
from tollproof.experiment import Reading, aimed, leaves, read, telling
from tollproof.identity import Identity
from tollproof.model import Exchange, Reason
from tollproof.operations import Operation
from tollproof.target import Target

#: Names under which organisations are given by callers that guess.
FIELDS = (
    "X-Organization-Id",
    "X-Organisation-Id",
    "X-Organization",
    "X-Org-Id",
    "X-Tenant-Id",
    "X-Tenant",
    "X-Account-Id",
)
NAMES = (
    "organization_id",
    "organisation_id",
    "organization",
    "organisation",
    "org_id",
    "org",
    "tenant_id",
    "tenant",
    "account_id",
    "organizationId",
    "organisationId",
    "orgId",
    "tenantId",
    "accountId",
)
#: Header fields that differ from one answer to the next, whatever is asked.
_FLEETING = frozenset(
    {
        "date",
        "age",
        "content-length",
        "etag",
        "x-request-id",
        "x-correlation-id",
        "x-trace-id",
        "traceparent",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "ratelimit",
        "retry-after",
    }
)


def owner_of(cell: Cell) -> Identity:
    """Return the owner of a cell that has one.

    Raises:
        LookupError: it has none.
    """
    if cell.owner is None:
        raise LookupError(f"{cell.label} asks for nobody's object")
    return cell.owner


def owned(target: Target, cell: Cell) -> Reading:
    """Show once that the owner itself is answered with a success.

    Raises:
        Undetermined: it is not, so a stranger's refusal tells nothing.
    """
    owner = owner_of(cell)

    def look() -> Reading:
        target.deployment.preflight(owner, target.check)
        purpose = f"control: {owner.name}, whose it is"
        reading = read(
            target, aimed(target, cell.operation, caller=owner, purpose=purpose)
        )
        if reading.found:
            return reading
        raise Undetermined(
            Reason.PRECONDITION,
            f"{cell.operation.label} answers {reading.exchange.status} even to "
            f"{owner.name}, whose object it is; does it still exist (owns in the "
            "profile)?",
            reading.exchange.id,
        )

    return target.deployment.once(("owned", cell.operation.label, owner.name), look)


def secrets_of(target: Target, cell: Cell, reading: Reading) -> frozenset[str]:
    """Return the texts of the owner's answer that the stranger's own does not have.

    Ids of the object and the organisation's name do not count: a refusal may repeat
    what was asked for.
    """
    owner = owner_of(cell)
    own = telling(reading.document())
    try:
        theirs = telling(
            read(target, aimed(target, cell.operation, caller=cell.identity)).document()
        )
    except LookupError:
        theirs = frozenset()
    return own - theirs - set(owner.owns.values()) - {owner.organisation}


def given_away(reading: Reading, secrets: frozenset[str]) -> tuple[str, ...]:
    """Return which of the texts an answer holds, in order."""
    body = reading.body.decode("utf-8", "replace")
    document = set(leaves(reading.document()))
    return tuple(
        sorted(text for text in secrets if text in document or f'"{text}"' in body)
    )


def other_id(value: str, seed: int) -> str:
    """Return an id of the same form that nothing has: its letters and digits redrawn.

    A prefix up to the last separator stays; so does what is not alphanumeric. A short
    number becomes a long one: somebody may have each of the others.
    """
    chance = random.Random(f"{seed} {value}")
    if value.isascii() and value.isdigit():
        length = len(value) if len(value) > 4 else 9
        first = chance.choice("123456789".replace(value[0], ""))
        return first + "".join(chance.choices(string.digits, k=length - 1))
    cut = max(value.rfind("_"), value.rfind("-") if "_" not in value else -1) + 1
    if "-" in value and "_" not in value:
        cut = 0  # a UUID: every group is drawn anew
    hexadecimal = all(letter in "0123456789abcdef-" for letter in value[cut:])

    def redrawn(letter: str) -> str:
        if letter.isdigit() and not hexadecimal:
            return chance.choice(string.digits)
        if hexadecimal and letter != "-":
            return chance.choice("0123456789abcdef")
        if letter.isalpha():
            pool = (
                string.ascii_uppercase if letter.isupper() else string.ascii_lowercase
            )
            return chance.choice(pool)
        return letter

    drawn = value[:cut] + "".join(map(redrawn, value[cut:]))
    return drawn if drawn != value else f"{value}0"


def absent(target: Target, cell: Cell) -> tuple[Probe, Mapping[str, str]]:
    """Return a request for an object that nobody has, and which ids it replaces."""
    owner = owner_of(cell)
    probe = aimed(
        target,
        cell.operation,
        caller=cell.identity,
        owner=owner,
        purpose="an object that nobody has",
    )
    replaced = {
        owner.owns[name]: other_id(owner.owns[name], target.seed)
        for name in cell.operation.parameters
        if name in owner.owns
    }
    segments, mark, query = probe.target.partition("?")
    path = "/".join(replaced.get(one, one) for one in segments.split("/"))
    return replace(probe, target=path + mark + query), replaced


def unlike(one: Exchange, other: Exchange, replaced: Mapping[str, str]) -> str:
    """Say how two refusals differ, or nothing.

    Args:
        replaced: ids of the first → ids of the second, which are not a difference.
    """
    if one.status != other.status:
        return f"{one.status} and {other.status}"
    first, second = one.response, other.response
    if first is None or second is None:
        return ""
    body, expected = first.body, second.body
    for old, new in replaced.items():
        body, expected = _without(body, old), _without(expected, new)
    if body != expected:
        return f"{body[:150]!r} and {expected[:150]!r}"
    fields = [
        {
            (name.lower(), value)
            for name, value in response.headers
            if name.lower() not in _FLEETING
        }
        for response in (first, second)
    ]
    if different := fields[0] ^ fields[1]:
        return "the field " + ", ".join(sorted({name for name, _ in different}))
    return ""


def _without(text: str, value: str) -> str:
    """Return a text without an id where that stands by itself: the 4 of 404 stays."""
    return re.sub(rf"(?<![0-9A-Za-z]){re.escape(value)}(?![0-9A-Za-z])", "ID", text)


def overrides(probe: Probe, organisation: str) -> Iterator[Probe]:
    """Yield a request that names another organisation, in every place for it."""
    for name in FIELDS:
        yield replace(
            probe,
            headers=(*probe.headers, (name, organisation)),
            purpose=f"in the field {name}",
        )
    joint = "&" if "?" in probe.target else "?"
    for name in NAMES:
        yield replace(
            probe,
            target=f"{probe.target}{joint}{name}={organisation}",
            purpose=f"by ?{name}=",
        )


def listing_operations(target: Target) -> tuple[Operation, ...]:
    """Return the protected operations that read what is not one object."""
    return tuple(
        item
        for item in target.operations
        if item.method == "GET" and not item.parameters and not item.public
    )
