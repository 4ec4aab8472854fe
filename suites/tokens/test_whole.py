"""What a verifier is as a whole: real, robust, and no stricter than it should be.

RFC 7519, 4: "all claims that are not understood by implementations MUST be ignored."
RFC 7515, 4: Header Parameter names that are not understood "MUST be ignored" unless
`crit` names them.
"""

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Operation,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.identity.attacks import BENIGN, MALFORMED
from tollproof.token_trial import (
    NoToken,
    emulator_verdict,
    judging,
    principal_operation,
    trial_on,
)


@check(
    id="tokens.emulator-mode",
    title="The target does not run in emulator mode",
    severity=Severity.CRITICAL,
    references=(CWE(347), CWE(1188), API(8, 2023), ASVS("5.0.0", "9.1.1")),
    remediation="Unset FIREBASE_AUTH_EMULATOR_HOST wherever others can reach it.",
    needs=("identity.token",),
)
def test_emulator_mode(target: Target) -> Verdict:
    """With that one variable set nothing is verified: anybody is whoever they say.

    Staging hosts inherit it from a developer's settings, and everything goes on
    working. Seen when both an unsigned token and a wrong signature get in.
    """
    promised = target.profile.promises.tokens
    if promised and promised.emulator:
        return not_applicable("The profile says that the target runs as an emulator.")
    found, verdict = emulator_verdict(target)
    if found is None or not found.is_emulator:
        return verdict
    return failed(
        "The target verifies no token at all: it runs in emulator mode "
        "(FIREBASE_AUTH_EMULATOR_HOST), or behaves as if it did.",
        *found.exchanges,
        expected="unsigned tokens and wrong signatures are refused",
        actual="both are let in",
    )


@check(
    id="tokens.no-server-error",
    title="No malformed token brings the server down",
    severity=Severity.MEDIUM,
    references=(CWE(703), CWE(20), API(8, 2023), ASVS("5.0.0", "16.5.3")),
    remediation="Answer 401 to whatever cannot be read as a token.",
    needs=("identity.token",),
)
def test_no_server_error(target: Target, operation: Operation) -> Verdict:
    """A parser that stumbles over a stranger's token can be made to do so all day."""
    return judging(lambda: _no_server_error(target, operation))


def _no_server_error(target: Target, operation: Operation) -> Verdict:
    if operation != principal_operation(target):
        raise NoToken(
            "Malformed tokens are tried on one operation: the parser is the same."
        )
    trial = trial_on(target, operation)
    exchanges = target.answers(
        trial.probe(item.make(trial.material), item.name) for item in MALFORMED
    )
    broken = [item for item in exchanges if item.status >= 500]
    if broken:
        return failed(
            f"A token ({broken[0].purpose}) is answered {broken[0].status}.",
            *broken[:5],
            expected="401, or another refusal",
            actual=str(broken[0].status),
        )
    return passed(
        f"None of {len(exchanges)} malformed tokens causes a server error.",
        exchanges[0],
    )


@check(
    id="tokens.unknown-claims",
    title="A token with claims nobody knows is accepted",
    severity=Severity.LOW,
    references=(RFC(7519, "4"), RFC(7515, "4"), CWE(1287)),
    remediation="Ignore claims and header members that are not understood.",
    needs=("identity.token", "identity.signing_key"),
)
def test_unknown_claims(target: Target, operation: Operation) -> Verdict:
    """Issuers add claims without notice; who refuses them locks everybody out."""
    return judging(lambda: _unknown_claims(target, operation))


def _unknown_claims(target: Target, operation: Operation) -> Verdict:
    trial = trial_on(target, operation)
    if operation != principal_operation(target):
        raise NoToken("Harmless tokens are tried on one operation.")
    exchanges = target.send_all(trial.probes(BENIGN))
    refused = [item for item in exchanges if item.status in (401, 403)]
    if any(item.status >= 500 for item in exchanges):
        return inconclusive(
            Reason.PRECONDITION, "The target failed instead of answering.", *exchanges
        )
    if refused:
        return failed(
            f"A rightly signed token {refused[0].purpose} is refused.",
            *refused,
            trial.control,
            expected=f"{trial.control.status}, as for the token without it",
            actual=str(refused[0].status),
        )
    return passed("Claims and header members nobody knows are ignored.", *exchanges)
