"""Keys that the issuer changes: a new one is followed, a withdrawn one is forgotten.

OpenID Connect Core 1.0, 10.1.1: the issuer rolls over its keys by publishing new ones;
the verifier "knows to go back to the jwks_uri location to re-retrieve the keys when it
sees an unfamiliar kid value." A key is withdrawn by publishing it no longer, and
"Cache-Control" of the document says how long that may go unnoticed.
"""

import secrets
import time
from threading import Event

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Impact,
    Probe,
    Reason,
    Severity,
    Target,
    Tier,
    Verdict,
    check,
    failed,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.identity.firebase import Minting
from tollproof.identity.forge import SigningKey, mint
from tollproof.issuer_acts import retire, rotate
from tollproof.model import Exchange
from tollproof.profile.promises import Tokens
from tollproof.redaction import Credential
from tollproof.token_trial import (
    NoToken,
    Trial,
    judging,
    minting_on,
    principal_operation,
    require_signatures,
)
from tollproof.withdrawal import watch

#: Seconds between two probes by which it is seen whether a new key is followed.
EVERY = 0.25


def _trial(target: Target) -> tuple[Tokens, Trial, Minting]:
    promised, operation = target.profile.promises.tokens, principal_operation(target)
    if promised is None or operation is None:
        raise NoToken("No identity with a signing key calls an operation.")
    return promised, *minting_on(target, operation)


def _signed(trial: Trial, mechanism: Minting, key: SigningKey, what: str) -> str:
    """Return a token of another key of the issuer's."""
    deployment = trial.target.deployment
    claims = mechanism.template.at(deployment.clock.now())
    # No two are the same, so that no answer is one that was remembered for a token.
    claims = {**claims, "jti": secrets.token_hex(8)}
    token = mint({"typ": "JWT"}, claims, key)
    deployment.redactor.add(
        Credential(label=f"{trial.identity.name}, {what}", value=token, kind="token")
    )
    return token


def _followed(trial: Trial, token: str, within: float) -> tuple[Exchange, float]:
    """Show a token of a new key until it is let in, or time is up."""
    started, pause = time.monotonic(), Event()
    while True:
        shown = trial.target.send(trial.probe(token, "signed by the new key"))
        taken = time.monotonic() - started
        if shown.status not in (401, 403) or taken > within:
            return shown, taken
        pause.wait(EVERY)


@check(
    id="tokens.key-rotation",
    title="A new key of the issuer is followed",
    severity=Severity.HIGH,
    references=(CWE(324), API(2, 2023), ASVS("5.0.0", "9.1.3"), RFC(7517, "4.5")),
    remediation="Fetch the issuer's keys again when a token names an unknown kid.",
    needs=("identity.signing_key", "promises.tokens.rotate"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_key_rotation(target: Target) -> Verdict:
    """Issuers change their keys without notice; whoever keeps old ones locks all out.

    Tokens of the former key, which is still published, must go on working meanwhile.
    """
    return judging(lambda: _key_rotation(target))


def _key_rotation(target: Target) -> Verdict:
    promised, trial, mechanism = _trial(target)
    before = mechanism.credential().value
    key = rotate(target.deployment)
    token = _signed(trial, mechanism, key, "new key")
    fresh, taken = _followed(trial, token, promised.followed_within)
    old = target.send(trial.probe(before, "signed by the former key"))
    figures = {"seconds": round(taken, 3)}
    for shown in (fresh, old):
        # A target that breaks on a new key has neither followed nor refused it.
        if shown.status >= 300 and shown.status not in (401, 403, trial.control.status):
            raise Undetermined(
                Reason.PRECONDITION,
                f"A token {shown.purpose} is answered {shown.status}, and the genuine "
                f"one before the rotation {trial.control.status}.",
                shown.id,
            )
    if fresh.status in (401, 403):
        return failed(
            f"A token of the issuer's new key is refused for {taken:.1f} seconds.",
            fresh,
            old,
            expected=f"accepted within {promised.followed_within:g} seconds",
            actual=str(fresh.status),
            measurements=figures,
        )
    if old.status in (401, 403):
        return failed(
            "A token of the former key, which is still published, is refused.",
            old,
            fresh,
            expected=str(trial.control.status),
            actual=str(old.status),
        )
    return passed(
        f"The new key was followed after {taken:.1f} seconds.",
        fresh,
        old,
        measurements=figures,
    )


@check(
    id="tokens.retired-key",
    title="Tokens of a key that the issuer has withdrawn are refused",
    severity=Severity.HIGH,
    references=(CWE(324), CWE(613), API(2, 2023), ASVS("5.0.0", "9.1.3")),
    remediation="Keep the issuer's keys no longer than their Cache-Control says, and "
    "drop those that are not published any more, per kid as well.",
    needs=(
        "identity.signing_key",
        "promises.tokens.rotate",
        "promises.tokens.retire",
        "promises.tokens.retired_within",
    ),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_retired_key(target: Target) -> Verdict:
    """A verifier that keeps keys for ever lets in whoever has one that leaked.

    The issuer signs with a new key, which the target follows, and withdraws it again.
    Whoever has it makes new tokens, and so does this, one for each probe. The key of
    the profile is left alone, and its tokens must go on working.
    """
    return judging(lambda: _retired_key(target))


def _retired_key(target: Target) -> Verdict:
    promised, trial, mechanism = _trial(target)
    require_signatures(target, "retired-key")
    within = promised.retired_within or 0.0
    key = rotate(target.deployment)
    token = _signed(trial, mechanism, key, "key to be withdrawn")
    fresh, _ = _followed(trial, token, promised.followed_within)
    if fresh.status >= 300:
        raise Undetermined(
            Reason.PRECONDITION,
            f"A token of the issuer's new key is not let in ({fresh.status}), so "
            "nothing can be told of its end; see tokens.key-rotation.",
            fresh.id,
        )
    retire(target.deployment, key)
    # No unknown kid is shown meanwhile: it would make a verifier look that would not
    # have looked by itself.

    def late() -> Probe:
        what = "withdrawn key"
        return trial.probe(_signed(trial, mechanism, key, what), f"signed by a {what}")

    seen = watch(target, late, within)
    own = mechanism.credential().value
    control = target.send(trial.probe(own, "control: a key that is still published"))
    figures = {"seconds": round(seen.seconds, 3)}
    if not seen.refused:
        return failed(
            f"A token of a key that the issuer withdrew {seen.seconds:.1f} seconds ago "
            "is let in.",
            seen.last,
            fresh,
            expected=f"401 within {within:g} seconds",
            actual=str(seen.last.status),
            measurements=figures,
        )
    if control.status in (401, 403):
        raise Undetermined(
            Reason.PRECONDITION,
            "Since then tokens of a key that is still published are refused as well "
            f"({control.status}), so it was not the withdrawal that was noticed.",
            seen.last.id,
            control.id,
        )
    return passed(
        f"A token of a withdrawn key is refused ({seen.last.status}) after "
        f"{max(seen.seconds, 0.1):.1f} seconds.",
        seen.last,
        fresh,
        control,
        measurements=figures,
    )
