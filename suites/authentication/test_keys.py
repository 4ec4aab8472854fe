"""Credentials that are nearly right, or were right once.

ASVS 5.0.0, 6.2.8: "Verify that the application verifies the user's password exactly as
received from the user, without any modifications such as truncation or case
transformation." What holds for passwords holds for keys.
"""

import random
import string
from collections.abc import Callable

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Identity,
    Operation,
    Probe,
    Severity,
    Target,
    Verdict,
    check,
)
from tollproof.refusal import not_let_in

ALPHABET = string.ascii_letters + string.digits


@check(
    id="authentication.unknown-key",
    title="An unknown credential of the right form is not let in",
    severity=Severity.CRITICAL,
    references=(CWE(287), API(2, 2023), RFC(6750, "3.1")),
    remediation="Look the credential up; its form proves nothing.",
    needs=("identity.live",),
)
def test_unknown_key(target: Target, operation: Operation) -> Verdict:
    """The form of a key is public: it is printed in the documentation."""
    identity = target.caller(operation)
    chance = random.Random(f"{target.seed} {operation.label}")
    probes = [
        _with(target, operation, identity, _scrambled(chance), f"unknown key {number}")
        for number in (1, 2)
    ]
    return not_let_in(target, operation, probes, "with an unknown credential")


@check(
    id="authentication.altered-key",
    title="A live credential with the smallest change is not let in",
    severity=Severity.CRITICAL,
    references=(CWE(303), CWE(178), API(2, 2023), ASVS("5.0.0", "6.2.8")),
    remediation="Compare the whole credential, byte by byte, in constant time.",
    needs=("identity.live",),
)
def test_altered_key(target: Target, operation: Operation) -> Verdict:
    """A comparison that stops early, or folds letter case, leaves little to guess."""
    identity = target.caller(operation)
    own = identity.mechanism.credential()
    start, length = len(own.public_prefix), len(own.value)
    places = sorted({start, start + (length - start) // 2, length - 2, length - 1})
    changes: dict[str, Callable[[str], str]] = {
        f"character {place + 1} of {length} changed": _changed(place)
        for place in places
        if start <= place < length
    }
    changes |= {
        "cut short by one": lambda value: value[:-1],
        "cut to half": lambda value: value[: start + (length - start) // 2],
        "lengthened by one": lambda value: value + "A",
        "repeated": lambda value: value + value,
        "in lower case": str.lower,
        "in upper case": str.upper,
        "with swapped case": str.swapcase,
    }
    probes = [
        _with(target, operation, identity, change, what)
        for what, change in changes.items()
        if change(own.value) != own.value
    ]
    return not_let_in(target, operation, probes, "with an altered credential")


@check(
    id="authentication.revoked-key",
    title="A revoked credential is not let in",
    severity=Severity.CRITICAL,
    references=(CWE(613), API(2, 2023), ASVS("5.0.0", "7.4.1"), RFC(6750, "3.1")),
    remediation="Look up the credential's state on every request, on every operation.",
    needs=("identity.revoked",),
)
def test_revoked_key(target: Target, operation: Operation) -> Verdict:
    """Revocation is what one does after a leak: it must work everywhere at once."""
    return _state(target, operation, "revoked")


@check(
    id="authentication.expired-key",
    title="An expired credential is not let in",
    severity=Severity.HIGH,
    references=(CWE(324), CWE(613), API(2, 2023), RFC(6750, "3.1")),
    remediation="Compare the credential's expiry with the clock on every request.",
    needs=("identity.expired",),
)
def test_expired_key(target: Target, operation: Operation) -> Verdict:
    """An expiry that nobody enforces is a comment."""
    return _state(target, operation, "expired")


@check(
    id="authentication.other-environment-key",
    title="A credential of another environment is not let in",
    severity=Severity.HIGH,
    references=(CWE(287), API(2, 2023), ASVS("5.0.0", "13.3.2")),
    remediation="Keep each environment's credentials apart and refuse the others'.",
    needs=("identity.wrong_environment",),
)
def test_other_environment(target: Target, operation: Operation) -> Verdict:
    """Test keys lie in more hands, notebooks and logs than live ones do."""
    return _state(target, operation, "wrong_environment")


def _state(target: Target, operation: Operation, state: str) -> Verdict:
    words = state.replace("_", " ")
    probes = [
        target.probe(operation, identity, purpose=f"{words}: {identity.name}")
        for identity in target.identities(state)
        # A client that was revoked has no credential to show; see oauth.revoked-client.
        if not identity.is_open and identity.declared.mechanisms[0] != "oauth"
    ]
    return not_let_in(target, operation, probes, f"with a {words} credential")


def _with(
    target: Target,
    operation: Operation,
    identity: Identity,
    change: Callable[[str], str],
    what: str,
) -> Probe:
    variant = identity.variant(change, what)
    return target.showing(operation, identity.showing(variant.value), who=variant.label)


def _changed(place: int) -> Callable[[str], str]:
    def change(value: str) -> str:
        old = value[place]
        pool = string.digits if old.isdigit() else string.ascii_lowercase
        new = pool[(pool.find(old.lower()) + 1) % len(pool)]
        return value[:place] + new + value[place + 1 :]

    return change


def _scrambled(chance: random.Random) -> Callable[[str], str]:
    """Keep a credential's form, its public prefix and separators; guess the rest."""

    def change(value: str) -> str:
        head, separator, rest = value.rpartition("_")
        kinds = {True: string.digits, False: ALPHABET}
        guessed = "".join(
            chance.choice(kinds[letter.isdigit()]) if letter.isalnum() else letter
            for letter in rest
        )
        return head + separator + guessed

    return change
