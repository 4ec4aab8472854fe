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
    Exchange,
    Operation,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    passed,
)
from tollproof.refusal import judge
from tollproof.token_trial import (
    NoToken,
    chosen,
    heard,
    judging,
    principal_operation,
    refused,
    require_signatures,
    trial_on,
)

#: Seconds that a target which answered may still take to call the listener, beside
#: thrice the longest time that it took to answer: a call goes the same way.
PATIENCE = 0.2


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
    """The public key, which everybody has, must not become the secret of an HMAC."""
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
    remediation="Accept no HMAC where public keys are promised.",
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
    remediation="Compare `kid` with known ids; never use it in a path or query.",
    needs=("identity.token",),
)
def test_key_id(target: Target, operation: Operation) -> Verdict:
    """A `kid` that becomes a file name, or part of a query, leads to a known key."""
    return refused(target, operation, "key-id", "whose key id leads to known content")


@check(
    id="tokens.zero-signature",
    title="An ECDSA signature of zeros is refused",
    severity=Severity.CRITICAL,
    references=(CWE(347), API(2, 2023), ASVS("5.0.0", "9.1.1"), RFC(7518, "3.4")),
    remediation="Update the library: r and s lie between 1 and n - 1.",
    needs=("identity.token",),
)
def test_zero_signature(target: Target, operation: Operation) -> Verdict:
    """Without its range check ECDSA accepts r = s = 0 for anything (CVE-2022-21449)."""
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
    """A withdrawn key must stop working, so not every known key may be tried.

    Where nothing is published, a verifier has one key and may leave the id unread.
    """

    def procedure() -> Verdict:
        promised = target.profile.promises.tokens
        published = promised and (promised.certificates or promised.jwks)
        if not (published or trial_on(target, operation).is_firebase):
            raise NoToken(
                "The profile names no published keys, so a key id names nothing: add "
                "certificates or jwks to [promises.tokens]."
            )
        return refused(
            target, operation, "key-id-unknown", "whose key id names no published key"
        )

    return judging(procedure)


@check(
    id="tokens.key-url",
    title="A token does not make the target fetch keys from elsewhere",
    severity=Severity.CRITICAL,
    references=(
        CWE(918),
        CWE(829),
        API(7, 2023),
        ASVS("5.0.0", "9.1.3"),
        RFC(8725, "3.10"),
    ),
    remediation="Ignore `jku` and `x5u`; fetch keys from the configured address alone.",
    needs=("identity.token",),
)
def test_key_url(target: Target) -> Verdict:
    """A call to where a stranger points is a request forged, whatever comes of it.

    The tokens point at a listener of ours. Where the target cannot reach it, only
    `promises.tokens.listener` helps: host and port at which it can.
    """
    return judging(lambda: _key_url(target))


def _key_url(target: Target) -> Verdict:
    operation = principal_operation(target)
    if operation is None:
        raise NoToken("No identity of the profile calls an operation with a token.")
    require_signatures(target, "key-url")
    with heard(trial_on(target, operation)) as (trial, listener):
        if listener is None:
            return inconclusive(
                Reason.PRECONDITION,
                "The target is not on this machine, so it cannot reach a listener on "
                'loopback; add listener = "host:port" to [promises.tokens].',
            )
        exchanges: list[Exchange] = []
        for probe in trial.probes(chosen(target, operation, "key-url")):
            exchanges.append(target.send(probe))
            if calls := listener.wait(0.0):
                return _called(probe.purpose, calls[0].path, exchanges[-1])
        slowest = max((item.seconds for item in exchanges), default=0.0)
        if calls := listener.wait(PATIENCE + 3 * slowest):
            return _called("one of the tokens", calls[0].path, *exchanges)
        verdict = judge(target, trial.control, exchanges, "whose key lies elsewhere")
        if verdict.outcome.value != "passed":
            return verdict
    return passed(
        f"The target refused {len(exchanges)} tokens and called nobody for their keys.",
        *exchanges,
    )


def _called(purpose: str, path: str, *exchanges: Exchange) -> Verdict:
    return failed(
        f"The target fetched {path} from our listener when it was shown {purpose}.",
        *exchanges,
        expected="no request to an address that a token names",
        actual=f"GET {path}",
    )
