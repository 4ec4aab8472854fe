"""How soon a credential that was withdrawn is refused, and whether by everybody.

Knows that another worker may answer each connection, and that one which has not heard
of it yet lets the credential in again. Must not know what was withdrawn, nor how.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event

from tollproof.client import Probe, origin_of
from tollproof.errors import Undetermined
from tollproof.model import Exchange, Reason
from tollproof.target import Target

#: Refusals in a row, each on a connection of its own, after which all are taken to
#: refuse.
ROW = 5
#: Seconds between two probes, at least; as long as it is let in, this share of the time
#: that has passed.
EVERY, SHARE = 0.15, 0.1
#: Promises of more seconds are not waited for.
LONGEST = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What became of a credential after it was withdrawn.

    Attributes:
        refused: whether it came to be refused in time, and stayed so.
        seconds: from the withdrawal until the first refusal that no success followed;
            where it is let in after the promised time, until that last success.
        last: the last answer.
    """

    refused: bool
    seconds: float
    last: Exchange


def watch_everywhere(
    target: Target, probe: Callable[[], Probe], within: float
) -> Withdrawn:
    """Watch at the base URL and at every replica at once; return the worst of them.

    A balancer hides the one replica that still lets the credential in, so a failure
    anywhere is one, though another replica tells nothing.

    Args:
        probe: makes the probe for the base URL, each time anew.
        within: the promised seconds.

    Raises:
        Undetermined: as :func:`watch`, where none has failed.
    """
    own = target.profile.target
    urls = (own.base_url, *own.replicas)
    origins = tuple(dict.fromkeys(origin_of(url) for url in urls))

    def at(origin: str) -> Withdrawn | Undetermined:
        try:
            return watch(target, lambda: replace(probe(), origin=origin), within)
        except Undetermined as undetermined:
            return undetermined

    with ThreadPoolExecutor(max_workers=len(origins)) as pool:
        found = list(pool.map(at, origins))
    seen = [item for item in found if isinstance(item, Withdrawn)]
    if failure := next((item for item in seen if not item.refused), None):
        return failure
    for item in found:
        if isinstance(item, Undetermined):
            raise item
    return max(seen, key=lambda item: item.seconds)


def watch(
    target: Target,
    probe: Callable[[], Probe],
    within: float,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Withdrawn:
    """Show a credential that was just withdrawn until it is refused, or time is up.

    It has failed only by an answer to a probe that was *sent* after the promised time.

    Args:
        probe: makes the probe, each time anew.
        within: the promised seconds.

    Raises:
        Undetermined: an answer is neither a success nor a refusal, none came, or the
            promise is longer than anybody waits.
    """
    pause = Event()
    started, refusals, first = clock(), 0, 0.0
    while True:
        asking = probe()
        sent = clock() - started
        # Each on a connection of its own.
        exchange = target.send(
            replace(asking, headers=(*asking.headers, ("Connection", "close")))
        )
        if exchange.status in (401, 403):
            first = first if refusals else sent
            refusals += 1
            if refusals == ROW:
                return Withdrawn(refused=True, seconds=first, last=exchange)
        elif exchange.status >= 300:
            raise Undetermined(
                Reason.PRECONDITION,
                f"It is answered {exchange.status} then, which is neither a success "
                "nor a refusal.",
                exchange.id,
            )
        else:
            refusals = 0
            if sent > within:
                return Withdrawn(refused=False, seconds=sent, last=exchange)
            if sent > LONGEST:
                raise Undetermined(
                    Reason.PRECONDITION,
                    f"It is let in for {sent:.0f} seconds, and {within:g} are promised,"
                    " which nobody waits for.",
                    exchange.id,
                )
        # One probe more goes right after the promised time.
        left = within - (clock() - started)
        every = EVERY if refusals else max(EVERY, sent * SHARE)
        pause.wait(min(every, left + 0.01) if left > 0 else EVERY)
