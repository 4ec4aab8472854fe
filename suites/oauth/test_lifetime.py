"""How long an access token works, and beside which others.

RFC 6749, 5.1: expires_in is "The lifetime in seconds of the access token."
"""

import time
from threading import Event

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
    Tier,
    Verdict,
    check,
    failed,
    inconclusive,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.oauth_trial import (
    Asked,
    Endpoint,
    endpoint,
    endpoints,
    judging,
    let_in_at,
)

#: Tokens that live longer are not waited for.
LONGEST_WAIT = 60.0
#: Seconds after its expiry at which a token is shown again: times are whole seconds.
LATE = 1.2
AT_ONCE = 5


#: What is asked of a token whose life is over.
EXPIRED = "after its end"


def _show(at: Endpoint, operation: Operation, asked: Asked, purpose: str) -> Exchange:
    return at.target.send(
        at.target.showing(
            operation,
            at.identity.showing(asked.token or ""),
            # A token past its end proves nobody's identity.
            who=f"{at.identity.name}, expired"
            if purpose == EXPIRED
            else at.identity.name,
            purpose=purpose,
        )
    )


@check(
    id="oauth.concurrent-grants",
    title="A new grant leaves former tokens of the client as they were",
    severity=Severity.LOW,
    references=(CWE(362), API(2, 2023), RFC(6749, "5.1")),
    remediation="Keep every token until its own expiry.",
    needs=("identity.oauth",),
)
def test_concurrent_grants(target: Target) -> Verdict:
    """A service of many processes asks many times; the last must not lock out all."""

    def procedure() -> Verdict:
        at = endpoint(target)
        operation = let_in_at(at)
        granted = [at.grant(f"grant {number + 1}") for number in range(AT_ONCE)]
        shown = [
            _show(at, operation, asked, f"token {number + 1} of {AT_ONCE}")
            for number, asked in enumerate(granted)
        ]
        refused = [item for item in shown if item.status in (401, 403)]
        if len(refused) == AT_ONCE:
            raise Undetermined(
                Reason.PRECONDITION,
                "None of the tokens just granted works.",
                *(item.id for item in refused),
            )
        if refused:
            return failed(
                f"Of {AT_ONCE} tokens granted to one client {len(refused)} are "
                "refused.",
                *refused,
                expected="every token works until its own expiry",
                actual=f"{refused[0].purpose}: {refused[0].status}",
            )
        return passed(f"All {AT_ONCE} tokens work.", *shown)

    return judging(procedure)


@check(
    id="oauth.lifetime",
    title="An access token works until it expires, and not after",
    severity=Severity.HIGH,
    references=(CWE(613), API(2, 2023), ASVS("5.0.0", "9.2.1"), RFC(6749, "5.1")),
    remediation="Compare a token's expiry with the clock whenever it is shown.",
    needs=("identity.oauth",),
    tier=Tier.AUDIT,
)
def test_lifetime(target: Target) -> Verdict:
    """A token that ends early loses requests; one that does not end is a password.

    Judged on the client whose tokens live shortest, to the second, by waiting.
    """

    def procedure() -> Verdict:
        endpoint(target)
        lives = [
            (life, at)
            for at in endpoints(target)
            if (life := _life(at.control())) is not None
        ]
        if not lives:
            return inconclusive(
                Reason.PRECONDITION, "No grant says how long its token lives."
            )
        life, at = min(lives, key=lambda item: item[0])
        if life > LONGEST_WAIT:
            return inconclusive(
                Reason.PRECONDITION,
                f"The shortest token lives {life:g} seconds, which nobody waits for; "
                f"register a client whose tokens live at most {LONGEST_WAIT:g}.",
            )
        return _waited(at, life)

    return judging(procedure)


def _life(asked: Asked) -> float | None:
    life = asked.document.get("expires_in")
    if isinstance(life, bool) or not isinstance(life, int | float):
        return None
    return float(life) if life > 0 else None


def _waited(at: Endpoint, life: float) -> Verdict:
    operation = let_in_at(at)
    clock, pause = time.monotonic, Event()
    before = clock()
    asked = at.grant("a token to wait for")
    after = clock()
    fresh = _show(at, operation, asked, "fresh")
    if fresh.status in (401, 403):
        raise Undetermined(
            Reason.PRECONDITION, "A token just granted does not work.", fresh.id
        )
    # The token ends between before + life and after + life.
    pause.wait(max(0.0, before + life - min(1.0, life / 4) - clock()))
    still = _show(at, operation, asked, "just before its end")
    answered_in_time = clock() < before + life
    pause.wait(max(0.0, after + life + LATE - clock()))
    late = _show(at, operation, asked, EXPIRED)
    seen = (still, late, asked.exchange)
    if late.status < 300 or late.status == fresh.status:
        return failed(
            f"A token still works {LATE:g} seconds after it expired.",
            *seen,
            expected=f"401 after {life:g} seconds",
            actual=str(late.status),
        )
    if not answered_in_time:
        return inconclusive(
            Reason.NOISE, "The target was too slow to tell when the token ended.", *seen
        )
    if still.status in (401, 403):
        return failed(
            f"A token that lives {life:g} seconds is refused before its end.",
            *seen,
            expected=str(fresh.status),
            actual=str(still.status),
        )
    return passed(
        f"The token works for {life:g} seconds and is refused ({late.status}) after.",
        *seen,
    )
