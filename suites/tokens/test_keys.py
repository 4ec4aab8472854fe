"""Which key a signature is held against: the issuer's, and none that a token names.

ASVS 5.0.0, 9.1.3: "Verify that key material that is used to validate self-contained
tokens is from trusted pre-configured sources for the token issuer, preventing attackers
from specifying untrusted sources and keys."
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
    id="tokens.algorithm-confusion",
    title="A token keyed with the issuer's public key is refused",
    severity=Severity.CRITICAL,
    references=(
        CWE(347),
        CWE(327),
        API(2, 2023),
        ASVS("5.0.0", "9.1.2"),
        RFC(8725, "2.1"),
    ),
    remediation="Bind each key to its algorithm; never verify HMAC with a public key.",
    needs=("identity.token",),
)
def test_algorithm_confusion(target: Target, operation: Operation) -> Verdict:
    """A verifier that takes the algorithm from the token uses the public key, which
    everybody has, as the secret of an HMAC.
    """
    return refused(
        target, operation, "algorithm-confusion", "whose HMAC secret is the public key"
    )


@check(
    id="tokens.weak-secret",
    title="A token keyed with a guessable secret is refused",
    severity=Severity.CRITICAL,
    references=(
        CWE(521),
        CWE(798),
        API(2, 2023),
        ASVS("5.0.0", "9.1.2"),
        RFC(8725, "3.5"),
    ),
    remediation="Accept no HMAC where public keys are promised, and no secret from documentation.",
    needs=("identity.token",),
)
def test_weak_secret(target: Target, operation: Operation) -> Verdict:
    """Secrets from tutorials, and the empty one, are the first that anybody tries."""
    return refused(target, operation, "weak-secret", "keyed with a guessable secret")


@check(
    id="tokens.embedded-key",
    title="A token signed with a key that it brings along is refused",
    severity=Severity.CRITICAL,
    references=(CWE(347), API(2, 2023), ASVS("5.0.0", "9.1.3"), RFC(8725, "3.10")),
    remediation="Ignore `jwk` and `x5c`; take keys from the issuer alone.",
    needs=("identity.token",),
)
def test_embedded_key(target: Target, operation: Operation) -> Verdict:
    """A key that comes with the message proves that its sender has a key."""
    return refused(
        target, operation, "embedded-key", "signed with a key that it brings along"
    )


@check(
    id="tokens.key-id",
    title="A key id does not reach into the server",
    severity=Severity.CRITICAL,
    references=(
        CWE(20),
        CWE(347),
        API(2, 2023),
        ASVS("5.0.0", "9.1.3"),
        RFC(8725, "3.10"),
    ),
    remediation="Compare `kid` with the ids of known keys; never use it in a path or a query.",
    needs=("identity.token",),
)
def test_key_id(target: Target, operation: Operation) -> Verdict:
    """A `kid` that becomes a file name or part of a query makes the server find a key
    whose content the sender knows.
    """
    return refused(target, operation, "key-id", "whose key id leads to known content")


@check(
    id="tokens.zero-signature",
    title="An ECDSA signature of zeros is refused",
    severity=Severity.CRITICAL,
    references=(CWE(347), API(2, 2023), ASVS("5.0.0", "9.1.1"), RFC(7518, "3.4")),
    remediation="Update the library: r and s must lie between 1 and the order of the curve.",
    needs=("identity.token",),
)
def test_zero_signature(target: Target, operation: Operation) -> Verdict:
    """A verifier without the range check accepts r = s = 0 for any message and key
    (CVE-2022-21449).
    """
    return refused(target, operation, "zero-signature", "whose ECDSA signature is zero")


@check(
    id="tokens.key-id-unknown",
    title="A token whose key id names no published key is refused",
    severity=Severity.LOW,
    references=(CWE(345), ASVS("5.0.0", "9.1.3"), RFC(7515, "4.1.4")),
    remediation="Look the key up by its id, and refuse the token when there is none.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_key_id_unknown(target: Target, operation: Operation) -> Verdict:
    """A withdrawn key must stop working; whoever tries every key he ever had goes on
    accepting it.
    """
    return refused(
        target, operation, "key-id-unknown", "whose key id names no published key"
    )
