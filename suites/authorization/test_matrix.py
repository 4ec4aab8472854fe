"""The matrix of identities and operations against the grants, both ways.

ASVS 5.0.0, 8.2.1: "Verify that the application ensures that function-level access is
restricted to consumers with explicit permissions."
RFC 9110, 15.5.4: "The 403 (Forbidden) status code indicates that the server understood
the request but refuses to fulfill it."
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
from tollproof.experiment import aimed, attempt, must_be_refused, without_effect


@check(
    id="authorization.granted",
    title="What an identity is granted is not refused",
    severity=Severity.MEDIUM,
    references=(CWE(863), API(5, 2023), ASVS("5.0.0", "8.2.1")),
    remediation="Give the role the permission, or take the grant out of the profile.",
    needs=("identity.second",),
)
def test_granted(target: Target, granted_cell: Cell) -> Verdict:
    """A permission that does not work is worked around, with too strong a key.

    Judged only where the operation works for another identity.
    """
    cell = granted_cell
    control = target.control(cell.operation)
    target.deployment.preflight(cell.identity, target.check)
    exchange = target.send(
        aimed(target, cell.operation, caller=cell.identity, purpose="as granted")
    )
    if exchange.status in (401, 403):
        return failed(
            f"{cell.identity.name} is granted {cell.operation.label} and is refused.",
            exchange,
            control,
            expected=f"an answer as {control.identity} gets it ({control.status})",
            actual=str(exchange.status),
        )
    if exchange.status >= 400 > control.status:
        return inconclusive(
            Reason.PRECONDITION,
            f"{cell.operation.label} answers {exchange.status} to {cell.identity.name}"
            f" and {control.status} to {control.identity}; does it own what it asks "
            "for (owns in the profile)?",
            exchange,
            control,
        )
    return passed(f"{cell.identity.name} is let in ({exchange.status}).", exchange)


@check(
    id="authorization.refused",
    title="What an identity is not granted is refused",
    severity=Severity.CRITICAL,
    references=(CWE(862), API(5, 2023), ASVS("5.0.0", "8.2.1"), ASVS("5.0.0", "8.3.1")),
    remediation="Check the permission on the server, on every operation, by default.",
    needs=("identity.limited",),
)
def test_refused(target: Target, denied_cell: Cell) -> Verdict:
    """Whoever hides a button has not refused the request behind it."""
    cell = denied_cell
    control = target.control(cell.operation)
    exchange = attempt(target, cell).exchange
    if exchange.status < 300:
        return failed(
            f"{cell.identity.name} is let in to {cell.operation.label} ungranted.",
            exchange,
            control,
            expected=f"{target.profile.promises.refusal.forbidden}",
            actual=str(exchange.status),
        )
    if exchange.status == control.status:
        return inconclusive(
            Reason.PRECONDITION,
            f"{cell.operation.label} answers {exchange.status} to {cell.identity.name} "
            "and to its control alike, so nobody can tell whether it was let in.",
            exchange,
            control,
        )
    return passed(f"Refused with {exchange.status}.", exchange)


@check(
    id="authorization.refusal-status",
    title="A known caller without the permission is refused with the promised status",
    severity=Severity.LOW,
    references=(CWE(394), RFC(9110, "15.5.4"), RFC(6750, "3.1"), API(5, 2023)),
    remediation="Answer 403: the credential is right, the permission is missing.",
    needs=("identity.limited",),
)
def test_refusal_status(target: Target, denied_cell: Cell) -> Verdict:
    """On 401 clients fetch another token and try again, for ever; on 403 they stop."""
    expected = target.profile.promises.refusal.forbidden
    target.control(denied_cell.operation)
    exchange = attempt(target, denied_cell).exchange
    must_be_refused(exchange, "authorization.refused")
    if exchange.status != expected:
        return failed(
            f"{denied_cell.identity.name} is refused {denied_cell.operation.label} "
            f"with {exchange.status}.",
            exchange,
            expected=str(expected),
            actual=str(exchange.status),
        )
    return passed(f"Refused with {expected}.", exchange)


@check(
    id="authorization.no-effect",
    title="A refused request changes nothing",
    severity=Severity.CRITICAL,
    references=(CWE(863), CWE(841), API(5, 2023), ASVS("5.0.0", "8.3.1")),
    remediation="Check the permission before anything is done, not before answering.",
    needs=("identity.limited",),
)
def test_no_effect(target: Target, denied_write: Cell) -> Verdict:
    """A refusal that comes after the deed is a lie; it is read back by who may."""
    return without_effect(target, denied_write, "authorization.refused")
