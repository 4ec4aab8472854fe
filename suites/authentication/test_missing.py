"""No credential, or something that is none, in the field where one is promised.

RFC 9110, 11.6.1: "A server generating a 401 (Unauthorized) response MUST send a
WWW-Authenticate header field containing at least one challenge."
RFC 6750, 3: "If the protected resource request does not include authentication
credentials or does not contain an access token that enables access to the protected
resource, the resource server MUST include the HTTP WWW-Authenticate response header
field".
"""

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Operation,
    Severity,
    Target,
    Verdict,
    check,
)
from tollproof.refusal import judge, not_let_in, raw_probe


@check(
    id="authentication.missing",
    title="A request without a credential is not let in",
    severity=Severity.CRITICAL,
    references=(CWE(306), API(2, 2023), ASVS("5.0.0", "8.2.1"), RFC(6750, "3")),
    remediation="Require authentication on the operation; deny by default.",
    needs=("identity.live",),
)
def test_missing_credential(target: Target, operation: Operation) -> Verdict:
    """One route that was forgotten is enough to lose everything behind it."""
    control = target.control(operation)
    return judge(target, control, [target.stranger(operation)], "without a credential")


@check(
    id="authentication.malformed-header",
    title="A credential field that holds no credential is not let in",
    severity=Severity.CRITICAL,
    references=(CWE(287), CWE(1286), API(2, 2023), RFC(9110, "11.4")),
    remediation="Parse the field strictly and refuse whatever does not parse.",
    needs=("identity.live",),
)
def test_malformed_header(target: Target, operation: Operation) -> Verdict:
    """What does not parse is refused.

    An empty value compares equal to an empty secret, and a parser that gives up early
    may take the absence of an error for a success.
    """
    mechanism = target.caller(operation).mechanism
    field, scheme = mechanism.header, mechanism.scheme
    prefix = f"{scheme} " if scheme else ""
    shapes = {
        "empty": "",
        "the scheme alone": scheme or "-",
        "the scheme and blanks": f"{prefix}   ",
        "two schemes": f"{prefix}{prefix}null",
        "a comma list": f"{prefix},,",
        "null": f"{prefix}null",
        "undefined": f"{prefix}undefined",
        "a quoted empty string": f'{prefix}""',
        "very long": prefix + "A" * 6000,
        "non-ASCII": f"{prefix}schlüssel-ключ",
    }
    probes = [
        target.showing(operation, ((field, value),), who="anonymous", purpose=shape)
        for shape, value in shapes.items()
    ]
    hostile = {
        "only blanks": b"   ",
        "a NUL": prefix.encode() + b"\x00",
        "control characters": prefix.encode() + b"\x01\x02\x7f",
        "a tab as separator": scheme.encode() + b"\t",
        "invalid UTF-8": prefix.encode() + b"\xff\xfe\xfa",
    }
    probes += [
        raw_probe(target, operation, ((field.encode(), value),), purpose=shape)
        for shape, value in hostile.items()
    ]
    return not_let_in(target, operation, probes, "with a malformed credential")
