"""How often each key may be asked, so that watching it never exhausts its allowance.

Knows a limit and the lengths of phases. Near a change answers must lie close together,
since their distance is the resolution; elsewhere fewer will do.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Share of a key's allowance that a rotation may use up.
SHARE = 0.6
#: The shortest distances of two probes with one key, in seconds: near a change, and
#: elsewhere. More would tell nothing and cost the target.
CLOSEST, CALMEST = 0.02, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two probes with one key.

    Attributes:
        near: while a change is awaited.
        calm: otherwise.
    """

    near: float
    calm: float


def plan_pace(*, awaited: float, otherwise: float, allowance: float | None) -> Pace:
    """Return how often one key is asked.

    Args:
        awaited: seconds in which a change may be awaited, all in all.
        otherwise: seconds in which the key is watched beside that.
        allowance: requests the key may send in all of that time; None for no limit.
    """
    if allowance is None:
        return Pace(near=CLOSEST, calm=CALMEST)
    free = max(allowance * SHARE, 2.0)
    return Pace(
        near=max(CLOSEST, awaited / (0.6 * free)),
        calm=max(CALMEST, otherwise / (0.4 * free)),
    )
