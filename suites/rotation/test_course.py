"""One key follows another while traffic runs under both.

OWASP API Security Top 10 2023, API2; ASVS 5.0.0, 13.3.4: "Verify that secrets are
configured to expire and be rotated based on the application's documentation".
NIST SP 800-57 Part 1, 5.3.6: a key is replaced by another before its cryptoperiod ends.

All of these look at one course of events, each at one aspect of it: three rotations one
shortly after the other, and two at the same moment.
"""

from collections.abc import Sequence

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
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.rotation import aspects
from tollproof.rotation.alike import difference
from tollproof.rotation.delay import Delay, Kept
from tollproof.rotation.observation import Observation
from tollproof.rotation.scenario import (
    Rotated,
    course,
    operation_for,
    probe_of,
    promised,
)

LIFE = ("lifecycle",)
ROTATED = (API(2, 2023), ASVS("5.0.0", "13.3.4"))
ENDED = (CWE(613), API(2, 2023), ASVS("5.0.0", "7.4.1"))


def _unsettled(what: str, delays: Sequence[Delay], promise: float) -> Verdict:
    widest = max(item.resolution for item in delays)
    figure = (
        "never in the time watched" if widest == float("inf") else f"{widest:.3g} s"
    )
    return inconclusive(
        Reason.NOISE,
        f"{what} changed so near to the promised {promise:g} s that probes {figure} "
        "apart cannot tell; give the keys a larger allowance, or the run a faster way "
        "to the target.",
    )


@check(
    id="rotation.active-in-time",
    title="A new key works within the promised time",
    severity=Severity.MEDIUM,
    references=ROTATED,
    remediation="Write a new key where every worker reads before you answer with it.",
    needs=(*LIFE, "promises.rotation.active_within"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_active_in_time(target: Target) -> Verdict:
    """A client is restarted with its new key at once: until it works, it is down."""
    promise = promised(target)
    found = course(target)
    delays = [aspects.activation(item, promise) for item in found.in_turn]
    figures = aspects.figures(delays, "active")
    # The first of them is watched at every replica.
    delays += [
        aspects.admission(found.in_turn[0].created, seen, promise)
        for seen in found.in_turn[0].elsewhere_new.values()
    ]
    broken = [item for item in delays if item.judged(promise.active) is Kept.BROKEN]
    if broken:
        worst = max(broken, key=lambda item: item.lower)
        verdict = failed(
            f"A new key was still refused {worst.lower:.2f} s after it had been given "
            f"out ({len(broken)} of {len(delays)} that were watched were late).",
            expected=f"let in within {promise.active:g} s",
            actual=_taken(worst),
            measurements=figures,
        )
        return aspects.resting(verdict, _ends(worst))
    if any(item.judged(promise.active) is Kept.OPEN for item in delays):
        return _unsettled("New keys", delays, promise.active)
    most = max(item.upper for item in delays)
    return passed(
        f"{len(delays)} new keys worked at most {most:.3f} s after their creation was "
        f"answered (promised: {promise.active:g} s).",
        measurements=figures,
    )


@check(
    id="rotation.overlap",
    title="Old and new key both work until the old one is revoked",
    severity=Severity.HIGH,
    references=ROTATED,
    remediation="Let a key live until it is revoked, whatever keys are made beside it.",
    needs=(*LIFE, "promises.rotation.overlap"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_overlap(target: Target) -> Verdict:
    """Clients take up a new key one by one: without an overlap some are locked out."""
    found = course(target)
    until = aspects.first_revocation(found)
    promise = promised(target)
    refused = [
        one
        for item in found.in_turn
        for one in aspects.refused_in_overlap(item, until, promise)
    ]
    measured = {"refused": len(refused), "chart": aspects.drawing(found)}
    if refused:
        verdict = failed(
            f"{len(refused)} probes with a key that worked were refused before any key "
            "was revoked.",
            expected="both keys let in from the creation of the new one to the "
            "revocation of the old one",
            actual=f"{refused[0].status}",
            measurements=measured,
        )
        return aspects.resting(verdict, refused)
    return passed(
        f"Old and new keys were let in all through the overlap of {len(found.in_turn)} "
        "rotations.",
        measurements=measured,
    )


@check(
    id="rotation.no-request-lost",
    title="No request is lost while keys are rotated",
    severity=Severity.HIGH,
    references=(CWE(362), *ROTATED),
    remediation="Swap keys in one transaction, and keep serving while they are read.",
    needs=LIFE,
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_no_request_lost(target: Target) -> Verdict:
    """A rotation that costs requests is put off, until a key has leaked."""
    found = course(target)
    lost = aspects.lost(found)
    measured = {"probes": found.probes, "lost": len(lost)}
    if lost:
        verdict = failed(
            f"{len(lost)} of {found.probes} probes with a key that works came to "
            "nothing while keys were created and revoked.",
            expected="every request decided",
            actual=f"{lost[0].status or 'no answer'}",
            measurements=measured,
        )
        return aspects.resting(verdict, lost)
    if throttled := aspects.throttled(found):
        verdict = inconclusive(
            Reason.THROTTLED,
            f"{len(throttled)} of {found.probes} probes were throttled, though they "
            "were planned to stay within the promised limit.",
            measurements=measured,
        )
        return aspects.resting(verdict, throttled)
    return passed(
        f"None of {found.probes} probes was lost in {len(aspects.rotations(found))} "
        "rotations.",
        measurements=measured,
    )


@check(
    id="rotation.revoked-in-time",
    title="A revoked key is refused within the promised time",
    severity=Severity.CRITICAL,
    references=ENDED,
    remediation="Look a key's state up on every request, or make caches forget it when "
    "it is revoked.",
    needs=(*LIFE, "promises.rotation.revoked_within"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_revoked_in_time(target: Target) -> Verdict:
    """After a leak every second counts, and a cache is where they are lost."""
    promise = promised(target)
    found = [item for item in course(target).in_turn if aspects.was_live(item)]
    if not found:
        return _no_old_key()
    return _in_time(
        [aspects.revocation(item, promise) for item in found], promise.revoked, "keys"
    )


def _in_time(delays: Sequence[Delay], promise: float, what: str) -> Verdict:
    figures = aspects.figures(delays, "revoked")
    broken = [item for item in delays if item.judged(promise) is Kept.BROKEN]
    if broken:
        worst = max(broken, key=lambda item: item.lower)
        verdict = failed(
            f"{len(broken)} of {len(delays)} revoked {what} were still let in "
            f"{worst.lower:.2f} s after their revocation was answered.",
            expected=f"refused within {promise:g} s",
            actual=_taken(worst),
            measurements=figures,
        )
        return aspects.resting(verdict, _ends(worst))
    if any(item.judged(promise) is Kept.OPEN for item in delays):
        return _unsettled("Revoked keys", delays, promise)
    most = max(item.upper for item in delays)
    resolution = max(item.resolution for item in delays)
    again = sum(bool(item.relapses) for item in delays)
    later = f" {again} were let in again later; see rotation.stays-revoked."
    return passed(
        f"{len(delays)} revoked {what} were refused at most {most:.3f} s after their "
        f"revocation was answered (promised: {promise:g} s; known to {resolution:.3f} "
        f"s).{later if again else ''}",
        measurements=figures,
    )


@check(
    id="rotation.replicas",
    title="Every replica refuses a revoked key within the promised time",
    severity=Severity.CRITICAL,
    references=ENDED,
    remediation="Tell every replica of a revocation, or let none keep keys itself.",
    needs=(*LIFE, "target.replicas", "promises.rotation.revoked_within"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_replicas(target: Target) -> Verdict:
    """A load balancer hides the one replica that still lets a leaked key in."""
    promise = promised(target)
    first = course(target).in_turn[0]
    if not first.elsewhere:
        return not_applicable("The profile's replicas are all the base URL itself.")
    if aspects.revocation(first, promise).judged(promise.revoked) is not Kept.KEPT:
        return inconclusive(
            Reason.PRECONDITION,
            "The key was not even refused in time by the base URL; see "
            "rotation.revoked-in-time.",
        )
    delays = {
        name: aspects.refusal(first.revoked, seen, promise)
        for name, seen in first.elsewhere.items()
    }
    late = [
        name
        for name, item in delays.items()
        if item.relapses or item.judged(promise.revoked) is Kept.BROKEN
    ]
    verdict = _in_time(list(delays.values()), promise.revoked, "keys, at a replica,")
    if late:
        return aspects.resting(
            failed(
                f"{len(late)} of {len(delays)} replicas still let a revoked key in: "
                f"{', '.join(late[:4])}.",
                expected=f"refused everywhere within {promise.revoked:g} s",
                actual=_taken(delays[late[0]]),
                measurements=verdict.measurements,
            ),
            _ends(delays[late[0]]),
        )
    return verdict


@check(
    id="rotation.stays-revoked",
    title="A revoked key stays refused",
    severity=Severity.CRITICAL,
    references=ENDED,
    remediation="Keep revocations for ever, and read keys from where they are kept.",
    needs=LIFE,
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_stays_revoked(target: Target) -> Verdict:
    """A cache that is filled again from a stale copy brings a leaked key back."""
    promise = promised(target)
    found = [item for item in course(target).in_turn if aspects.was_live(item)]
    if not found:
        return _no_old_key()
    delays = [aspects.revocation(item, promise) for item in found]
    settled = [item for item in delays if item.after is not None]
    if not settled:
        return inconclusive(
            Reason.PRECONDITION,
            "No revoked key was ever refused; see rotation.revoked-in-time.",
        )
    relapses = [one for item in settled for one in item.relapses]
    if relapses:
        verdict = failed(
            f"A revoked key was refused, and then let in again {len(relapses)} times.",
            expected=f"refused for the {promise.stays:g} s that it was watched",
            actual=f"{relapses[0].status}",
            measurements={"relapses": len(relapses)},
        )
        return aspects.resting(verdict, relapses)
    return passed(
        f"{len(settled)} revoked keys stayed refused for {promise.stays:g} s.",
        measurements={"relapses": 0, "watched_seconds": promise.stays},
    )


@check(
    id="rotation.new-key-untouched",
    title="Revoking the old key does not touch the new one",
    severity=Severity.HIGH,
    references=ROTATED,
    remediation="Revoke by a key's own id, not by its owner or name.",
    needs=LIFE,
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_new_key_untouched(target: Target) -> Verdict:
    """The new key is what keeps the client alive once the old one is gone."""
    found = course(target)
    first = aspects.first_revocation(found)
    promise = promised(target)
    refused = [
        one
        for item in found.in_turn
        for one in aspects.new_refused_after(item, first, promise)
    ]
    if refused:
        return aspects.resting(
            failed(
                f"{len(refused)} probes with new keys were refused after an old key "
                "was revoked.",
                expected="the new keys let in as before",
                actual=f"{refused[0].status}",
            ),
            refused,
        )
    return passed("The new keys were let in before and after the old were revoked.")


@check(
    id="rotation.others-untouched",
    title="Other keys do not notice a rotation",
    severity=Severity.HIGH,
    references=ROTATED,
    remediation="Let creating and revoking touch nothing but the key they are about.",
    needs=LIFE,
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_others_untouched(target: Target) -> Verdict:
    """A cache that is emptied whole, or a lock that is held, is felt by everybody."""
    found = course(target)
    refused = aspects.others_refused(found, promised(target))
    if refused:
        return aspects.resting(
            failed(
                f"{len(refused)} probes with keys that nobody touched were refused "
                "while others were created and revoked.",
                expected="let in all the while",
                actual=f"{refused[0].status}",
                measurements={"refused": len(refused)},
            ),
            refused,
        )
    return passed(
        f"A key that nobody touched was let in {len(found.bystander)} times, all "
        "through the rotations."
    )


@check(
    id="rotation.own-allowance",
    title="A new key has an allowance of its own",
    severity=Severity.MEDIUM,
    references=(API(4, 2023), CWE(770)),
    remediation="Count requests by the key that sent them, as the limit says.",
    needs=(*LIFE, "promises.rate_limit.headers.remaining"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_own_allowance(target: Target) -> Verdict:
    """Where two keys share one allowance, an overlap halves what each client may do."""
    limit = target.profile.promises.rate_limit
    if limit is None or limit.per not in ("key", "token"):
        return not_applicable("The profile promises no limit for each key.")
    fallen, probes = aspects.new_keys_spent(course(target))
    if probes < 5:
        return inconclusive(
            Reason.PRECONDITION,
            "The new keys' answers do not say what remains of their allowance.",
        )
    measured = {"probes": probes, "fallen": fallen}
    if aspects.is_shared(fallen, probes):
        return failed(
            f"{probes} probes with new keys cost {fallen} of their allowance: others "
            "draw on it too.",
            expected="one for each request with the key",
            actual=f"{fallen / probes:.1f} for each",
            measurements=measured,
        )
    return passed(
        f"{probes} probes with new keys cost {fallen} of their allowance.",
        measurements=measured,
    )


@check(
    id="rotation.at-once",
    title="Two rotations at the same moment come out like one",
    severity=Severity.HIGH,
    references=(CWE(362), *ROTATED),
    remediation="Make creating and revoking atomic: one statement, or one lock a key.",
    needs=LIFE,
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_at_once(target: Target) -> Verdict:
    """After a leak everybody rotates at once."""
    found = course(target)
    known = [what for item in found.in_turn for what, _ in _troubles(target, item)]
    if known:
        return inconclusive(
            Reason.PRECONDITION,
            f"Rotations go wrong even one after the other ({known[0]}), so nothing can "
            "be told of two at the same moment.",
        )
    own = [trouble for item in found.at_once for trouble in _troubles(target, item)]
    if own:
        what, shown = own[0]
        verdict = failed(
            f"Of {len(found.at_once)} rotations at the same moment one went wrong: "
            f"{what}. One after the other they did not.",
            expected="both as when they come one after the other",
            actual=what,
        )
        return aspects.resting(verdict, shown)
    return passed(
        f"{len(found.at_once)} rotations at the same moment came out as "
        f"{len(found.in_turn)} one after the other did."
    )


@check(
    id="rotation.revoked-answer",
    title="A key just revoked is answered like one revoked long ago",
    severity=Severity.LOW,
    references=(CWE(204), API(2, 2023), RFC(6750, "3.1")),
    remediation="Give every key that is not accepted the same answer.",
    needs=(*LIFE, "identity.revoked"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_revoked_answer(target: Target) -> Verdict:
    """Who finds an old key must not learn that it was good until a moment ago."""
    found = course(target)
    operation = operation_for(target)
    fresh = probe_of(target, operation, found.in_turn[0].old, "a key just revoked")
    (former, *_) = target.identities("revoked")
    old = target.probe(operation, former, purpose="a key revoked long ago")
    # In this order, what changes from answer to answer differs between the outer two.
    usual, answer, again = (target.send(probe) for probe in (old, fresh, old))
    target.must_be_refused([usual, answer, again])
    if shown := difference(answer, usual, again):
        mine, other = shown
        return failed(
            "A key that was revoked a moment ago is answered otherwise than one "
            "revoked long ago.",
            answer,
            usual,
            expected=f"{usual.status} {other[:120]}",
            actual=f"{answer.status} {mine[:120]}",
        )
    return passed("Keys are refused alike, whenever they were revoked.", answer, usual)


def _troubles(
    target: Target, item: Rotated
) -> list[tuple[str, tuple[Observation, ...]]]:
    return list(aspects.troubles(course(target), item, promised(target)))


def _ends(found: Delay) -> list[Observation]:
    return [item for item in (found.before, found.after) if item is not None]


def _taken(found: Delay) -> str:
    if found.upper == float("inf"):
        return f"no change in the {found.lower:.2f} s that were watched"
    return f"between {found.lower:.2f} and {found.upper:.2f} s"


def _no_old_key() -> Verdict:
    return inconclusive(
        Reason.PRECONDITION,
        "No old key worked any more when it was revoked; see rotation.overlap.",
    )
