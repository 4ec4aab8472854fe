"""What an organisation sees where nothing of its own was asked for by name.

OWASP API1:2023: "Object level authorization checks should be considered in every
function that accesses a data source using an ID from the user."
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

from tollproof import (
    API,
    ASVS,
    CWE,
    Exchange,
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
from tollproof.access import Cell
from tollproof.experiment import (
    TELLING,
    Reading,
    aimed,
    identifiers,
    leaves,
    read,
    telling,
)
from tollproof.identity import Identity
from tollproof.tenancy import NAMES, listing_operations, overrides, owned, owner_of


def _named(reading: Reading, ids: Iterable[str]) -> list[str]:
    """Return which of the ids an answer names.

    A short one, as 2, is also a count or a price: it must stand where ids stand.
    """
    document = reading.document()
    everywhere = set(leaves(document))
    as_ids = set(identifiers(document))
    return sorted(
        text for text in ids if text in (everywhere if len(text) >= TELLING else as_ids)
    )


def _alone(target: Target, cell: Cell) -> tuple[Reading, Reading, frozenset[str]]:
    """Return the owner's answer, the stranger's, and the texts the owner's alone has.

    Those are its texts of some length and, however short, the ids the profile names.

    Raises:
        Undetermined: one of them is not answered with a success.
    """
    control = owned(target, cell)
    mirrored = Cell(
        identity=cell.identity, operation=cell.operation, owner=cell.identity
    )
    own = owned(target, mirrored)
    alone = telling(control.document()) - telling(own.document())
    named = set(_named(control, owner_of(cell).owns.values()))
    return control, own, alone | (named - set(identifiers(own.document())))


@check(
    id="tenancy.list",
    title="A listing holds nothing of another organisation",
    severity=Severity.CRITICAL,
    references=(CWE(639), CWE(200), API(1, 2023), ASVS("5.0.0", "8.2.2")),
    remediation="Filter every query by the caller's organisation, in one place.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_list(target: Target, listing_cell: Cell) -> Verdict:
    """A listing without its filter gives everything away at once."""
    owner = owner_of(listing_cell)
    control, own, _ = _alone(target, listing_cell)
    if not _named(control, owner.owns.values()):
        return not_applicable(
            f"{listing_cell.operation.label} lists none of the objects that the "
            f"profile says {owner.name} owns.",
            control.exchange,
        )
    if foreign := _named(own, owner.owns.values()):
        return failed(
            f"{listing_cell.identity.name} ({listing_cell.identity.organisation}) is "
            f"shown {foreign[0]} of {owner.organisation}.",
            own.exchange,
            control.exchange,
            expected="objects of its own organisation alone",
            actual=", ".join(foreign),
        )
    return passed(
        f"Nothing of {owner.organisation} is listed.", own.exchange, control.exchange
    )


@check(
    id="tenancy.query",
    title="A query does not reach into another organisation",
    severity=Severity.CRITICAL,
    references=(CWE(639), API(1, 2023), ASVS("5.0.0", "8.2.2")),
    remediation="Let filters narrow the caller's own objects and nothing else.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_query(target: Target, listing_cell: Cell) -> Verdict:
    """Searches and filters often take another way to the data than listings do."""
    owner = owner_of(listing_cell)
    control, _, alone = _alone(target, listing_cell)
    probe = aimed(target, listing_cell.operation, caller=listing_cell.identity)
    joint = "&" if "?" in probe.target else "?"
    names = ("id", "ids", "q", "search", "filter")
    readings = [
        read(
            target,
            replace(
                probe,
                target=f"{probe.target}{joint}{name}={quote(value, safe='')}",
                purpose=f"by ?{name}=",
            ),
        )
        for parameter, value in owner.owns.items()
        for name in dict.fromkeys((parameter, *names))
    ]
    return _nothing_of(owner, alone - set(owner.owns.values()), readings, control)


@check(
    id="tenancy.override",
    title="An organisation named by the caller changes nothing",
    severity=Severity.CRITICAL,
    references=(CWE(639), CWE(807), API(1, 2023), ASVS("5.0.0", "8.4.1")),
    remediation="Take the organisation from the verified credential alone.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_override(target: Target, listing_cell: Cell) -> Verdict:
    """A tenant in a header is a wish, unless a credential says the same."""
    owner = owner_of(listing_cell)
    control, _, alone = _alone(target, listing_cell)
    probe = aimed(target, listing_cell.operation, caller=listing_cell.identity)
    readings = [
        read(target, changed) for changed in overrides(probe, owner.organisation)
    ]
    return _nothing_of(owner, alone - {owner.organisation}, readings, control)


def _nothing_of(
    owner: Identity,
    alone: frozenset[str],
    readings: list[Reading],
    control: Reading,
) -> Verdict:
    """Judge answers in which nothing may stand that only the owner's answer holds."""
    if not alone:
        return not_applicable(
            f"Nothing in the answer to {owner.name} is its organisation's alone.",
            control.exchange,
        )
    for reading in readings:
        document = reading.document()
        if shown := alone & telling(document).union(identifiers(document)):
            return failed(
                f"{reading.exchange.identity} is shown what belongs to "
                f"{owner.organisation} {reading.exchange.purpose}.",
                reading.exchange,
                control.exchange,
                expected=f"nothing of {owner.organisation}",
                actual=min(shown)[:80],
            )
    return passed(
        f"Nothing of {owner.organisation} in {len(readings)} answers.",
        readings[0].exchange,
        control.exchange,
    )


@check(
    id="tenancy.write-override",
    title="Nothing can be created in another organisation",
    severity=Severity.HIGH,
    references=(CWE(639), API(3, 2023), ASVS("5.0.0", "8.2.3")),
    remediation="Take the organisation from the verified credential alone.",
    needs=("identity.second_organisation", "identity.owns"),
)
def test_write_override(target: Target, body_operation: Operation) -> Verdict:
    """A member of the body that names the owner is set for others (mass assignment)."""
    callers = target.deployment.callers(body_operation)
    first = {item.organisation: item for item in reversed(callers) if item.organisation}
    if not body_operation.changes or body_operation.parameters or len(first) < 2:
        return not_applicable(
            "It creates nothing, or is granted to one organisation alone."
        )
    stranger, victim = list(first.values())[:2]
    target.control(body_operation)
    probe = aimed(target, body_operation, caller=stranger)
    try:
        document = json.loads(probe.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return not_applicable("Its example request is not a JSON object.")
    made: dict[str, Exchange] = {}
    for name in NAMES:
        body = json.dumps({**document, name: victim.organisation}).encode()
        answer = read(
            target, replace(probe, body=body, purpose=f"with {name} in the body")
        )
        if answer.found:
            made |= dict.fromkeys(telling(answer.document()), answer.exchange)
    if not made:
        return passed("A body that names an organisation is refused.")
    return _not_in(target, victim, made)


def _not_in(target: Target, victim: Identity, made: dict[str, Exchange]) -> Verdict:
    """Look for what a stranger made in all that the victim can list."""
    before = {victim.organisation, *telling(victim.owns)}
    looked = []
    for operation in listing_operations(target):
        if not victim.may_call(operation):
            continue
        listing = read(target, aimed(target, operation, caller=victim))
        looked.append(listing.exchange)
        ids = {text for text in made if any(letter.isdigit() for letter in text)}
        if listing.found and (shown := (ids & telling(listing.document())) - before):
            text = min(shown)
            return failed(
                f"{made[text].identity} created something in {victim.organisation} "
                f"{made[text].purpose}.",
                made[text],
                listing.exchange,
                expected=f"nothing new in {victim.organisation}",
                actual=f"{text[:60]} in {operation.label}",
            )
    if not looked:
        return inconclusive(
            Reason.PRECONDITION,
            f"{victim.name} may read no listing in which it would show.",
        )
    return passed(f"Nothing of it shows in {victim.organisation}.", *looked)
