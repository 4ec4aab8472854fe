"""`doctor`: is the profile right, does the target answer, what would be judged?"""

from __future__ import annotations

import os
from collections import Counter
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
    with deployment.client:
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
    for identity in deployment.identities.values():
        if not identity.is_live:
            continue
        try:
            exchange = deployment.preflight(identity, "doctor")
        except Undetermined as undetermined:
            healthy = False
            click.echo(f"  {identity.name:<14} {one_line(undetermined.sentence)}")
        else:
            click.echo(
                f"  {identity.name:<14} is let in at {exchange.operation} "
                f"({exchange.status})"
            )
    return healthy


def _plan(deployment: Deployment, tier: Tier) -> None:
    runs: Counter[str] = Counter()
    reasons: dict[str, list[str]] = {}
    for entry in load_entries(suite_folders()):
        found = cases(entry.spec, entry.parameters, deployment, Selection(tier=tier))
        for case in found:
            reason = case.left_out or case.inapplicable
            if reason:
                reasons.setdefault(reason, []).append(
                    entry.spec.id
                    if case.subject == "-"
                    else f"{entry.spec.id} on {case.subject}"
                )
            else:
                runs[entry.spec.suite] += 1
    click.echo(f"\nWould run with `tollproof {tier}`: {sum(runs.values())} results")
    for suite, count in sorted(runs.items()):
        click.echo(f"  {suite:<16} {count}")
    if reasons:
        click.echo("\nWould not run:")
    for reason, names in reasons.items():
        click.echo(f"  {one_line(reason)}")
        shown = ", ".join(names[:6])
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        click.echo(f"      {shown}{more}")
