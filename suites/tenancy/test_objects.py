"""Objects of one organisation, asked for by another.

ASVS 5.0.0, 8.2.2: "Verify that the application ensures that data-specific access is
restricted to consumers with explicit permissions to specific data items to mitigate
insecure direct object reference (IDOR) and broken object level authorization (BOLA)."
RFC 9110, 15.5.4: an origin server that wishes to "hide" the current existence of a
forbidden target resource may instead respond with 404.
"""

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    passed,
)
from tollproof.access import Cell
from tollproof.experiment import (
    aimed,
    attempt,
    must_be_refused,
    read,
    without_effect,
)
from tollproof.tenancy import absent, given_away, owned, owner_of, secrets_of, unlike


@check(
    id="tenancy.read",
    title="An object of another organisation cannot be read",
    severity=Severity.CRITICAL,
    references=(CWE(639), CWE(863), API(1, 2023), ASVS("5.0.0", "8.2.2")),
    remediation="Look every object up by its id and the caller's organisation.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_read(target: Target, foreign_read: Cell) -> Verdict:
    """Ids leak in links, logs and screenshots; they are no permission.

    Nothing of the object may stand in the refusal either.
    """
    cell, owner = foreign_read, owner_of(foreign_read)
    control = owned(target, cell)
    target.deployment.preflight(cell.identity, target.check)
    reading = read(
        target,
        aimed(
            target,
            cell.operation,
            caller=cell.identity,
            owner=owner,
            purpose=f"an object of {owner.organisation}",
        ),
    )
    exchange = reading.exchange
    if reading.found:
        return failed(
            f"{cell.identity.name} ({cell.identity.organisation}) reads an object of "
            f"{owner.organisation}.",
            exchange,
            control.exchange,
            expected="a refusal",
            actual=str(exchange.status),
        )
    if leaked := given_away(reading, secrets_of(target, cell, control)):
        return failed(
            f"The refusal to {cell.identity.name} holds {len(leaked)} texts of the "
            f"object of {owner.organisation}.",
            exchange,
            control.exchange,
            expected="a refusal that says nothing of the object",
            actual=f"{exchange.status} with {leaked[0][:60]!r}",
        )
    return passed(
        f"Refused with {exchange.status}, and nothing of the object in it.",
        exchange,
        control.exchange,
    )


@check(
    id="tenancy.change",
    title="An object of another organisation cannot be changed or deleted",
    severity=Severity.CRITICAL,
    references=(CWE(639), CWE(863), API(1, 2023), ASVS("5.0.0", "8.2.2")),
    remediation="Look every object up by its id and the caller's organisation.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_change(target: Target, foreign_write: Cell) -> Verdict:
    """What guards reading often forgets the other methods of the same path."""
    cell, owner = foreign_write, owner_of(foreign_write)
    seen = attempt(target, cell)
    if seen.exchange.status < 300:
        return failed(
            f"{cell.identity.name} ({cell.identity.organisation}) is let in to "
            f"{cell.operation.label} for an object of {owner.organisation}.",
            seen.exchange,
            *seen.changed,
            *seen.witnesses,
            expected="a refusal",
            actual=str(seen.exchange.status),
        )
    if seen.exchange.status >= 500:
        must_be_refused(seen.exchange, "the server's log")
    if seen.blind:
        return inconclusive(
            Reason.PRECONDITION,
            f"Refused with {seen.exchange.status}, but {owner.name} cannot be seen to "
            "own the object; does it still exist (owns in the profile)?",
            seen.exchange,
        )
    return passed(
        f"Refused with {seen.exchange.status}; the object exists, and its owner sees "
        "it.",
        seen.exchange,
        *seen.witnesses,
    )


@check(
    id="tenancy.no-effect",
    title="A refused change leaves another organisation's object as it was",
    severity=Severity.CRITICAL,
    references=(CWE(863), CWE(841), API(1, 2023), ASVS("5.0.0", "8.2.2")),
    remediation="Find out whose the object is before anything is done to it.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_no_effect(target: Target, foreign_write: Cell) -> Verdict:
    """A refusal that comes after the deed is a lie; its owner reads it back."""
    return without_effect(target, foreign_write, "tenancy.change")


@check(
    id="tenancy.refusal-status",
    title="Another organisation's object is refused with the promised status",
    severity=Severity.MEDIUM,
    references=(CWE(204), API(1, 2023), RFC(9110, "15.5.4"), RFC(9110, "15.5.5")),
    remediation="Answer as promised: 404 where existence is concealed, 403 otherwise.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_refusal_status(target: Target, foreign_cell: Cell) -> Verdict:
    """403 tells that the object exists; 404 is what conceals it, where promised."""
    expected = target.profile.promises.refusal.not_owned_accepts
    exchange = attempt(target, foreign_cell).exchange
    must_be_refused(exchange, "tenancy.read and tenancy.change")
    if exchange.status not in expected:
        return failed(
            f"An object of {owner_of(foreign_cell).organisation} is refused with "
            f"{exchange.status}.",
            exchange,
            expected=" or ".join(map(str, expected)),
            actual=str(exchange.status),
        )
    return passed(f"Refused with {exchange.status}.", exchange)


@check(
    id="tenancy.concealment",
    title="Another organisation's object is refused like one that nobody has",
    severity=Severity.MEDIUM,
    references=(CWE(204), API(1, 2023), RFC(9110, "15.5.5")),
    remediation="Answer both from the same place: the query that found nothing.",
    needs=(
        "identity.second_organisation",
        "identity.owns",
        "promises.concealment",
    ),
)
def test_concealment(target: Target, foreign_cell: Cell) -> Verdict:
    """Whoever can tell the two apart can find out which ids exist."""
    exchange = attempt(target, foreign_cell).exchange
    must_be_refused(exchange, "tenancy.read and tenancy.change")
    if exchange.status != 404:
        return inconclusive(
            Reason.PRECONDITION,
            f"It is refused with {exchange.status}, which conceals nothing; see "
            "tenancy.refusal-status.",
            exchange,
        )
    probe, replaced = absent(target, foreign_cell)
    nobody = target.send(probe)
    must_be_refused(nobody, "the operation itself: an object nobody has was found")
    if difference := unlike(exchange, nobody, replaced):
        return failed(
            "An object of another organisation is refused otherwise than one that "
            "nobody has.",
            exchange,
            nobody,
            expected="the same answer, ids apart",
            actual=difference,
        )
    return passed("Both are refused alike.", exchange, nobody)
