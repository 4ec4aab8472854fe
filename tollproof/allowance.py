"""When the next request with a credential may go without being throttled.

Knows what the profile promises each caller and what was sent so far, as monotonic times
that it is told. Must not know requests, nor wait: the client does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tollproof.profile.model import Profile
from tollproof.profile.promises import Policy

#: Share of an allowance that a run spends; the rest is for what else uses the key.
SHARE = 0.85
#: A window is taken to be longer by this factor: our clock is not the target's.
LONGER = 1.03
#: Windows above this many seconds are never waited for.
LONGEST = 120.0
#: Who shares one allowance when addresses are counted.
EVERYBODY = "*"


@dataclass(slots=True, kw_only=True)
class Account:
    """At most so many requests in any span of so many seconds.

    Attributes:
        starts: when the last of them started or will start, oldest first.
    """

    most: int
    seconds: float
    starts: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        """Remember no more than what can matter."""
        self.starts = deque(maxlen=self.most)

    def earliest(self, clock: float) -> float:
        """Return when the next request may start."""
        if len(self.starts) < self.most:
            return clock
        return max(clock, self.starts[0] + self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What every caller has spent.

    Attributes:
        accounts: the limits on each identity, by its name; identities that share an
            allowance share the objects. `EVERYBODY` stands for all the others.
    """

    accounts: Mapping[str, tuple[Account, ...]] = field(default_factory=dict)

    def reserve(self, identity: str, clock: float) -> float:
        """Enter one more request of an identity; return when it may start.

        Must be called under one lock, since the order of calls is that of requests.
        """
        accounts = self.accounts.get(identity) or self.accounts.get(EVERYBODY, ())
        start = max((one.earliest(clock) for one in accounts), default=clock)
        for account in accounts:
            account.starts.append(start)
        return start


def ledger_of(profile: Profile, *, processes: int = 1) -> Ledger:
    """Return the ledger of a run that shares its identities among processes.

    Identities with a limit of their own are left out: they are there to be throttled.
    """
    promised = profile.promises.rate_limit
    if promised is None:
        return Ledger()
    shared: dict[tuple[int, str], Account] = {}
    accounts: dict[str, list[Account]] = {}
    for number, policy in enumerate((promised, *promised.policies)):
        if policy.window > LONGEST:
            continue
        for name, declared in profile.identities.items():
            if declared.limit is not None or declared.is_open:
                continue
            owner = {
                "key": name,
                "token": name,
                "organisation": declared.organisation or name,
                "address": EVERYBODY,
            }.get(policy.per)
            if owner is None:
                continue
            account = shared.setdefault(
                (number, owner), _account(policy, processes=processes)
            )
            accounts.setdefault(name, []).append(account)
            if owner == EVERYBODY:
                everybody = accounts.setdefault(EVERYBODY, [])
                if not any(one is account for one in everybody):
                    everybody.append(account)
    return Ledger(accounts={name: tuple(found) for name, found in accounts.items()})


def _account(policy: Policy, *, processes: int) -> Account:
    """Return the strictest reading of a policy.

    A bucket of `burst` is full again after the time it takes to refill; so many in any
    such span never find it empty.
    """
    at_once = min(policy.burst or policy.limit, policy.limit)
    seconds = policy.window * at_once / policy.limit
    return Account(
        most=max(1, math.floor(SHARE * at_once / processes)), seconds=LONGER * seconds
    )
