"""Roles that a caller only claims.

CWE-807: "The product uses a protection mechanism that relies on the existence or values
of an input, but the input can be modified by an untrusted actor."
"""

import json
from collections.abc import Iterator
from dataclasses import replace

from tollproof import (
    API,
    ASVS,
    CWE,
    Probe,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    passed,
)
from tollproof.access import Cell
from tollproof.experiment import aimed, attempt, must_be_refused

FIELDS = (
    ("X-Role", "admin"),
    ("X-User-Role", "admin"),
    ("X-Roles", "admin"),
    ("X-Admin", "true"),
    ("X-Is-Admin", "true"),
    ("X-Scope", "admin"),
    ("Cookie", "role=admin; admin=true"),
)
QUERIES = ("role=admin", "admin=true", "is_admin=1", "scope=admin")
MEMBERS = {"role": "admin", "is_admin": True, "admin": True, "scope": "admin"}


@check(
    id="authorization.claimed-role",
    title="A role that the caller claims for itself grants nothing",
    severity=Severity.CRITICAL,
    references=(
        CWE(807),
        CWE(639),
        API(3, 2023),
        API(5, 2023),
        ASVS("5.0.0", "8.3.1"),
    ),
    remediation="Take the role from the verified credential and from nowhere else.",
    needs=("identity.limited",),
)
def test_claimed_role(target: Target, denied_cell: Cell) -> Verdict:
    """Fields meant for the way from the gateway to the service arrive from outside."""
    plain = attempt(target, denied_cell).exchange
    must_be_refused(plain, "authorization.refused")
    bare = aimed(target, denied_cell.operation, caller=denied_cell.identity)
    exchanges = target.answers(_claims(bare))
    let_in = [item for item in exchanges if item.status < 300]
    if let_in:
        return failed(
            f"{denied_cell.identity.name} is let in by claiming a role "
            f"{let_in[0].purpose}.",
            *let_in[:5],
            plain,
            expected=f"{plain.status}, as without the claim",
            actual=str(let_in[0].status),
        )
    return passed(f"None of {len(exchanges)} claimed roles is believed.", plain)


def _claims(bare: Probe) -> Iterator[Probe]:
    for name, value in FIELDS:
        yield replace(
            bare,
            headers=(*bare.headers, (name, value)),
            purpose=f"in the field {name}",
        )
    joint = "&" if "?" in bare.target else "?"
    for query in QUERIES:
        yield replace(
            bare, target=f"{bare.target}{joint}{query}", purpose=f"by ?{query}"
        )
    try:
        document = json.loads(bare.body)
    except ValueError:
        return
    if isinstance(document, dict):
        for name, member in MEMBERS.items():
            body = json.dumps({**document, name: member}).encode()
            yield replace(bare, body=body, purpose=f"as {name} in the body")
