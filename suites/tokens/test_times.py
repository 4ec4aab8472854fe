"""When a token is valid.

RFC 7519, 4.1.4: "The processing of the "exp" claim requires that the current date/time
MUST be before the expiration date/time listed in the "exp" claim."
4.1.5: "… MUST be after or equal to the not-before date/time listed in the "nbf" claim."

Each token is signed by a key that the target trusts and is wrong in one claim, by the
target's own clock and by far more than any leeway.
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
from tollproof.token_trial import refused


@check(
    id="tokens.expired",
    title="An expired token is refused",
    severity=Severity.CRITICAL,
    references=(
        CWE(613),
        CWE(324),
        API(2, 2023),
        ASVS("5.0.0", "9.2.1"),
        RFC(7519, "4.1.4"),
    ),
    remediation="Compare `exp` with the clock on every request.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_expired(target: Target, operation: Operation) -> Verdict:
    """A stolen token must become worthless by itself."""
    return refused(target, operation, "expired", "with an expired token")


@check(
    id="tokens.expiry-required",
    title="A token without a usable expiry is refused",
    severity=Severity.HIGH,
    references=(CWE(613), API(2, 2023), ASVS("5.0.0", "9.2.1"), RFC(7519, "4.1.4")),
    remediation="Require `exp`, as a number.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_expiry_required(target: Target, operation: Operation) -> Verdict:
    """A token that never expires cannot be got rid of."""
    return refused(
        target, operation, "expiry-required", "with a token that has no usable expiry"
    )


@check(
    id="tokens.not-before",
    title="A token that is not yet valid is refused",
    severity=Severity.MEDIUM,
    references=(CWE(345), API(2, 2023), ASVS("5.0.0", "9.2.1"), RFC(7519, "4.1.5")),
    remediation="Compare `nbf` with the clock where a token has one.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_not_before(target: Target, operation: Operation) -> Verdict:
    """An issuer that dates a token ahead means it not to work before."""
    return refused(
        target, operation, "not-before", "with a token that is not yet valid"
    )


@check(
    id="tokens.issued-at",
    title="A token issued in the future is refused",
    severity=Severity.LOW,
    references=(CWE(345), API(2, 2023), ASVS("5.0.0", "9.2.1"), RFC(7519, "4.1.6")),
    remediation="Refuse a token whose `iat` is ahead of the clock.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_issued_at(target: Target, operation: Operation) -> Verdict:
    """A token from the future was made with somebody's hand on the clock.

    Firebase promises that `iat` lies in the past.
    """
    return refused(target, operation, "issued-at", "with a token issued in the future")


@check(
    id="tokens.auth-time",
    title="A token whose login lies in the future is refused",
    severity=Severity.LOW,
    references=(CWE(345), API(2, 2023), ASVS("5.0.0", "9.2.1"), RFC(7519, "4.1.6")),
    remediation="Refuse a token whose `auth_time` is ahead of the clock.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_auth_time(target: Target, operation: Operation) -> Verdict:
    """Rules such as "logged in within five minutes" rest on `auth_time`.

    Firebase promises that it lies in the past; firebase-admin does not look.
    """
    return refused(
        target, operation, "auth-time", "with a token whose login lies in the future"
    )


@check(
    id="tokens.lifetime",
    title="A token that lives longer than promised is refused",
    severity=Severity.LOW,
    references=(CWE(613), API(2, 2023), ASVS("5.0.0", "9.2.1"), RFC(7519, "4.1.4")),
    remediation="Bound the time until `exp` by the life that was promised.",
    needs=(
        "identity.token",
        "identity.signing_key",
        "promises.tokens.max_age",
    ),
)
def test_lifetime(target: Target, operation: Operation) -> Verdict:
    """Without a bound a key that leaked once makes tokens for years."""
    return refused(
        target, operation, "lifetime", "with a token that lives longer than promised"
    )
