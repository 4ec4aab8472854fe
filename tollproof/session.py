"""One run in one process: what the pytest adapter holds between its hooks.

Knows how plan, deployment, record and judgement come together. Must not know pytest:
every method is called with plain values, so another driver could call them as well.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tollproof.cases import NONE, Case, Selection
from tollproof.common import is_possible
from tollproof.deployment import Deployment
from tollproof.errors import ArtefactRefused, UsageError
from tollproof.folder import forget_former, make_room, restore
from tollproof.forks import beside
from tollproof.judgement import with_waivers
from tollproof.model import (
    About,
    CheckSpec,
    Exchange,
    LeftOut,
    Planned,
    Result,
    Run,
    Tier,
    Verdict,
    from_json,
    now,
    to_json,
)
from tollproof.opening import Options, open_deployment
from tollproof.passive import Tallies, tallied, verdicts
from tollproof.plan import Plan
from tollproof.profile.load import anchors, load_profile
from tollproof.profile.model import Profile
from tollproof.progress import Progress
from tollproof.record import (
    JOURNAL,
    PLAN,
    RESULTS,
    Lines,
    finish,
    journals,
    read_journal_of,
    read_leftovers,
    read_plan,
    read_run,
    write_artefact,
    write_leftovers,
    write_plan,
)
from tollproof.redaction import Redactor
from tollproof.reporting import FORMATS, Format, terminal
from tollproof.reporting.text import visible
from tollproof.target import Target
from tollproof.version import __version__

#: The journal of a process that is alone, or the first of several.
MAIN = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A check that judges exchanges, ready to be shown one."""

    function: Callable[[Target, Exchange], Verdict]
    target: Target

    def __call__(self, exchange: Exchange) -> Verdict:
        return self.function(self.target, exchange)


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of a journal, tallied.

    Attributes:
        count: exchanges.
    """

    count: int = 0
    tallies: Tallies = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Session:
    """The state of a run in one process.

    Attributes:
        cases: every case of every check collected, by check id and subject.
        formats: names of the reports that are written.
        former: an earlier run that the reports compare with.
        tallied_elsewhere: waits for what other processes made of exchanges: name of
            the journal → its beginning, tallied.
        swept: verdicts of the checks that judge exchanges, once they have.
        run: the finished run.
        unreadable: what is wrong with suites that could not be collected.
        others_failed: whether something failed that is no check.
        refused: why files of it were not written.
        worker: the name of this process among several, empty when it is alone.
        processes: how many spread the checks; no more than may ask at once.
    """

    profile: Profile
    deployment: Deployment
    selection: Selection
    folder: Path
    about: About
    journal: Lines
    progress: Progress
    formats: tuple[str, ...] = tuple(FORMATS)
    former: Run | None = None
    plan: Plan = field(default_factory=Plan)
    cases: dict[str, dict[str, Case]] = field(default_factory=dict)
    tallied_elsewhere: Callable[[], Mapping[str, Part]] = dict
    swept: Mapping[str, Verdict] = field(default_factory=dict)
    run: Run | None = None
    refused: tuple[str, ...] = ()
    unreadable: list[str] = field(default_factory=list)
    others_failed: bool = False
    worker: str = ""
    processes: int = 1
    _results: list[Result] = field(default_factory=list)
    _lines: Lines | None = None
    _started: float = field(default_factory=time.monotonic)

    @property
    def redactor(self) -> Redactor:
        """What stands between the run's credentials and everything that is kept."""
        return self.deployment.redactor

    def target(self, check: str) -> Target:
        """Return the deployment as one check sees it."""
        return Target(deployment=self.deployment, check=check)

    # -- before ----------------------------------------------------------------------

    def plan_for(
        self, items: Iterable[tuple[CheckSpec, Case]], *, partly: bool
    ) -> None:
        """Take what was collected as the plan of the run.

        Args:
            partly: more checks are installed than were collected.
        """
        checks: dict[str, CheckSpec] = {}
        planned: dict[Planned, None] = {}
        left_out: dict[LeftOut, None] = {}
        for spec, case in items:
            checks[spec.id] = spec
            if case.left_out:
                entry = LeftOut(
                    check=spec.id, subject=case.subject, reason=case.left_out
                )
                left_out[entry] = None
            else:
                planned[Planned(check=spec.id, subject=case.subject)] = None
        if partly:
            reason = "pytest was asked for a part of the suites"
            left_out[LeftOut(check="*", subject=NONE, reason=reason)] = None
        self.plan = Plan(
            checks=tuple(checks.values()),
            planned=tuple(planned),
            left_out=tuple(left_out),
        )

    def write_plan(self) -> None:
        """Write the plan, unless another process of the run already has."""
        if not (self.folder / PLAN).exists():
            write_plan(
                self.folder,
                self.about,
                self.plan,
                self.redactor,
                self.profile.waivers,
            )

    def started(self, elsewhere: bool) -> None:
        """Tell the reader that the run begins; `elsewhere`: workers hold the plan."""
        suites = (item.check.partition(".")[0] for item in self.plan.planned)
        self.progress.started({} if elsewhere else Counter(suites))

    def prepare(self) -> None:
        """Begin with what checks will want to have drawn from the OpenAPI document."""
        document = self.deployment.document
        if document is not None:
            wanting = {
                item.id for item in self.plan.checks if "target.openapi" in item.needs
            }
            document.expect_invalid_bodies(
                [item.subject for item in self.plan.planned if item.check in wanting],
                run_seed=self.deployment.seed,
            )

    # -- while it runs ---------------------------------------------------------------

    def keep(self, result: Result) -> None:
        """Write a result down at once."""
        if self._lines is None:
            self._lines = Lines(self.folder / RESULTS)
        self._lines.append(result)

    def count(self, result: Result) -> None:
        """Take a result that is written down, by this process or another."""
        self._results.append(result)
        self.progress.finished(result)

    def begin_anew(self, worker: str) -> None:
        """In a forked process: write to files of its own, and show nothing."""
        self.worker = worker
        self.progress.leave()
        self.journal.divert(self.folder / JOURNAL / f"{worker}.jsonl")
        self.deployment.begin_anew(worker)

    def redacted(self, result: Result) -> Result:
        """Return a result without any credential in any of its texts."""
        return from_json(Result, _redact(to_json(result), self.redactor.redact))

    def sweep(self, judges: Mapping[str, Judged]) -> None:
        """Show every exchange of the run to the checks that judge them, once.

        Those that another process has tallied are not looked at again.
        """
        if not self.swept:
            done = self.tallied_elsewhere()
            parts = [tallied((), judges)]
            for name in journals(self.folder):
                there = done.get(name, Part())
                parts += [
                    there.tallies,
                    self.tally(judges, name, range(there.count, sys.maxsize)),
                ]
            self.swept = verdicts(parts)

    def tally(
        self, judges: Mapping[str, Judged], journal: str, which: range
    ) -> Tallies:
        """Show exchanges of one process to the checks that judge exchanges.

        Args:
            which: the numbers of the exchanges in the journal, from 0.
        """
        found = read_journal_of(self.folder, journal, skip=which.start)
        some = islice(found, which.stop - which.start)
        return tallied(filter(self._is_of_the_api, some), judges)

    def _is_of_the_api(self, exchange: Exchange) -> bool:
        """Whether the API answered: a token endpoint keeps RFC 6749's promises."""
        asked = exchange.request.url.partition("?")[0]
        identities = self.profile.identities.values()
        return all(asked != self.profile.token_url(item) for item in identities)

    # -- after -----------------------------------------------------------------------

    def finish(self, *, interrupted: bool) -> Run:
        """Put the run together, write it and every report of it, and return it."""
        if not self.plan.planned and (self.folder / PLAN).exists():
            self.plan = read_plan(self.folder)
        left = self.tidy() + read_leftovers(self.folder)
        about = replace(
            self.about,
            ended=now(),
            interrupted=interrupted,
            notes=self.about.notes + left,
        )
        run = finish(self.folder, about, self.plan, self._results)
        budget = self.deployment.client.settings.requests
        run = replace(run, traffic=replace(run.traffic, budget=budget))
        self.run = with_waivers(
            run, self.profile.waivers, datetime.now().astimezone().date()
        )
        self.progress.ended(self.run)
        self.deployment.close()  # its threads are in the way of a fork
        self.refused = tuple(filter(None, self._write_all(self.run)))
        forget_former(self.folder)
        for reason in self.refused:
            sys.stderr.write(f"tollproof: {reason}\n")
        return self.run

    def tidy(self) -> tuple[str, ...]:
        """Remove what this process has created at the target; say what is left."""
        return tuple(self.redactor.redact(text) for text in self.deployment.undo())

    def tidy_worker(self) -> None:
        """Do so in one process of several, and leave word for the one that reports."""
        if left := self.tidy():
            write_leftovers(self.folder, self.worker, left)

    def _write_all(self, run: Run) -> list[str]:
        """Write every report; return why each was refused, or an empty text.

        The first takes longest, and is written beside the others where that is allowed.
        """
        first, *others = (
            partial(self._write, FORMATS[name], run) for name in self.formats
        )
        waiting = beside(first) if self.processes > 1 else first
        rest = [write() for write in others]
        return [waiting(), *rest]

    def _write(self, form: Format, run: Run) -> str:
        """Write one report; return why it was refused, or an empty text."""
        try:
            text = form.render(run, self.former)
            write_artefact(self.folder / form.file, text, self.redactor)
        except ArtefactRefused as refused:
            return str(refused)
        return ""

    def discard(self) -> None:
        """Undo a run that judged nothing; say which suites were unreadable.

        On standard error, since pytest's own report of it may be switched off.
        """
        for text in self.unreadable:
            sys.stderr.write(f"tollproof: a suite cannot be read: {visible(text)}\n")
        restore(self.folder)

    def summary(self) -> str:
        """Return the run in words, for a terminal."""
        width = shutil.get_terminal_size().columns
        text = terminal.render(self.run, width=width) if self.run else ""
        return text

    def close(self) -> None:
        """Close connections and files."""
        self.deployment.close()
        self.journal.close()
        if self._lines is not None:
            self._lines.close()


def _redact(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redact(item, redact) for item in value]
    if isinstance(value, dict):
        return {redact(key): _redact(item, redact) for key, item in value.items()}
    return value


def open_session(option: Any, worker: str) -> Session:
    """Open a run as the command line's options say.

    Args:
        option: the parsed options, `tollproof_profile` and its kin. A missing run id
            and output folder are filled in, so that workers inherit them.
        worker: the name of this process among several, empty when it is alone.

    Raises:
        UsageError: profile, secrets or output folder cannot be used.
    """
    if not __debug__:
        raise UsageError(
            "Python runs with -O, which takes every assertion out of a check; "
            "run it without -O and without PYTHONOPTIMIZE"
        )
    profile = load_profile(
        Path(option.tollproof_profile),
        base_url=option.tollproof_base_url,
        environ=os.environ,
    )
    tier = Tier(option.tollproof_tier)
    option.tollproof_run_id = option.tollproof_run_id or secrets.token_hex(6)
    if not option.tollproof_output:
        option.tollproof_output = str(Path("reports") / "out" / option.tollproof_run_id)
    folder = Path(option.tollproof_output)
    former = None
    if not worker:
        if option.tollproof_compare:
            # Before the folder is cleared: it may be the former run's own.
            former = read_run(Path(option.tollproof_compare))
        make_room(folder)
    progress = Progress.of(option.tollproof_progress, sys.stdout)
    asked = option.tollproof_workers if is_possible() else 1
    processes = min(asked, profile.consent.budget.concurrency)
    journal = Lines(folder / JOURNAL / f"{worker or MAIN}.jsonl")
    deployment = open_deployment(
        profile,
        options=Options(
            tier=tier,
            seed=option.tollproof_seed,
            run_id=option.tollproof_run_id,
            worker=worker or MAIN,
            workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
            forks=processes,
            production_consent=option.tollproof_consent_to_production,
            say=progress.note,
            folder=folder / JOURNAL,
        ),
        environ=os.environ,
        record=journal.append,
    )
    return Session(
        worker=worker,
        profile=profile,
        deployment=deployment,
        selection=Selection(
            tier=tier,
            suites=tuple(option.tollproof_suite),
            checks=tuple(option.tollproof_check),
        ),
        folder=folder,
        about=About(
            tool=f"tollproof {__version__}",
            run_id=option.tollproof_run_id,
            command=option.tollproof_command,
            deployment=profile.name,
            base_url=profile.target.base_url,
            environment=profile.target.environment,
            profile=str(profile.path),
            started=now(),
            seed=option.tollproof_seed,
            anchors={**anchors(profile), **deployment.anchors},
            notes=deployment.notes,
        ),
        journal=journal,
        formats=tuple(filter(None, option.tollproof_formats.split(",")))
        or tuple(FORMATS),
        former=former,
        progress=progress,
        processes=processes,
    )
