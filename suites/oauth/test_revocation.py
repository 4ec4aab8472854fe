"""What becomes of a client's tokens when the client is revoked.

RFC 7592, 2.3, of a client that is deleted: "the authorization server SHOULD immediately
invalidate all existing authorization grants and currently active access tokens, all
refresh tokens, and other tokens associated with this client."
"""

from dataclasses import replace

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Impact,
    Reason,
    Severity,
    Target,
    Tier,
    Verdict,
    check,
    failed,
    passed,
)
from tollproof import client_lifecycle as lifecycle
from tollproof.errors import Undetermined
from tollproof.oauth_trial import Asked, Endpoint, endpoint, judging, let_in_at
from tollproof.withdrawal import watch_everywhere


@check(
    id="oauth.revoked-token",
    title="A token is refused soon after its client was revoked",
    severity=Severity.HIGH,
    references=(CWE(613), API(2, 2023), ASVS("5.0.0", "10.4.9"), RFC(7592, "2.3")),
    remediation="Look up the client's state whenever a token is shown, or end its "
    "tokens with it; let self-contained tokens live no longer than is promised.",
    needs=(
        "identity.oauth",
        "client_lifecycle",
        "promises.oauth.revoked_within",
    ),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_revoked_token(target: Target) -> Verdict:
    """Who revokes a client because its secret leaked means its tokens as well.

    A client is created for this, granted a token that works, and revoked. Where the
    promise is shorter than a token's life, the expiry alone cannot keep it. Each of
    `target.replicas` is asked too.
    """

    def procedure() -> Verdict:
        at = endpoint(target)
        promised = target.profile.promises.oauth
        within = (promised and promised.revoked_within) or 0.0
        operation = let_in_at(at)
        made = lifecycle.create(target.deployment)
        asked = _granted(at, made)
        showing = target.showing(
            operation, at.identity.showing(asked.token or ""), who=made.name
        )
        first = target.send(replace(showing, purpose="control: before the revocation"))
        if first.status >= 300:
            raise Undetermined(
                Reason.PRECONDITION,
                f"A token of a client just created is not let in ({first.status}), so "
                "nothing can be told of its revocation.",
                first.id,
            )
        lifecycle.revoke(target.deployment, made)
        late = replace(showing, purpose="after its client was revoked")
        seen = watch_everywhere(target, lambda: late, within)
        figures = {"seconds": round(seen.seconds, 3)}
        if not seen.refused:
            return failed(
                f"A token still works {seen.seconds:.1f} seconds after its client was "
                "revoked.",
                seen.last,
                first,
                expected=f"401 within {within:g} seconds",
                actual=str(seen.last.status),
                measurements=figures,
            )
        return passed(
            f"After its client was revoked a token is refused ({seen.last.status}) "
            f"within {max(seen.seconds, 0.1):.1f} seconds.",
            seen.last,
            first,
            measurements=figures,
        )

    return judging(procedure)


def _granted(at: Endpoint, made: lifecycle.Created) -> Asked:
    """Ask for a token as the client that was just created."""
    return replace(
        at, client=replace(at.client, id=made.id, secret=made.secret), who=made.name
    ).grant("control: a client created for this")
