"""What checks ask of a deployment under load, each measured once a run.

A gate loads every check and measures nothing under load. What does so takes a tenth of
a second to import, so it is only imported when it is first asked. Knows whom to ask,
and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollproof.model import Verdict
    from tollproof.ratelimit.finding import Aspect
    from tollproof.sustain import Sustenance
    from tollproof.target import Target


def limited(target: Target, *aspects: Aspect) -> Verdict:
    """Return what is found about aspects of the rate limit; of several, the worst.

    Raises:
        Undetermined: nothing could be measured.
    """
    from tollproof.quota import verdict_on

    return verdict_on(target, *aspects)


def sustained(target: Target) -> Sustenance:
    """Return what the run's sustained load has shown.

    Raises:
        Undetermined: no load could be made; says why.
    """
    from tollproof.sustain import measurement

    return measurement(target)
