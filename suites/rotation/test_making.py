"""What new keys are made of, and what is shown of them afterwards.

ASVS 5.0.0, 11.5.1: "Verify that all random numbers and strings which are intended to be
non-guessable must be generated using a cryptographically secure pseudo-random number
generator (CSPRNG) and have at least 128 bits of entropy."
"""

import re
import time

from tollproof import (
    API,
    ASVS,
    CWE,
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
from tollproof.rotation.making import can_tell, structures, study
from tollproof.rotation.sample import Sample, keys_of, repeated, sample

LIFE = ("lifecycle",)
#: Fewer keys may agree in a character by chance.
TELLING = 8
RANDOM = (CWE(331), CWE(330), ASVS("5.0.0", "11.5.1"))


@check(
    id="rotation.key-format",
    title="New keys have the promised format",
    severity=Severity.LOW,
    references=(API(2, 2023), CWE(1286)),
    remediation="Make keys as documented, or document them as they are made.",
    needs=(*LIFE, "promises.keys.format"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_key_format(target: Target) -> Verdict:
    """Scanners find leaked keys by their format: one of another form goes unnoticed."""
    promise = target.profile.promises.keys
    pattern = re.compile(promise.format if promise and promise.format else "")
    found = sample(target)
    other = [key for key in found.keys if not pattern.fullmatch(key.value)]
    if other:
        return failed(
            f"{len(other)} of {len(found.keys)} new keys do not have the promised "
            "format.",
            *found.exchanges(other),
            expected=f"keys that match {pattern.pattern}",
            actual=_form(other[0].value),
        )
    return passed(f"All {len(found.keys)} new keys have the promised format.")


@check(
    id="rotation.unique-keys",
    title="No key and no id is given out twice",
    severity=Severity.CRITICAL,
    references=(CWE(340), *RANDOM),
    remediation="Draw each key anew, and make its id unique in the store.",
    needs=LIFE,
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_unique_keys(target: Target) -> Verdict:
    """Two callers with one key are one caller, to limits, to logs and to the owner."""
    if twice := repeated(target):
        first = twice[0]
        return failed(
            f"{first.later} has the same {first.what} as {first.former}.",
            expected="a key and an id of its own for each creation",
            actual=f"the same {first.what} twice",
            measurements={"repeated": len(twice)},
        )
    count = len(sample(target).keys)
    return passed(
        f"{count} keys were created for this; no key and no id came twice.",
        measurements={"keys": count},
    )


@check(
    id="rotation.key-entropy",
    title="New keys are as random as promised",
    severity=Severity.HIGH,
    references=RANDOM,
    remediation="Draw at least 128 bits for each key from the system's generator.",
    needs=(*LIFE, "promises.keys.entropy_bits"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_key_entropy(target: Target) -> Verdict:
    """A key that can be guessed need not be stolen.

    A sample shows that keys are worse than promised, never that they are as good: what
    passes is not contradicted by the sample, and the bound says how far that goes.
    """
    promise = target.profile.promises.keys
    bits = promise.entropy_bits if promise and promise.entropy_bits else 0.0
    found = sample(target)
    values = keys_of(found)
    if len(values) < 2:
        return _too_few(found)
    making = study(values, promise.prefix if promise else "")
    bound = min(making.at_most, making.bound)
    measured = {
        "keys": making.count,
        "characters": making.length,
        "varying": making.varying,
        "alphabet": f"{making.alphabet} ({making.size})",
        "bits_at_most": making.at_most,
        "bits_estimated": making.estimate,
        "bits_bound": making.bound,
    }
    if bound < bits and making.count < TELLING:
        return _too_few(found)
    if bound < bits:
        return failed(
            f"New keys have at most {bound:g} bits of randomness: {making.varying} of "
            f"{making.length} characters vary, in {making.alphabet}.",
            *found.exchanges(found.keys[:2]),
            expected=f"at least {bits:g} bits",
            actual=f"at most {bound:g} bits, by {making.count} keys",
            measurements=measured,
        )
    return passed(
        f"{making.count} keys do not contradict {bits:g} bits: {making.varying} "
        f"characters vary, {making.estimate:g} bits by their frequencies and "
        f"{making.at_most:g} at most.",
        measurements=measured,
    )


@check(
    id="rotation.key-structure",
    title="New keys hold no counter and no time",
    severity=Severity.LOW,
    references=(CWE(340), *RANDOM),
    remediation="Leave out of a key what tells when, or as which one, it was made.",
    needs=LIFE,
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_key_structure(target: Target) -> Verdict:
    """A counter tells how many customers there are, a time narrows down a search."""
    promise = target.profile.promises.keys
    found = sample(target)
    values = keys_of(found)
    if len(values) < 2 or not can_tell(len(values), len(values[0])):
        return _too_few(found)
    shown = structures(values, promise.prefix if promise else "", now=time.time())
    if shown:
        first = shown[0]
        return failed(
            f"Characters {first.start + 1} to {first.start + first.width} of new keys, "
            f"after the public prefix, are a {first.kind}.",
            *found.exchanges(found.keys[:2]),
            expected="nothing but chance",
            actual=", ".join(
                f"a {item.kind} of {item.width} characters" for item in shown[:4]
            ),
        )
    return passed(f"{len(values)} new keys show no counter and no time of day.")


@check(
    id="rotation.listed",
    title="A new key is listed",
    severity=Severity.MEDIUM,
    references=(API(9, 2023), ASVS("5.0.0", "13.3.4")),
    remediation="List every key that works, so that it can be found and revoked.",
    needs=(*LIFE, "lifecycle.list"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_listed(target: Target) -> Verdict:
    """A key that nobody sees is a key that nobody revokes."""
    found = sample(target)
    listing = found.listing(target)
    listed = {item.id for item in listing.keys}
    missing = [key for key in found.keys if key.id not in listed]
    if missing and listing.partial:
        return inconclusive(
            Reason.PRECONDITION,
            f"{len(missing)} of {len(found.keys)} keys that work are not on the pages "
            "that were listed, and there are more; ask for larger ones in "
            "lifecycle.list.path.",
            *found.exchanges(missing),
        )
    if missing:
        return failed(
            f"{len(missing)} of {len(found.keys)} keys that work are not listed.",
            *found.exchanges(missing),
            expected="every key that was created and not revoked",
            actual=f"{len(listed)} keys, without them",
        )
    return passed(f"All {len(found.keys)} new keys are listed.")


@check(
    id="rotation.masked",
    title="Listings show keys masked as promised",
    severity=Severity.MEDIUM,
    references=(CWE(200), CWE(522), API(3, 2023)),
    remediation="Keep, and list, the last four characters of a key and no more.",
    needs=(*LIFE, "lifecycle.list.shown", "promises.keys.masked"),
    impact=Impact.LIFECYCLE,
    tier=Tier.AUDIT,
)
def test_masked(target: Target) -> Verdict:
    """A key is shown once: what a listing shows is on a screen that others see."""
    promise = target.profile.promises.keys
    pattern = re.compile(promise.masked if promise and promise.masked else "")
    found = sample(target)
    own = {key.id for key in found.keys}
    shown = [item for item in found.listing(target).keys if item.id in own]
    if not shown:
        return inconclusive(
            Reason.PRECONDITION, "No new key is listed; see rotation.listed."
        )
    if leaks := [
        item
        for item in shown
        if item.shown and target.deployment.redactor.holds(item.shown)
    ]:
        return inconclusive(
            Reason.PRECONDITION,
            f"{len(leaks)} keys are not masked at all; see secrets.in-answer.",
        )
    other = [item for item in shown if not pattern.fullmatch(item.shown or "")]
    if other:
        return failed(
            f"{len(other)} of {len(shown)} keys are not listed as promised.",
            expected=f"text that matches {pattern.pattern}",
            actual=_form(other[0].shown or "nothing"),
        )
    return passed(f"All {len(shown)} new keys are listed masked.")


def _too_few(found: Sample) -> Verdict:
    if len(found.keys) < 2:
        return not_applicable("The profile has fewer than two keys created.")
    return inconclusive(
        Reason.NOISE,
        f"{len(found.keys)} keys are too few to tell; write a larger "
        "`sample` in [lifecycle].",
    )


def _form(text: str) -> str:
    """Describe a text that may be secret: kinds of characters, never the characters."""
    kinds = {str.isdigit: "9", str.islower: "a", str.isupper: "A"}
    shape = "".join(
        next((sign for test, sign in kinds.items() if test(letter)), letter)
        if letter.isascii()
        else "?"
        for letter in text[:60]
    )
    return f"{len(text)} characters like {shape}"
