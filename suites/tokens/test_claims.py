"""For whom, from whom and about whom a token is.

RFC 8725, 3.8: "If the JWT contains an "iss" (issuer) claim, the application MUST
validate that the cryptographic keys used for the cryptographic operations in the JWT
belong to the issuer."
3.9: "… the relying party or application MUST validate the audience value."

Each token is signed by a key that the target trusts and is wrong in one claim.
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
from tollproof.token_trial import refused, refused_unless


@check(
    id="tokens.issuer",
    title="A token of another issuer is refused",
    severity=Severity.CRITICAL,
    references=(CWE(346), API(2, 2023), ASVS("5.0.0", "9.2.2"), RFC(8725, "3.8")),
    remediation="Compare the whole of `iss` with the expected issuer.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_issuer(target: Target, operation: Operation) -> Verdict:
    """Keys are shared between issuers: one set signs for all Firebase projects."""
    return refused(target, operation, "issuer", "with a token of another issuer")


@check(
    id="tokens.audience",
    title="A token for another audience is refused",
    severity=Severity.CRITICAL,
    references=(CWE(346), API(2, 2023), ASVS("5.0.0", "9.2.3"), RFC(8725, "3.9")),
    remediation="Compare the whole of `aud` with your own name.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_audience(target: Target, operation: Operation) -> Verdict:
    """Anybody can open a project of his own and be issued a token by the same keys."""
    return refused(target, operation, "audience", "with a token for another audience")


@check(
    id="tokens.subject",
    title="A token that names no user is refused",
    severity=Severity.HIGH,
    references=(
        CWE(287),
        CWE(1287),
        API(2, 2023),
        ASVS("5.0.0", "9.2.1"),
        RFC(7519, "4.1.2"),
    ),
    remediation="Require `sub` to be a text of 1 to 128 characters.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_subject(target: Target, operation: Operation) -> Verdict:
    """A missing subject becomes the empty user, or the first one."""
    return refused(target, operation, "subject", "with a token that names no user")


@check(
    id="tokens.token-kind",
    title="A Firebase token of another kind is not taken for an ID token",
    severity=Severity.HIGH,
    references=(CWE(345), API(2, 2023), ASVS("5.0.0", "9.2.2"), RFC(8725, "3.12")),
    remediation="Accept ID tokens only: `iss` tells them from session cookies.",
    needs=("identity.firebase", "identity.signing_key"),
)
def test_token_kind(target: Target, operation: Operation) -> Verdict:
    """Session cookies live for two weeks, custom tokens are made by many services.

    Neither is an ID token, whoever signed it. Where any issuer is accepted this tells
    nothing; see tokens.issuer.
    """
    return refused_unless(
        target,
        operation,
        "token-kind",
        "with a Firebase token of another kind",
        accepted="iss of another",
        see="tokens.issuer",
    )
