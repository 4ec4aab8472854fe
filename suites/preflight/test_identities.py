"""The profile's live identities are let in, so that refusals mean something."""

from tollproof import API, Identity, Severity, Target, Verdict, check, passed


@check(
    id="preflight.identity",
    title="A live identity of the profile is let in",
    severity=Severity.INFO,
    references=(API(2, 2023),),
    remediation="Give the identity a credential that works, or set its state.",
)
def test_identity_is_let_in(target: Target, identity: Identity) -> Verdict:
    """What rests on an identity that does not work cannot be concluded.

    This never fails: an identity that is refused is more often a mistake in the
    profile than in the deployment, so it is inconclusive and says what was answered.
    """
    exchange = target.deployment.preflight(identity, target.check)
    return passed(
        f"{identity.name} is let in at {exchange.operation} ({exchange.status}).",
        exchange,
    )
