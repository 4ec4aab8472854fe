"""What becomes of a token over time: first logins, and the end of a token.

In the words of a promise: "On first login, a user record is auto-provisioned and linked
to an organization".
"""

import json
import secrets
from collections.abc import Mapping
from threading import Event
from typing import Any

from tollproof import (
    API,
    ASVS,
    CWE,
    Exchange,
    Impact,
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
from tollproof.identity.firebase import Minting
from tollproof.identity.forge import mint, parse
from tollproof.pointer import MISSING, resolve
from tollproof.redaction import Credential
from tollproof.token_trial import (
    NoToken,
    Trial,
    baseline,
    callers,
    judging,
    minting_on,
    principal_operation,
    require_verification,
    trial_on,
)

#: Seconds after its expiry at which a token is shown again.
LATE = 65.0
#: Seconds that a token made for this lives, and after which it is shown a first time:
#: two clocks may differ by one. Where it is refused then, nobody waits for LATE.
BRIEF, SOON = 4, 2.0


@check(
    id="tokens.first-login",
    title="The first login provisions one user in an organisation of its own",
    severity=Severity.HIGH,
    references=(CWE(841), CWE(362), API(2, 2023), ASVS("5.0.0", "8.2.2")),
    remediation="Insert the user by the token's subject, once, in one transaction.",
    needs=(
        "identity.signing_key",
        "promises.tokens.first_login_provisions",
    ),
    impact=Impact.WRITES,
)
def test_first_login(target: Target) -> Verdict:
    """A user made twice loses what the first one did.

    One put in the wrong organisation sees what is not theirs. Two new users are made,
    and cannot be removed.
    """
    return judging(lambda: _first_login(target))


def _first_login(target: Target) -> Verdict:
    promised = target.profile.promises.tokens
    provisions = promised.first_login_provisions if promised else None
    if provisions is None:
        raise NoToken("The profile promises nothing of first logins.")
    found = [item for item in target.operations if item.label == provisions.operation]
    if not found:
        raise NoToken(f"The API has no operation {provisions.operation}.")
    trial, mechanism = minting_on(target, found[0])
    exchanges: list[Exchange] = []
    seen: list[list[tuple[object, object]]] = []
    for number in (1, 2):
        token = mechanism.for_subject(f"tollproof-{secrets.token_hex(8)}")
        logins = []
        for time_ in ("first", "second"):
            exchange = target.send(
                trial.probe(token.value, f"{time_} login of new user {number}")
            )
            if exchange.status >= 300:
                return failed(
                    f"A new user is not let in ({exchange.status}).",
                    exchange,
                    trial.control,
                    expected="a success, as for a user who is known",
                    actual=str(exchange.status),
                )
            exchanges.append(exchange)
            logins.append(
                (
                    _at(exchange, provisions.pointer),
                    _at(exchange, provisions.organisation),
                )
            )
        seen.append(logins)
    if complaint := _complaint(seen, bool(provisions.organisation)):
        return failed(
            f"The first login does not provision a user: {complaint}.",
            *exchanges,
            expected="an id that stays, in an organisation that is new",
            actual=complaint,
        )
    return passed("Two new users were made, once each, and kept apart.", *exchanges)


def _at(exchange: Exchange, pointer: str | None) -> object:
    if pointer is None or exchange.response is None:
        return None
    try:
        found = resolve(json.loads(exchange.response.body), pointer)
    except ValueError:
        return None
    return None if found is MISSING else found


def _complaint(seen: list[list[tuple[object, object]]], organisations: bool) -> str:
    (one, again), (other, _) = seen
    if not one[0]:
        return "the user has no id"
    if one[0] != again[0]:
        return "the second login of one user has another id"
    if one[0] == other[0]:
        return "two users have the same id"
    if organisations and not one[1]:
        return "the user belongs to no organisation"
    if organisations and one[1] == other[1]:
        return "two strangers are put in one organisation"
    return ""


@check(
    id="tokens.observed-expiry",
    title="A token that has worked stops working when it expires",
    severity=Severity.CRITICAL,
    references=(CWE(613), CWE(324), API(2, 2023), ASVS("5.0.0", "9.2.1")),
    remediation="Compare `exp` with the clock on every request.",
    needs=("identity.token",),
    tier=Tier.AUDIT,
)
def test_observed_expiry(target: Target) -> Verdict:
    """Who remembers tokens once verified must not remember them past their end.

    With a signing key a token of few seconds is made. Without one nobody can make an
    expired token: a given one is waited for, as long as promises.tokens.wait_for_expiry
    allows, and a minute more, which no leeway should exceed.
    """
    return judging(lambda: _observed_expiry(target))


def _brief_expiry(trial: Trial, mechanism: Minting) -> Verdict:
    target = trial.target
    clock = target.deployment.clock
    claims = mechanism.template.at(clock.now()) | {"exp": int(clock.now()) + BRIEF}

    def minted(claims: Mapping[str, Any], label: str) -> str:
        token = mint({"typ": "JWT"}, claims, mechanism.key)
        target.deployment.redactor.add(
            Credential(
                label=f"{trial.identity.name}, {label}", value=token, kind="token"
            )
        )
        return token

    token = minted(claims, "brief")
    first = target.send(trial.probe(token, f"a token of {BRIEF} seconds"))
    if first.status >= 300:
        raise Undetermined(
            Reason.PRECONDITION,
            f"A token that lives {BRIEF} seconds is not let in at first "
            f"({first.status}).",
            first.id,
        )
    pause = Event()
    for after in (SOON, LATE):
        pause.wait(max(0.0, claims["exp"] + after - clock.now()))
        late = target.send(trial.probe(token, f"{after:g} seconds after its expiry"))
        if late.status in (401, 403):
            return passed(f"After it expired it is refused ({late.status}).", late)
    if late.status >= 300:
        raise Undetermined(
            Reason.PRECONDITION,
            f"Once expired it is answered {late.status}, which is neither a success "
            "nor a refusal.",
            late.id,
        )
    # Of the same age, but never shown: nobody can have remembered it.
    unseen = minted({**claims, "jti": secrets.token_hex(8)}, "brief, unseen")
    fresh = target.send(trial.probe(unseen, "one as old that was never shown"))
    if fresh.status < 300:
        raise Undetermined(
            Reason.PRECONDITION,
            "Any expired token is let in, so nothing can be told of those that have "
            "worked; see tokens.expired.",
            late.id,
            fresh.id,
        )
    return failed(
        f"A token that worked still works {LATE:g} seconds after it expired.",
        late,
        first,
        expected="401",
        actual=str(late.status),
    )


def _observed_expiry(target: Target) -> Verdict:
    promised = target.profile.promises.tokens
    longest = promised.wait_for_expiry if promised else 0.0
    operation = principal_operation(target)
    if not longest and operation is not None:
        trial = trial_on(target, operation)
        if isinstance(trial.identity.mechanism, Minting):
            require_verification(baseline(target), "expired")
            return _brief_expiry(trial, trial.identity.mechanism)
        raise NoToken(
            "Without a signing key a token must be waited for: add wait_for_expiry to "
            "[promises.tokens], seconds that an audit may wait."
        )
    clock = target.deployment.clock
    ends: list[tuple[float, Trial]] = []
    for operation in target.operations:
        if operation.public or operation.changes or not callers(target, operation):
            continue
        given = [
            item
            for item in callers(target, operation)
            if not isinstance(item.mechanism, Minting)
        ]
        if given:
            trial = trial_on(target, operation)
            exp = parse(given[0].mechanism.credential().value).claims.get("exp")
            if isinstance(exp, int | float) and trial.identity is given[0]:
                ends.append((float(exp), trial))
    if not ends:
        raise NoToken("No identity shows a given token that says when it expires.")
    end, trial = min(ends, key=lambda item: item[0])
    left = end - clock.now()
    if left > longest:
        return inconclusive(
            Reason.PRECONDITION,
            f"The token lives another {left:.0f} seconds, and the profile allows "
            f"waiting for {longest:g} (promises.tokens.wait_for_expiry).",
        )
    Event().wait(max(0.0, left + LATE))
    late = target.send(trial.probe(trial.material.genuine, "after its expiry"))
    if late.status < 300 or late.status == trial.control.status:
        return failed(
            f"The token works {LATE:g} seconds after it expired.",
            late,
            trial.control,
            expected="401",
            actual=str(late.status),
        )
    return passed(f"After it expired it is refused ({late.status}).", late)
