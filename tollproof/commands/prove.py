"""`prove`: how many seeded faults are noticed, and how often a check cries wolf."""

from __future__ import annotations

import threading

import click

from tollproof.judgement import Exit
from tollproof.proving import EVERY, SOUND, Observation, trials
from tollproof.proving import prove as observe
from tollproof.reference.faults import select


@click.command()
@click.option(
    "--suite",
    "suites",
    multiple=True,
    metavar="NAME",
    help="Seed only the faults of this suite's checks. Repeatable.",
)
@click.option(
    "--fault", "names", multiple=True, metavar="NAME", help="Only this one. Repeatable."
)
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="At once."
)
def prove(suites: tuple[str, ...], names: tuple[str, ...], jobs: int) -> int:
    """Show that each fault is noticed by the check that names it, and by no other.

    Starts a reference deployment, or a sample SDK, with each fault in turn and runs
    the checks on it; suites that take a window or more run on their own faults only.
    Exit code 0 only when every fault was noticed and no other check failed.
    """
    wanted = select(names, {fault.name: fault for fault in EVERY})
    chosen = [
        fault
        for fault in EVERY
        if (not wanted or fault.name in wanted)
        and (not suites or fault.check.partition(".")[0] in suites)
    ]
    if not chosen:
        raise click.UsageError("no fault fits; see tollproof serve --list-faults")
    planned = trials(chosen)
    width = max(len(trial.fault) for trial in planned)
    lock = threading.Lock()
    click.echo(f"{'fault':<{width}}  noticed by")

    def show(observation: Observation) -> None:
        with lock:
            click.echo(_line(observation, width))

    observations = observe(planned, jobs=jobs, done=show)
    seeded = [item for item in observations if item.trial.fault != SOUND]
    noticed = sum(item.noticed for item in seeded)
    alarms = sum(len(item.false_alarms) for item in observations)
    broken = sum(bool(item.broken) for item in observations)
    click.echo(f"{noticed} of {len(seeded)} faults noticed; {alarms} false alarms")
    return (
        Exit.PASSED if noticed == len(seeded) and not alarms + broken else Exit.FAILED
    )


def _line(observation: Observation, width: int) -> str:
    trial = observation.trial
    if observation.broken:
        return f"{trial.fault:<{width}}  NOT JUDGED: {observation.broken}"
    if trial.fault == SOUND:
        text = f"nothing to notice, {observation.judged} results"
        if trial.of != "sparkient":
            text += f" of {trial.of}"
        if trial.needs:
            text += f" with {' '.join(trial.needs)}"
        if observation.undetermined:
            text += f"; undetermined: {', '.join(observation.undetermined)}"
    else:
        text = trial.check if observation.noticed else f"MISSED by {trial.check}"
    if observation.false_alarms:
        text += f"; FALSE ALARM: {', '.join(observation.false_alarms)}"
    return f"{trial.fault:<{width}}  {text}"
