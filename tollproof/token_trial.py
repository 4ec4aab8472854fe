"""Trying forged tokens on a target: what the checks of the suite `tokens` share.

Knows which operation takes tokens, what can be forged from what the profile has, and
when a refusal tells nothing. Must not know how a token is forged (`identity.attacks`)
nor what a single check concludes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from urllib.parse import urlsplit

from tollproof.client import Probe
from tollproof.declare import not_applicable, passed
from tollproof.errors import Undetermined
from tollproof.identity import Identity
from tollproof.identity.attack import Attack, Material, Needs, Unsuited, own_key
from tollproof.identity.attacks import ATTACKS, EMULATOR, of_group
from tollproof.identity.firebase import Minting
from tollproof.identity.forge import parse, public_jwk
from tollproof.identity.key_attacks import own_certificate
from tollproof.identity.listener import Listener, Offer, listening
from tollproof.identity.mechanisms import read_keys
from tollproof.identity.published import PublishedKey
from tollproof.model import Exchange, Reason, Verdict
from tollproof.operations import Operation
from tollproof.redaction import Credential
from tollproof.refusal import judge
from tollproof.target import Target

#: Attacks of a group that are tried on every operation but the first.
SAMPLE = 2
#: Seconds after which tokens are forged anew, since their times have moved.
STALE = 300.0

#: Groups that test a claim: what they tell does not rest on the signature's being read.
CLAIM_GROUPS = frozenset(
    {
        "audience",
        "auth-time",
        "expired",
        "expiry-required",
        "issued-at",
        "issuer",
        "lifetime",
        "not-before",
        "subject",
        "token-kind",
    }
)


class NoToken(Exception):
    """The check does not apply; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An operation, a token with which it works, and what is forged from that.

    Attributes:
        control: the answer to the genuine token.
    """

    target: Target
    operation: Operation
    identity: Identity
    control: Exchange
    material: Material

    @property
    def is_firebase(self) -> bool:
        """Whether its tokens are Firebase ID tokens."""
        return self.identity.declared.kind == "firebase"

    def probe(self, token: str, purpose: str) -> Probe:
        """Return the operation's example request with a token."""
        return self.target.showing(
            self.operation,
            self.identity.showing(token),
            who=f"{self.identity.name}, forged",
            purpose=purpose,
        )

    def probes(self, attacks: Iterable[Attack]) -> Iterator[Probe]:
        """Forge a probe for each attack that this token lends itself to."""
        promised = self.target.profile.promises.tokens
        own = {str(self.material.parts.header.get("alg"))}
        allowed = own | set(promised.algorithms if promised else ())
        return (
            self.probe(token, attack.name)
            for attack in attacks
            if not (attack.firebase and not self.is_firebase)
            and not (
                attack.group == "algorithm" and attack.header.get("alg") in allowed
            )
            and (token := self._forged(attack)) is not None
        )

    def _forged(self, attack: Attack) -> str | None:
        """Return the forged token, made once for each identity; None if unsuited."""
        if attack.group == "key-url":
            return _forge(attack, self.material)
        deployment = self.target.deployment
        key = ("forged", self.identity.name, attack.name, self.material.now)

        def forge() -> str | None:
            token = _forge(attack, self.material)
            if token is not None and attack.needs is Needs.TRUSTED_KEY:
                # Another service of the same issuer might accept it.
                deployment.redactor.add(
                    Credential(
                        label=f"{self.identity.name}, forged",
                        value=token,
                        kind="token",
                        derived=True,
                    )
                )
            return token

        return deployment.once(key, forge)


def _forge(attack: Attack, material: Material) -> str | None:
    try:
        return attack.forge(material)
    except Unsuited:
        return None


# -- what is tried on ----------------------------------------------------------------


def callers(target: Target, operation: Operation) -> list[Identity]:
    """Return the identities with a token that may call it, minting ones first."""
    return sorted(
        (
            identity
            for identity in target.deployment.callers(operation)
            if identity.declared.is_token
        ),
        key=lambda identity: not isinstance(identity.mechanism, Minting),
    )


def principal_operation(target: Target) -> Operation | None:
    """Return the operation on which every attack is tried; others get a sample."""
    return target.deployment.once(
        ("token-operation",), lambda: _principal_operation(target)
    )


def _principal_operation(target: Target) -> Operation | None:
    candidates = [
        operation
        for operation in target.operations
        if not operation.public
        and callers(target, operation)
        and (target.profile.consent.writes or not operation.changes)
    ]
    return min(
        candidates,
        key=lambda item: (
            item.changes,
            len(item.parameters),
            item.method != "GET",
            item.label,
        ),
        default=None,
    )


def trial_on(target: Target, operation: Operation) -> Trial:
    """Show that an operation works with a genuine token, and prepare to forge.

    Raises:
        NoToken: no identity with a signed token may call it.
        Undetermined: it does not work with one.
    """
    found = callers(target, operation)
    if not found:
        raise NoToken("No identity of the profile calls this operation with a token.")
    identity, deployment = found[0], target.deployment
    control = deployment.once(
        ("token-control", operation.label),
        lambda: _control(target, operation, identity),
    )
    return Trial(
        target=target,
        operation=operation,
        identity=identity,
        control=control,
        material=_material(target, identity),
    )


def minting_on(target: Target, operation: Operation) -> tuple[Trial, Minting]:
    """Do the same for an identity whose tokens are minted with a signing key.

    Raises:
        NoToken: no such identity may call it.
        Undetermined: it does not work with a genuine token.
    """
    trial = trial_on(target, operation)
    if not isinstance(trial.identity.mechanism, Minting):
        raise NoToken("No identity with a signing key calls this operation.")
    return trial, trial.identity.mechanism


def _control(target: Target, operation: Operation, identity: Identity) -> Exchange:
    target.deployment.preflight(identity, target.check)
    # Where everybody is let in, no token's being let in tells anything of tokens.
    target.must_be_refused([target.stranger(operation)])
    exchange = target.send(
        target.probe(operation, identity, purpose="control with a genuine token")
    )
    if exchange.status >= 500 or exchange.status in (401, 403):
        raise Undetermined(
            Reason.PRECONDITION,
            f"{operation.label} answers {exchange.status} even to the genuine token "
            f"of {identity.name}.",
            exchange.id,
        )
    return exchange


def _material(target: Target, identity: Identity) -> Material:
    deployment = target.deployment
    age = int(deployment.clock.now() // STALE)
    return deployment.once(
        ("token-material", identity.name, age), lambda: _gather(target, identity)
    )


def _gather(target: Target, identity: Identity) -> Material:
    mechanism, promised = identity.mechanism, target.profile.promises.tokens
    genuine = mechanism.credential().value
    try:
        header = parse(genuine).header
    except ValueError as error:
        raise NoToken(
            f"The token of {identity.name} is opaque to its bearer ({error}), so there "
            "is nothing in it to change."
        ) from None
    key = mechanism.key if isinstance(mechanism, Minting) else None
    published = _published(target, str(header.get("kid", "")))
    if published is None and key is not None:
        published = PublishedKey(key=key.public, key_id=key.key_id)
    material = Material(
        genuine=genuine,
        now=target.deployment.clock.now(),
        trusted=key,
        published=published,
        max_age=promised.max_age if promised else None,
    )
    # An RSA key takes a tenth of a second, which others need not wait for.
    Thread(target=own_key, args=(material.own_algorithm,), daemon=True).start()
    return material


def _published(target: Target, key_id: str) -> PublishedKey | None:
    promised = target.profile.promises.tokens
    url = promised and (promised.certificates or promised.jwks)
    if not url:
        return None
    try:
        keys = target.deployment.once(
            ("published", url), lambda: read_keys(target.deployment.fetcher, url)
        )
    except Undetermined:
        return None
    return next((key for key in keys if key.key_id == key_id), keys[0])


# -- when a refusal tells nothing ----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """How the target takes two tokens that everybody can make.

    Attributes:
        unread: the exchange in which a wrong signature was let in, if it was.
        unsigned: the one in which an emulator's unsigned token was.
    """

    unread: Exchange | None
    unsigned: Exchange | None
    exchanges: tuple[Exchange, ...]

    @property
    def is_emulator(self) -> bool:
        """Whether anything goes, as behind FIREBASE_AUTH_EMULATOR_HOST."""
        return self.unread is not None and self.unsigned is not None


def baseline(target: Target) -> Baseline:
    """Try a wrong signature and an unsigned token, once in a run.

    Raises:
        NoToken: there is no operation to try them on.
        Undetermined: the operation does not work.
    """
    operation = principal_operation(target)
    if operation is None:
        raise NoToken("No identity of the profile calls an operation with a token.")
    trial = trial_on(target, operation)
    return target.deployment.once(("token-baseline",), lambda: _baseline(trial))


def _baseline(trial: Trial) -> Baseline:
    wrong = of_group("signature")[0]
    exchanges = trial.target.send_all(trial.probes((wrong, EMULATOR)))
    success, _ = trial.target.let_in(exchanges, trial.control)
    return Baseline(
        unread=exchanges[0] if exchanges[0] in success else None,
        unsigned=exchanges[1] if exchanges[1] in success else None,
        exchanges=exchanges,
    )


def require_verification(found: Baseline, group: str) -> None:
    """Go on only if an attack of this group can tell something.

    Raises:
        Undetermined: the target verifies too little for that.
    """
    if found.is_emulator and group != EMULATOR.group:
        raise Undetermined(
            Reason.PRECONDITION,
            "The target verifies no token at all, as with an emulator, so nothing more "
            "can be told; see tokens.emulator-mode.",
            *(item.id for item in found.exchanges),
        )
    judged_here = group in (*CLAIM_GROUPS, "signature", EMULATOR.group)
    if found.unread is not None and not judged_here:
        raise Undetermined(
            Reason.PRECONDITION,
            "The target takes a wrong signature, so nothing more can be told of "
            "signatures and keys; see tokens.signature.",
            found.unread.id,
        )


# -- judging -------------------------------------------------------------------------


def refused(target: Target, operation: Operation, group: str, how: str) -> Verdict:
    """Say whether any token of a group was let in.

    Every attack is tried on one operation, and a sample of them on each other one.

    Args:
        how: what they have in common: "with an unsigned token".

    Raises:
        Undetermined: the control failed, or the target did not answer.
    """
    return judging(lambda: _refused(target, operation, group, how))


def refused_unless(
    target: Target,
    operation: Operation,
    group: str,
    how: str,
    *,
    accepted: str,
    see: str,
) -> Verdict:
    """Say the same, unless another attack gets in that would explain it.

    Args:
        accepted: the name of that attack.
        see: the check that reports it.

    Raises:
        Undetermined: as :func:`refused`, or the other attack is let in.
    """

    def procedure() -> Verdict:
        trial = trial_on(target, operation)
        other = next(item for item in ATTACKS if item.name == accepted)
        exchanges = target.answers(trial.probes((other,)))
        success, _ = target.let_in(exchanges, trial.control)
        if success:
            raise Undetermined(
                Reason.PRECONDITION,
                f"A token of less is let in already ({accepted}); see {see}.",
                success[0].id,
            )
        return _refused(target, operation, group, how)

    return judging(procedure)


def require_signatures(target: Target, group: str) -> None:
    """Go on only if the target verifies signatures at all.

    Raises:
        NoToken: there is no operation to try that on.
        Undetermined: it does not.
    """
    require_verification(baseline(target), group)


def _refused(target: Target, operation: Operation, group: str, how: str) -> Verdict:
    trial = trial_on(target, operation)
    require_verification(baseline(target), group)
    exchanges = target.answers(trial.probes(chosen(target, operation, group)))
    if not exchanges:
        raise NoToken(f"No token of this profile can be forged so: {how}.")
    return judge(target, trial.control, exchanges, how)


def chosen(target: Target, operation: Operation, group: str) -> Sequence[Attack]:
    """Return the attacks of a group to try on an operation."""
    attacks = of_group(group)
    if operation == principal_operation(target) or len(attacks) <= SAMPLE:
        return attacks
    chance = random.Random(f"{target.seed} {group} {operation.label}")
    return chance.sample(attacks, SAMPLE)


def judging(procedure: Callable[[], Verdict]) -> Verdict:
    """Turn :class:`NoToken` into the verdict it stands for."""
    try:
        return procedure()
    except NoToken as none:
        return not_applicable(str(none))


def emulator_verdict(target: Target) -> tuple[Baseline | None, Verdict]:
    """Return the baseline, and the verdict for a target that is no emulator."""
    try:
        found = baseline(target)
    except NoToken as none:
        return None, not_applicable(str(none))
    return found, passed(
        "Neither an unsigned token nor a wrong signature gets in.", *found.exchanges
    )


# -- the listener --------------------------------------------------------------------


@contextmanager
def heard(trial: Trial) -> Iterator[tuple[Trial, Listener | None]]:
    """Open a listener that the target could reach, and forge for it.

    Without an address in the profile that is loopback, which only a target on loopback
    can reach; for any other the listener is None.
    """
    promised = trial.target.profile.promises.tokens
    given = promised.listener if promised else None
    host = urlsplit(trial.target.profile.target.base_url).hostname or ""
    if given is None and not (host == "localhost" or host.startswith("127.")):
        yield trial, None
        return
    name, _, port = (given or "127.0.0.1:0").rpartition(":")
    material = trial.material
    offer = Offer(
        jwks={"keys": [public_jwk(material.own.public, material.own.key_id)]},
        chain=tuple(own_certificate(material)),
    )
    bound = "127.0.0.1" if given is None else "0.0.0.0"  # noqa: S104  (asked for)
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(
                listening(offer, host=bound, port=int(port), name=name)
            )
        except OSError as error:
            raise Undetermined(
                Reason.HARNESS, f"The listener cannot be opened: {error.strerror}."
            ) from None
        ready = replace(trial, material=replace(material, listener=listener.url))
        yield ready, listener
