"""Judging which requests escape the limit, and by what it is counted.

While a key is shut, requests in another form are sent between plain ones that are
refused. What is let in then has an allowance of its own. For most forms that is a way
round the limit; for another operation or address it may be what was promised. Knows
lanes, the promise and what was inferred. Must not know headers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from tollproof.ratelimit.finding import (
    Aspect,
    Finding,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.ratelimit.infer import Inference
from tollproof.ratelimit.models import TRICKLING
from tollproof.ratelimit.promise import (
    BY_ADDRESS,
    BY_OPERATION,
    OTHER_ADDRESS,
    OTHER_KEY,
    OTHER_OPERATION,
    RateLimitPromise,
)
from tollproof.ratelimit.sharing import siblings
from tollproof.ratelimit.view import ADMITTED, REFUSED, Lane, View

#: Forms that may be promised an allowance of their own.
_SCOPES = frozenset((OTHER_OPERATION, OTHER_ADDRESS))
#: What is no form of a request that might evade.
_NO_FORMS = _SCOPES | {OTHER_KEY}

Chosen = Callable[[str], bool]


@dataclass(slots=True)
class _Forms:
    """What became of the forms of a request that were tried.

    Attributes:
        apart: how many were let in that the limiter cannot have let in, by form.
        shared: refused like plain requests.
        barred: answered with nothing but 4xx.
    """

    apart: dict[str, int] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)
    barred: set[str] = field(default_factory=set)

    @property
    def rest(self) -> set[str]:
        """Forms of which nothing could be told."""
        return self.tried - self.shared - self.barred - self.apart.keys()


def _forms(
    view: View, promise: RateLimitPromise, inference: Inference, chosen: Chosen
) -> _Forms:
    """Sort out the forms.

    A form counts apart when more of it was admitted, between two refusals of plain
    requests, than a limiter of any kind can have let in meanwhile.
    """
    policy = promise.tightest
    kinds = set(inference.candidates)
    rate = policy.limit / policy.window if inference.may_trickle else 0.0
    opens = not kinds or bool(kinds - TRICKLING)
    found = _Forms()
    served: set[str] = set()
    for lane in view:
        for variant, rows in _bursts(lane, chosen):
            found.tried.add(variant)
            if any(lane.outcome[row] == REFUSED for row in rows):
                found.shared.add(variant)
                continue
            if any(lane.status[row] >= 400 for row in rows):
                # Answered before the limiter, or not at all: nobody gains by that.
                if all(400 <= lane.status[row] < 500 for row in rows):
                    found.barred.add(variant)
                continue
            served.add(variant)
            if all(lane.outcome[row] == ADMITTED for row in rows) and _beyond(
                lane, rows, rate, opens=opens
            ):
                found.apart[variant] = found.apart.get(variant, 0) + len(rows)
    found.barred -= served | found.shared
    return found


def _bursts(lane: Lane, chosen: Chosen) -> list[tuple[str, list[int]]]:
    bursts: dict[tuple[str, int], list[int]] = {}
    for row, variant in enumerate(lane.variant):
        if variant != "plain" and chosen(variant):
            bursts.setdefault((variant, lane.shot[row]), []).append(row)
    return [(variant, rows) for (variant, _), rows in bursts.items()]


def _beyond(lane: Lane, rows: list[int], rate: float, *, opens: bool) -> bool:
    """Whether more was let in between two refusals than can have dripped in.

    Args:
        rate: places that come open in a second; 0 where none does.
        opens: whether many may come open at once.
    """
    refused = lane.rows(REFUSED, plain=True)
    ends = sorted((lane.received[row], lane.sent[row]) for row in refused)
    starts = [lane.sent[row] for row in refused]
    sent = lane.sent[rows[0]]
    received = max(lane.received[row] for row in rows)
    before = bisect_left(ends, (sent, 0.0)) - 1
    after = bisect_right(starts, received)
    if before < 0 or after >= len(starts):
        return False
    low, high = ends[before][1], starts[after]
    beside = [
        row
        for row in lane.rows(ADMITTED, plain=True)
        if low <= lane.received[row] and lane.sent[row] <= high
    ]
    if opens and beside:
        # A plain request let in meanwhile: the key was not shut all the time.
        return False
    if not rate:
        return True
    # Only what was certainly let in after the refusal took of what dripped.
    drained = ends[before][0]
    also = [row for row in beside if drained <= lane.sent[row] <= received]
    end = max([received, *(lane.received[row] for row in also)])
    return len(also) + len(rows) > rate * (end - low) + 1


def evasion(
    view: View, promise: RateLimitPromise, inference: Inference, over: Finding
) -> Finding:
    """Judge that other forms of the request do not count apart."""
    aspect = Aspect.EVASION
    found = _forms(view, promise, inference, lambda name: name not in _NO_FORMS)
    if not found.tried:
        return not_applicable(aspect, "no other form of the request was tried")
    if found.apart:
        names = ", ".join(sorted(found.apart))
        if over.figures.get("beyond"):
            return inconclusive(
                aspect,
                f"requests in another form were admitted ({names}), but so were plain "
                "ones beyond the limit: it may be the connection that counts apart",
                admitted=found.apart,
            )
        return failed(
            aspect,
            f"while the key was shut, requests in another form were admitted: {names}",
            expected="every form of the request counts towards the limit",
            actual=f"{len(found.apart)} forms count apart: {names}",
            admitted=found.apart,
        )
    if found.rest:
        return inconclusive(
            aspect,
            "the key was not shut long enough to tell for "
            + ", ".join(sorted(found.rest)),
        )
    note = f"never answered but with 4xx: {', '.join(sorted(found.barred))}"
    if not found.shared:
        return not_applicable(aspect, f"no other form is let in; {note}")
    return passed(
        aspect,
        "while the key was shut, these forms of the request were refused as well: "
        + ", ".join(sorted(found.shared))
        + (f"; {note}" if found.barred else ""),
    )


_WORDS = {
    OTHER_OPERATION: "another operation",
    OTHER_ADDRESS: "the same from another address",
}
_OWNS = {OTHER_OPERATION: BY_OPERATION, OTHER_ADDRESS: BY_ADDRESS}
_REMEDIES = {
    OTHER_OPERATION: "no other operation could be asked for: list a second harmless "
    "one under target.read_only",
    OTHER_ADDRESS: "all requests came from one address, so that nothing was seen of "
    "another: measure from a second machine at the same time",
}


def scope(
    view: View, promise: RateLimitPromise, inference: Inference, over: Finding
) -> Finding:
    """Judge that the limit is counted by what the promise names.

    While a key is shut, another operation is refused too, unless each has an allowance
    of its own; and so is every other key where the address is what counts.
    """
    aspect = Aspect.SCOPE
    if len(promise.scopes) > 1:
        return not_applicable(
            aspect,
            "several limits hold at once, counted by "
            f"{' and by '.join(promise.scopes)}: which of them shut the key cannot be "
            "told",
        )
    found = _forms(view, promise, inference, lambda name: name in _SCOPES)
    kept: list[str] = []
    broken: list[str] = []
    left: list[str] = []
    for form, owner in _OWNS.items():
        own = promise.per == owner
        if form in found.apart or form in found.shared:
            told = "admitted" if form in found.apart else "refused"
            (kept if own == (form in found.apart) else broken).append(
                f"{_WORDS[form]} was {told}"
            )
        elif form in found.rest:
            left.append(f"of {_WORDS[form]}, the key was not shut long enough to tell")
        elif own or form is OTHER_OPERATION:
            left.append(_REMEDIES[form])
    if promise.per == BY_ADDRESS:
        asked = siblings(view)
        if asked is None:
            left.append(
                "no other key was asked from the same address: add a second live "
                "identity"
            )
        else:
            told = "admitted" if asked.apart else "refused"
            (broken if asked.apart else kept).append(f"another key was {told}")
    note = f"; {'; '.join(left)}" if left else ""
    if broken:
        text = f"while a key was shut, {' and '.join(broken)}"
        if over.figures.get("beyond") and found.apart:
            return inconclusive(
                aspect, f"{text}, but so were plain requests beyond the limit"
            )
        return failed(
            aspect,
            text + note,
            expected=f"an allowance for each {promise.per}",
            actual=", ".join(broken),
            apart=sorted(str(form) for form in found.apart),
        )
    if found.rest:
        # One part of the promise that holds says nothing of the other.
        return inconclusive(aspect, "; ".join([*left, *kept]))
    if kept:
        return passed(
            aspect,
            f"while a key was shut, {' and '.join(kept)}, as a limit per "
            f"{promise.per} has it{note}",
        )
    return not_applicable(aspect, "; ".join(left))
