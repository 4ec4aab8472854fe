"""What changed since a former run of the same profile.

Knows that a result is the same in two runs when check (or an alias of it) and subject
are. Must not know how the change is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from tollproof.model import Run
from tollproof.reporting.summary import Case, State, specs_by_id, summarise

__all__ = ["Comparison", "compare"]

_BROKEN = (State.FAILED, State.WAIVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Cases of the later run, sorted by what became of them.

    Attributes:
        former: run id of the former run.
        former_started: when it started, ISO 8601.
        same_target: whether both judged the same deployment at the same address.
        new: failed now, not failed or not tested then.
        still: failed then and now.
        fixed: failed then, passed now.
        unclear: failed then; inconclusive or not applicable now. Not a fix.
        lost: passed then, inconclusive now.
        gone: (check, subject) that failed then and is not in the later run at all.
    """

    former: str
    former_started: str
    same_target: bool
    new: tuple[Case, ...]
    still: tuple[Case, ...]
    fixed: tuple[Case, ...]
    unclear: tuple[Case, ...]
    lost: tuple[Case, ...]
    gone: tuple[tuple[str, str], ...]

    @property
    def unchanged(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.new or self.fixed or self.unclear or self.lost or self.gone)


def compare(run: Run, former: Run) -> Comparison:
    """Compare a run with a former one, waived failures counting as failures."""
    find = specs_by_id(run)
    then: dict[tuple[str, str], State] = {}
    for case in summarise(former).cases:
        # The later run knows the aliases: a renamed check is still the same check.
        key = (find(case.spec.id).id, case.result.subject)
        if then.get(key) not in _BROKEN:
            then[key] = case.state
    cases = summarise(run).cases
    present = {case.key for case in cases}
    new: list[Case] = []
    still: list[Case] = []
    fixed: list[Case] = []
    unclear: list[Case] = []
    lost: list[Case] = []
    for case in cases:
        before = then.get(case.key)
        if case.state in _BROKEN:
            (still if before in _BROKEN else new).append(case)
        elif before in _BROKEN:
            (fixed if case.state is State.PASSED else unclear).append(case)
        elif before is State.PASSED and case.state is State.INCONCLUSIVE:
            lost.append(case)
    return Comparison(
        former=former.about.run_id,
        former_started=former.about.started,
        same_target=(former.about.deployment, former.about.base_url)
        == (run.about.deployment, run.about.base_url),
        new=tuple(new),
        still=tuple(still),
        fixed=tuple(fixed),
        unclear=tuple(unclear),
        lost=tuple(lost),
        gone=tuple(
            key
            for key, state in then.items()
            if state in _BROKEN and key not in present
        ),
    )
