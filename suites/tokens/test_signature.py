"""Who signed a token, and whether anybody did.

RFC 8725, 3.1: "Libraries MUST enable the caller to specify a supported set of
algorithms and MUST NOT use any other algorithms when performing cryptographic
operations."
RFC 7515, 5.2: "Base64url-decode the encoded representation of the JWS Signature,
following the restriction that no line breaks, whitespace, or other additional
characters have been used."
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
    id="tokens.unsigned",
    title="Unsigned tokens are refused",
    severity=Severity.CRITICAL,
    references=(CWE(347), API(2, 2023), ASVS("5.0.0", "9.1.2"), RFC(8725, "3.1")),
    remediation="Verify with a fixed list of algorithms that does not contain `none`.",
    needs=("identity.token",),
)
def test_unsigned(target: Target, operation: Operation) -> Verdict:
    """A token whose header says `alg: none` proves nothing about who made it.

    Every spelling counts: a filter for `none` alone lets `nOnE` through.
    """
    return refused(target, operation, "unsigned", "with an unsigned token")


@check(
    id="tokens.stripped-signature",
    title="A token whose signature was taken out is refused",
    severity=Severity.CRITICAL,
    references=(CWE(347), API(2, 2023), ASVS("5.0.0", "9.1.1"), RFC(7515, "5.2")),
    remediation="Refuse a token without a signature before reading on.",
    needs=("identity.token",),
)
def test_stripped_signature(target: Target, operation: Operation) -> Verdict:
    """An absent signature must be a wrong one, not one that need not be verified."""
    return refused(
        target,
        operation,
        "stripped-signature",
        "with a token stripped of its signature",
    )


@check(
    id="tokens.signature",
    title="A token with a wrong signature is refused",
    severity=Severity.CRITICAL,
    references=(CWE(347), API(2, 2023), ASVS("5.0.0", "9.1.1"), RFC(7515, "5.2")),
    remediation="Verify the signature, and use no claim before it is verified.",
    needs=("identity.token",),
)
def test_signature(target: Target, operation: Operation) -> Verdict:
    """Decoding is not verifying: whoever skips it takes anybody for anybody."""
    return refused(target, operation, "signature", "with a wrong signature")


@check(
    id="tokens.payload-bound",
    title="A token that was changed after it was signed is refused",
    severity=Severity.CRITICAL,
    references=(
        CWE(345),
        CWE(347),
        API(2, 2023),
        ASVS("5.0.0", "9.1.1"),
        RFC(7515, "5.2"),
    ),
    remediation="Verify the signature over the very bytes whose claims are then used.",
    needs=("identity.token",),
)
def test_payload_bound(target: Target, operation: Operation) -> Verdict:
    """The claims that are used must be those that were verified.

    A verifier that remembers signatures accepts another user under an old one.
    """
    return refused(
        target, operation, "payload-bound", "with a token changed after it was signed"
    )


@check(
    id="tokens.encoding",
    title="A signature that is not base64url is refused",
    severity=Severity.LOW,
    references=(CWE(1286), ASVS("5.0.0", "9.1.1"), RFC(7515, "5.2")),
    remediation="Decode base64url strictly: no padding, no foreign character.",
    needs=("identity.token",),
)
def test_encoding(target: Target, operation: Operation) -> Verdict:
    """One token in many spellings gets past lists of revoked or used tokens."""
    return refused(
        target, operation, "encoding", "with a right signature in a wrong encoding"
    )


@check(
    id="tokens.canonical-encoding",
    title="A signature in a non-canonical encoding is refused",
    severity=Severity.INFO,
    references=(CWE(1286), RFC(7515, "5.2")),
    remediation="Encode the decoded signature again and compare.",
    needs=("identity.token",),
)
def test_canonical_encoding(target: Target, operation: Operation) -> Verdict:
    """The last character of a signature has bits that stand for nothing.

    RFC 4648, 3.5 lets a decoder refuse them; who keeps lists of tokens needs that.
    """
    return refused(
        target,
        operation,
        "canonical-encoding",
        "with a right signature in a non-canonical encoding",
    )


@check(
    id="tokens.algorithm",
    title="A token signed with an algorithm that is not promised is refused",
    severity=Severity.MEDIUM,
    references=(
        CWE(327),
        CWE(757),
        API(2, 2023),
        ASVS("5.0.0", "9.1.2"),
        RFC(8725, "3.1"),
        RFC(7515, "4.1.1"),
    ),
    remediation="Name the accepted algorithms and compare `alg` exactly.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_algorithm(target: Target, operation: Operation) -> Verdict:
    """Who lets the token choose the algorithm gets the weakest.

    These tokens are rightly signed by a trusted key, with another algorithm or with
    its name spelt otherwise.
    """
    return refused(
        target, operation, "algorithm", "with an algorithm that is not promised"
    )


@check(
    id="tokens.critical-header",
    title="A token with an extension that is not understood is refused",
    severity=Severity.MEDIUM,
    references=(CWE(345), API(2, 2023), RFC(7515, "4.1.11")),
    remediation="Refuse a token whose `crit` names what is not implemented.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_critical_header(target: Target, operation: Operation) -> Verdict:
    """`crit` forbids a token to whoever does not know what it names.

    That may be a restriction to one client, for instance.
    """
    return refused(
        target, operation, "critical-header", "with an unknown critical extension"
    )


@check(
    id="tokens.nested",
    title="A token inside a token is not taken for the outer one",
    severity=Severity.HIGH,
    references=(CWE(345), API(2, 2023), RFC(8725, "3.3"), RFC(7519, "5.2")),
    remediation="Verify a nested token by itself, or refuse nesting.",
    needs=(
        "identity.token",
        "identity.signing_key",
    ),
)
def test_nested(target: Target, operation: Operation) -> Verdict:
    """Whoever unwraps a token has to verify what comes out of it as well."""
    return refused(
        target, operation, "nested", "with an unsigned token inside a signed one"
    )
