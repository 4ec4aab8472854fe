"""The scheme before the credential, and the field it stands in.

RFC 9110, 11.1: "HTTP provides a general framework for access control and
authentication, via an extensible set of challenge-response authentication schemes …
It uses a case-insensitive token to identify the authentication scheme".
RFC 9110, 5.3: "a sender MUST NOT generate multiple field lines with the same name in a
message … unless that field's definition allows multiple field line values to be
recombined as a comma-separated list".
"""

from dataclasses import replace

from tollproof import (
    API,
    CWE,
    RFC,
    Identity,
    Operation,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    not_applicable,
    passed,
)
from tollproof.refusal import not_let_in, raw_probe


@check(
    id="authentication.scheme",
    title="A credential under another scheme is not let in",
    severity=Severity.MEDIUM,
    references=(CWE(287), API(2, 2023), RFC(6750, "2.1"), RFC(9110, "11.4")),
    remediation="Compare the scheme before the credential; refuse any other.",
    needs=("identity.live",),
)
def test_other_scheme(target: Target, operation: Operation) -> Verdict:
    """A scheme names how the credential is to be understood.

    A server that takes the last word of the field for the credential, whatever stands
    before it, parses loosely where it should parse strictly; a gateway in front that
    is strict then sees another request than the one that is let in.
    """
    identity = target.caller(operation)
    scheme = identity.mechanism.scheme
    if not scheme:
        return not_applicable("The credential is promised without a scheme.")
    value = identity.mechanism.credential().value
    others = [
        other
        for other in ("Basic", "Token", "ApiKey", "Digest", f"X{scheme}", f"{scheme}er")
        if other.lower() != scheme.lower()
    ]
    probes = [
        target.showing(
            operation,
            identity.showing(value, scheme=other),
            who=f"{identity.name}, scheme {other}",
        )
        for other in others
    ]
    bare = identity.showing(value, scheme="")
    probes.append(target.showing(operation, bare, who=f"{identity.name}, no scheme"))
    return not_let_in(target, operation, probes, "under another scheme")


@check(
    id="authentication.scheme-case",
    title="The scheme is understood whatever its letter case",
    severity=Severity.LOW,
    references=(CWE(178), RFC(9110, "11.1")),
    remediation="Compare the scheme without regard to case.",
    needs=("identity.live",),
)
def test_scheme_case(target: Target, operation: Operation) -> Verdict:
    """Clients write `bearer` and `BEARER`, and the standard lets them."""
    identity = target.caller(operation)
    scheme = identity.mechanism.scheme
    if not scheme:
        return not_applicable("The credential is promised without a scheme.")
    control = target.control(operation)
    value = identity.mechanism.credential().value
    exchanges = target.send_all(
        target.showing(
            operation,
            identity.showing(value, scheme=spelt),
            who=identity.name,
            purpose=f"scheme written {spelt}",
        )
        for spelt in (scheme.lower(), scheme.upper())
    )
    refused = [
        item
        for item in exchanges
        if item.status in (400, 401, 403) and item.status != control.status
    ]
    if refused:
        return failed(
            f"A live credential is refused when {refused[0].purpose}.",
            *refused,
            control,
            expected=f"{control.status}, as with {scheme}",
            actual=str(refused[0].status),
        )
    return passed("Lower and upper case are understood alike.", *exchanges)


@check(
    id="authentication.doubled-header",
    title="Two credential fields in one request are not let in",
    severity=Severity.HIGH,
    references=(CWE(436), CWE(287), API(2, 2023), RFC(9110, "5.3")),
    remediation="Refuse a request with more than one Authorization field (400 or 401).",
    needs=("identity.live",),
)
def test_doubled_header(target: Target, operation: Operation) -> Verdict:
    """Whoever checks the first field and whoever uses the last must be the same.

    A gateway that verifies one of two fields in front of a service that reads the
    other lets a caller act as somebody it never verified. The standard forbids sending
    two, not reading them: where the profile does not promise to refuse them, reading
    always the first, as Node does, or always the last is not a fault.
    """
    promised = target.profile.promises.doubled_header
    if promised == "tolerate":
        return not_applicable("The profile says that doubled fields are tolerated.")
    identity = target.caller(operation)
    field = identity.mechanism.header.encode()
    live = _line(identity)
    unknown = identity.variant(_reversed, "reversed")
    false = identity.showing(unknown.value)[0][1].encode()
    probes = [
        raw_probe(
            target,
            operation,
            ((field, first), (field, second)),
            purpose=purpose,
            who=f"{identity.name}, twice",
        )
        for purpose, first, second in (
            ("an unknown credential, then the live one", false, live),
            ("the live credential, then an unknown one", live, false),
        )
    ]
    verdict = not_let_in(target, operation, probes, "with two credential fields")
    if promised is None and verdict.measurements.get("let_in") == 1:
        what = not_applicable(
            "Of two fields always the one in the same place counts, and the profile "
            'does not promise that both are refused (doubled_header = "refuse").'
        )
        return replace(what, exchanges=verdict.exchanges)
    return verdict


def _line(identity: Identity) -> bytes:
    return identity.headers()[0][1].encode()


def _reversed(value: str) -> str:
    return value[::-1]
