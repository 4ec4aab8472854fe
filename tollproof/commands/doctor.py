"""`doctor`: is the profile right, does the target answer, what would be judged?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from tollproof.cases import Selection, cases
from tollproof.catalogue import load_entries
from tollproof.deployment import Deployment
from tollproof.errors import Undetermined
from tollproof.judgement import Exit
from tollproof.model import Tier
from tollproof.opening import Options, open_deployment
from tollproof.profile.load import load_profile
from tollproof.quota import plan_measurement
from tollproof.reporting.text import one_line
from tollproof.resources import shipped
from tollproof.running import suite_folders

_SHOWN = 6  # names of a list
_EACH = "\0"  # stands for the operation in a reason that many operations share


@click.command()
@click.argument("profile", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--base-url", metavar="URL", help="Look at this address instead.")
@click.option(
    "--tier",
    type=click.Choice([Tier.GATE.value, Tier.AUDIT.value]),
    default=Tier.AUDIT.value,
    show_default=True,
    help="The command whose checks are listed.",
)
@click.option("--offline", is_flag=True, help="Read and plan only; send nothing.")
def doctor(profile: Path, base_url: str | None, tier: str, offline: bool) -> int:
    """Show whether PROFILE is right, whether its identities work, what would run.

    Sends nothing but one preflight request or three for each identity.
    """
    profile = shipped(profile)
    loaded = load_profile(profile, base_url=base_url, environ=os.environ)
    click.echo(f"{profile}: reads well ({loaded.name}, {loaded.target.environment})")
    deployment = open_deployment(
        loaded,
        options=Options(tier=Tier(tier), offline=offline),
        environ=os.environ,
        record=lambda _: None,
    )
    protected = sum(not item.public for item in deployment.operations)
    click.echo(
        f"{len(deployment.operations)} operations, {protected} of them protected; "
        f"{len(deployment.identities)} identities"
    )
    for note in deployment.notes:
        click.echo(f"  note: {one_line(note)}")
    with deployment:
        healthy = offline or _preflight(deployment)
        _plan(deployment, Tier(tier))
        if Tier(tier) is Tier.AUDIT:
            _measurement(deployment)
    return Exit.PASSED if healthy else Exit.UNDETERMINED


def _measurement(deployment: Deployment) -> None:
    """Say what measuring the rate limit will take, where one is promised."""
    if deployment.profile.promises.rate_limit is None:
        return
    try:
        planned = plan_measurement(deployment)
    except Undetermined as undetermined:
        click.echo(
            f"\nRate limit: cannot be measured: {one_line(undetermined.sentence)}"
        )
        return
    policy, budget = planned.promise.tightest, deployment.profile.consent.budget
    click.echo(
        f"\nMeasuring the rate limit of {policy.text} takes about "
        f"{planned.schedule.requests} requests (at most {planned.requests}) and "
        f"{planned.seconds:.0f} s, {planned.seconds / policy.window:.2f} windows, with "
        f"{len(planned.schedule.keys)} keys asking for {planned.operation.label}, "
        f"after they have rested for up to {planned.rest:.0f} s"
    )
    for text in planned.schedule.untested:
        click.echo(f"  not shown: {one_line(text)}")
    if planned.requests > budget.audit_requests:
        click.echo(
            f"  over budget: consent.budget.audit_requests is {budget.audit_requests}"
        )


def _preflight(deployment: Deployment) -> bool:
    healthy = True
    click.echo(f"\nPreflight at {deployment.profile.target.base_url}")
    silent: dict[str, list[str]] = {}
    for identity in deployment.identities.values():
        if not identity.is_live:
            continue
        try:
            exchange = deployment.preflight(identity, "doctor")
        except Undetermined as undetermined:
            healthy = False
            silent.setdefault(undetermined.sentence, []).append(identity.name)
        else:
            click.echo(
                f"  {identity.name:<14} is let in at {exchange.operation} "
                f"({exchange.status})"
            )
    for sentence, names in silent.items():
        # Often the same one for all of them: nobody is there.
        who = names[0] if len(names) == 1 else f"{_some(names)}:"
        click.echo(f"  {who:<14} {one_line(sentence)}")
    return healthy


def _plan(deployment: Deployment, tier: Tier) -> None:
    runs: Counter[str] = Counter()
    reasons: dict[str, _Reason] = {}
    labels = {operation.label for operation in deployment.operations}
    for entry in load_entries(suite_folders()):
        found = cases(entry.spec, entry.parameters, deployment, Selection(tier=tier))
        for case in found:
            reason = case.left_out or case.inapplicable
            if reason:
                about = case.subject if case.subject in labels else ""
                one = reasons.setdefault(_likeness(reason, about), _Reason(reason))
                one.checks[entry.spec.id] = None
                if case.subject != "-":
                    one.subjects[case.subject] = None
            else:
                runs[entry.spec.suite] += 1
    click.echo(f"\nWould run with `tollproof {tier}`: {sum(runs.values())} results")
    for suite, count in sorted(runs.items()):
        click.echo(f"  {suite:<16} {count}")
    if reasons:
        click.echo("\nWould not run:")
    for likeness, one in reasons.items():
        many = len(one.subjects) > 1 and likeness != one.sentence
        text = likeness.replace(_EACH, f"{len(one.subjects)} operations")
        click.echo(f"  {one_line(text if many else one.sentence)}")
        click.echo(f"      {_some(list(one.checks))}")
        if one.subjects and (many or likeness == one.sentence):
            click.echo(f"      on {one_line(_some(list(one.subjects)))}")


@dataclass(slots=True)
class _Reason:
    """Why checks would not run, in the words for the first of them; kept in order."""

    sentence: str
    checks: dict[str, None] = field(default_factory=dict)
    subjects: dict[str, None] = field(default_factory=dict)


def _likeness(reason: str, subject: str) -> str:
    """Return what a reason has in common with those of other operations."""
    return reason.replace(subject, _EACH, 1) if subject else reason


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
