"""Seeds faults into the reference deployments and sees which checks notice.

Knows what a fault promises: one check fails, and no other. Must not know how a fault
is made nor how a check judges. A tool that stops releases must show how many faults it
misses and how often it cries wolf; this is where both figures come from.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tollproof import running
from tollproof.errors import RecordError
from tollproof.model import Outcome, Reason, Tier
from tollproof.record import read_run
from tollproof.reference.algorithms import USUAL
from tollproof.reference.deployed import DEPLOYED
from tollproof.reference.faults import Fault
from tollproof.reference.launch import serving
from tollproof.sdk.proving import SDK_FAULTS
from tollproof.sdk.proving import write_profile as write_sample
from tollproof.sustain import CHANNEL, LoadRequest, Shape

#: The name of the trial without any fault.
SOUND = "(none)"
#: Suites that take a window or more: each runs only in trials of its own faults, and in
#: a sound trial; all other suites run in every trial.
LONG = ("ratelimit", "rotation")
#: The suite of sustained load, which runs by itself, with a load that goes well beyond
#: a small limit for a while.
SUSTAINED = "load"
SMALL, SHORT = 80, 4.0
SPIKE = LoadRequest(shape=Shape.SPIKE, seconds=24.0)
#: Requests and seconds of the limit in trials under load: long windows are not needed
#: to tell one limiter from another, and the other suites must fit inside as well.
LIMIT, WINDOW = 240, 12.0
#: Seconds after which a trial is given up.
PATIENCE = 600.0


#: Faults of the deployments and of the sample SDKs: all that is proved.
EVERY: tuple[Fault, ...] = (
    *DEPLOYED,
    *(
        Fault(name=one.name, check=one.check, title=one.title, of=one.profile)
        for one in SDK_FAULTS
    ),
)
_SAMPLES = {one.name: one for one in SDK_FAULTS}
_SAMPLE_NAMES = frozenset(one.profile for one in SDK_FAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A reference deployment with one fault, or with none.

    Attributes:
        fault: its name, or :data:`SOUND`.
        check: the check that must notice it; empty without a fault.
        of: the deployment or sample SDK that has it.
    """

    fault: str
    check: str = ""
    needs: tuple[str, ...] = ()
    of: str = "sparkient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the checks said of one trial.

    Attributes:
        failed: checks that failed, the expected one included.
        undetermined: checks that were inconclusive on a subject.
        broken: why the trial could not be judged at all; empty when it was.
    """

    trial: Trial
    failed: tuple[str, ...] = ()
    undetermined: tuple[str, ...] = ()
    judged: int = 0
    broken: str = ""

    @property
    def noticed(self) -> bool:
        """Whether the named check failed; a sound deployment has nothing to notice."""
        return not self.broken and (
            not self.trial.check or self.trial.check in self.failed
        )

    @property
    def false_alarms(self) -> tuple[str, ...]:
        """Checks that failed though nothing of theirs is broken."""
        return tuple(name for name in self.failed if name != self.trial.check)


def trials(faults: Iterable[Fault]) -> tuple[Trial, ...]:
    """Return a trial for each fault, before them a sound one for each way to start."""
    chosen = tuple(faults)
    seeded = [
        Trial(fault=fault.name, check=fault.check, needs=_needs(fault), of=fault.of)
        for fault in chosen
    ]
    ways = dict.fromkeys(
        way for trial in seeded for way in ((trial.of, ()), (trial.of, trial.needs))
    )
    sound = (Trial(fault=SOUND, needs=needs, of=of) for of, needs in ways)
    return (*sound, *seeded)


def _needs(fault: Fault) -> tuple[str, ...]:
    """Return how a trial must be started, and which long suite it takes."""
    suite = fault.check.partition(".")[0]
    return (*fault.needs, suite) if suite in (*LONG, SUSTAINED) else fault.needs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """What runs in a trial, and against which limit."""

    suites: tuple[str, ...]
    tier: Tier = Tier.AUDIT
    limit: int = 600
    window: float = 60.0


def _way(trial: Trial, suites: tuple[str, ...]) -> _Way:
    if trial.of in _SAMPLE_NAMES:
        return _Way(suites=("sdk",))
    if SUSTAINED in trial.needs:
        return _Way(suites=(SUSTAINED,), tier=Tier.LOAD, limit=SMALL, window=SHORT)
    if any(need.startswith(("failures=", "sustained=")) for need in trial.needs):
        # All other suites show wrong credentials by the hundred, or wait for the
        # longer limit again and again.
        return _Way(suites=("ratelimit",), limit=LIMIT, window=WINDOW)
    spared = set(LONG) - set(trial.needs)
    chosen = suites or tuple(sorted(running.suite_names() - spared - {SUSTAINED}))
    if spared == set(LONG):
        return _Way(suites=chosen)
    return _Way(suites=chosen, limit=LIMIT, window=WINDOW)


def _way_of(needs: Sequence[str], name: str, usual: str) -> str:
    wanted = (need.partition("=") for need in needs)
    return next((value for own, _, value in wanted if own == name), usual)


def prove(
    planned: Sequence[Trial],
    *,
    suites: tuple[str, ...] = (),
    jobs: int = 2,
    done: Callable[[Observation], None] = lambda _: None,
) -> tuple[Observation, ...]:
    """Judge every trial, `jobs` at a time, and return what was seen, in order.

    Args:
        suites: run these only; all of them when empty.
        done: called with each observation as it is made, from any thread.
    """
    os.environ[CHANNEL] = SPIKE.to_channel()

    def observe(trial: Trial) -> Observation:
        observation = _observe(trial, suites)
        done(observation)
        return observation

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return tuple(pool.map(observe, planned))


@contextlib.contextmanager
def _profile(trial: Trial, way: _Way, folder: Path) -> Iterator[Path]:
    """Start what a trial is about and yield its profile."""
    if trial.of in _SAMPLE_NAMES:
        yield write_sample(folder, _SAMPLES.get(trial.fault), trial.of)
        return
    with serving(
        trial.of,
        faults=() if trial.fault == SOUND else (trial.fault,),
        tls="tls" in trial.needs,
        workers=2 if "workers" in trial.needs else 1,
        replicas=1 if "replicas" in trial.needs else 0,
        algorithm=_way_of(trial.needs, "algorithm", USUAL),
        per=_way_of(trial.needs, "per", "key"),
        failures=int(_way_of(trial.needs, "failures", "0")),
        sustained=_way_of(trial.needs, "sustained", "no") == "yes",
        limit=way.limit,
        window=way.window,
    ) as deployment:
        yield deployment.write_profile(folder / "profile.toml")


def _observe(trial: Trial, suites: tuple[str, ...]) -> Observation:
    way = _way(trial, suites)
    with (
        tempfile.TemporaryDirectory(prefix="tollproof-prove-") as folder,
        _profile(trial, way, Path(folder)) as profile,
    ):
        output = Path(folder) / "run"
        request = running.Request(
            profile=profile,
            output=output,
            tier=way.tier,
            command="tollproof prove",
            only=way.suites,
            progress="silent",
            # A gate has several where it can; what they do not share must hide nothing.
            workers=2,
            formats=("json",),
        )
        code = running.run_silently(request, seconds=PATIENCE)
        try:
            run = read_run(output)
        except RecordError as error:
            return Observation(trial=trial, broken=str(error))
    if run.about.interrupted or code not in (0, 1):
        return Observation(trial=trial, broken=f"the run ended with code {code}")
    ours = [item for item in run.results if item.verdict.reason is Reason.HARNESS]
    if ours:
        why = f"{ours[0].check}: {ours[0].verdict.summary}"
        return Observation(trial=trial, broken=why)

    def named(outcome: Outcome) -> tuple[str, ...]:
        found = [item for item in run.results if item.verdict.outcome is outcome]
        return tuple(dict.fromkeys(item.check for item in found))

    return Observation(
        trial=trial,
        failed=named(Outcome.FAILED),
        undetermined=named(Outcome.INCONCLUSIVE),
        judged=len(run.results),
    )
