"""The adapter to pytest: checks become items, verdicts become outcomes.

Knows pytest's public hooks and nothing of what is checked. Inert unless a profile is
given with `--tollproof-profile`. The state of a run lives in `config.stash`; pytest's
hooks are the only event bus.

With pytest-xdist the workers probe. When all of them are done, the controller runs what
must have the target to itself, and then what judges every exchange, over all journals.
"""

from __future__ import annotations

import difflib
import inspect
import re
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tollproof.declare import spec_of
from tollproof.errors import CatalogueError, Undetermined, UsageError
from tollproof.evaluate import evaluate, verdict_of
from tollproof.judgement import Exit, exit_code
from tollproof.model import (
    CheckSpec,
    Impact,
    Outcome,
    Reason,
    Result,
    Severity,
    Tier,
    Verdict,
    from_json,
    now,
    to_json,
)
from tollproof.plan import PASSIVE, SUBJECTS, WHOLE, Case, Selection, cases
from tollproof.reporting.text import one_line, visible
from tollproof.resources import bundled
from tollproof.running import NOTHING_JUDGED
from tollproof.session import Judged, Session, open_session
from tollproof.target import Target

SESSION = pytest.StashKey[Session]()
CASE = pytest.StashKey[tuple[CheckSpec, Case]]()
RESULT = pytest.StashKey[Result]()

_WORDS = {
    Outcome.PASSED: ("passed", ".", "PASSED"),
    Outcome.FAILED: ("failed", "F", "FAILED"),
    Outcome.INCONCLUSIVE: ("inconclusive", "?", "INCONCLUSIVE"),
    Outcome.NOT_APPLICABLE: ("not applicable", "-", "NOT APPLICABLE"),
}
_PYTEST_OUTCOME = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.INCONCLUSIVE: "failed",
    Outcome.NOT_APPLICABLE: "skipped",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tollproof", "judging a deployed HTTP API")
    add = group.addoption
    add("--tollproof-profile", metavar="FILE", help="the profile to judge by")
    add("--tollproof-output", metavar="DIR", help="folder for results and reports")
    add(
        "--tollproof-tier",
        choices=[tier.value for tier in Tier],
        default=Tier.GATE.value,
        help="which checks to run (default: gate)",
    )
    add("--tollproof-seed", type=int, default=0, help="seed of generated probes")
    add("--tollproof-suite", action="append", default=[], help="only this suite")
    add("--tollproof-check", action="append", default=[], help="only this check")
    add("--tollproof-base-url", metavar="URL", help="judge this address instead")
    add("--tollproof-formats", default="", help="only these reports, by comma")
    add("--tollproof-compare", metavar="DIR", help="a former run to compare with")
    add(
        "--tollproof-fail-on",
        choices=[severity.value for severity in Severity],
        default=Severity.INFO.value,
        help="the lowest severity that fails the run (default: info)",
    )
    add("--tollproof-run-id", default="", help="name of the run, else a random one")
    add("--tollproof-command", default="pytest", help="what the report says was run")
    add(
        "--tollproof-consent-to-production",
        action="store_true",
        help="allow load and key lifecycle on a production target",
    )
    add("--tollproof-progress", default="", help="plain or live: tollproof's own")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "check(id, suite, severity, tier): what a tollproof check declares of itself",
    )
    if not config.getoption("tollproof_profile") or config.getoption("help"):
        return
    try:
        session = open_session(config.option, _worker_id(config))
    except UsageError as error:
        raise pytest.UsageError(visible(str(error))) from error
    except Undetermined as error:
        pytest.exit(
            f"nothing could be judged: {visible(str(error))}", returncode=NOTHING_JUDGED
        )
    config.stash[SESSION] = session
    if config.getoption("tollproof_progress"):
        signal.signal(signal.SIGINT, _interrupt_once)
    if not _worker_id(config):
        config.pluginmanager.register(_Listener(session), "tollproof-listener")


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """End the run in good order; a second Ctrl-C must not spoil its record."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def pytest_unconfigure(config: pytest.Config) -> None:
    if session := config.stash.get(SESSION, None):
        session.close()


def _worker_id(config: pytest.Config) -> str:
    """Return xdist's name of this process, `gw0` …, or an empty text."""
    workerinput = getattr(config, "workerinput", None)
    return str(workerinput["workerid"]) if workerinput else ""


def _is_controller(config: pytest.Config) -> bool:
    """Whether other processes run the items and this one only listens."""
    return not _worker_id(config) and config.pluginmanager.hasplugin("dsession")


# -- fixtures ------------------------------------------------------------------------


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    """The deployment under judgement."""
    session = request.config.stash.get(SESSION, None)
    if session is None:
        raise pytest.UsageError(
            "no deployment to judge: give --tollproof-profile=FILE "
            "(or run `tollproof gate FILE`)"
        )
    spec, _ = request.node.stash[CASE]
    return session.target(spec.id)


@pytest.fixture
def exchange() -> None:
    """Stands for every exchange of the run; the plugin calls such checks itself."""


# -- collection ----------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    session = metafunc.config.stash.get(SESSION, None)
    if session is None:
        return
    spec = _spec(metafunc.function, metafunc.module.__name__)
    parameters = list(inspect.signature(metafunc.function).parameters)
    found = cases(spec, parameters, session.deployment, session.selection)
    names = [name for name in parameters if name in SUBJECTS]
    if names:
        metafunc.parametrize(
            names,
            [tuple(case.arguments.get(name) for name in names) for case in found],
            ids=[case.subject for case in found],
        )
    session.cases[spec.id] = {case.subject: case for case in found}


def pytest_itemcollected(item: pytest.Item) -> None:
    session = item.config.stash.get(SESSION, None)
    if session is None or not isinstance(item, pytest.Function):
        return
    spec = _spec(item.function, item.module.__name__)
    # unittest's methods are never asked for subjects.
    found = session.cases.setdefault(spec.id, {WHOLE: Case(subject=WHOLE)})
    item.stash[CASE] = (spec, _case(item, found))
    item.add_marker(
        pytest.mark.check(
            id=spec.id,
            suite=spec.suite,
            severity=spec.severity.value,
            tier=spec.tier.value,
        )
    )
    item.extra_keyword_matches.update({spec.id, spec.suite, *spec.aliases})
    item.extra_keyword_matches.update(item.label for item in spec.references)


def _case(item: pytest.Function, found: dict[str, Case]) -> Case:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return next(iter(found.values()))
    given = {name: value for name, value in callspec.params.items() if name in SUBJECTS}
    # pytest's id of a subject is the subject, mostly: no search through a thousand.
    likely = found.get(callspec.id)
    for case in chain((likely,) if likely else (), found.values()):
        if dict(case.arguments) == given or (
            not case.arguments and not any(given.values())
        ):
            break
    else:
        case = Case(subject=WHOLE)
    if set(callspec.params) - set(given):
        # The author's own parameters tell subjects apart as well.
        return Case(
            subject=callspec.id,
            arguments=case.arguments,
            inapplicable=case.inapplicable,
            left_out=case.left_out,
        )
    return case


def _spec(function: Callable[..., Any], module: str) -> CheckSpec:
    """Return what a check declares, or what a plain test of a user's amounts to."""
    declared = spec_of(function)
    if declared is not None:
        return declared
    suite = _slug(module.rpartition(".")[2])
    # Methods of the same name in two classes of a file are two checks.
    names = function.__qualname__.rpartition("<locals>.")[2].split(".")
    slug = "-".join(filter(None, map(_slug, names)))
    title = inspect.cleandoc(function.__doc__ or slug.replace("-", " "))
    return CheckSpec(
        id=f"{suite or 'tests'}.{slug}",
        title=title.splitlines()[0].rstrip("."),
        severity=Severity.MEDIUM,
        rationale=title,
    )


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower().removeprefix("test")).strip("-")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    session = config.stash.get(SESSION, None)
    if session is None:
        return
    ours = [item for item in items if CASE in item.stash]
    partly = _is_partial(config)
    try:
        _refuse_collisions(ours)
        if not partly:
            _refuse_unknown(session.selection, [item.stash[CASE][0] for item in ours])
    except pytest.UsageError:
        if not _worker_id(config):
            raise
        # The controller collects as well, in the end, and says what is wrong.
        items.clear()
        return
    left_out = [item for item in ours if item.stash[CASE][1].left_out]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    session.plan_for((item.stash[CASE] for item in ours), partly=partly)
    if not config.getoption("collectonly"):
        session.write_plan()
    gone = set(left_out)
    if _worker_id(config):
        gone |= {item for item in ours if _turn(item) > Turn.ANY}
    if _is_controller(config):
        gone |= {item for item in items if _turn(item) <= Turn.ANY}
    items[:] = sorted((item for item in items if item not in gone), key=_turn)


class Turn(IntEnum):
    """When an item runs; past ANY, no other process sends anything any more."""

    FIRST = 0
    ANY = 1
    UNDISTURBED = 2
    LAST = 3


def _turn(item: pytest.Item) -> Turn:
    if CASE not in item.stash:
        return Turn.ANY
    spec, _ = item.stash[CASE]
    if spec.suite == "preflight":
        return Turn.FIRST  # it explains what fails later
    # What is kept of a run, in logs and stores, is looked at when all of it was sent.
    if _is_passive(item) or spec.suite == "secrets":
        return Turn.LAST
    # What measures spends the allowance of keys, and counts what others send.
    measures = spec.impact in (Impact.LOAD, Impact.LIFECYCLE)
    return Turn.UNDISTURBED if measures else Turn.ANY


def _is_passive(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and PASSIVE in item.fixturenames


def _refuse_collisions(items: list[pytest.Item]) -> None:
    owners: dict[str, Callable[..., Any]] = {}
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        spec, _ = item.stash[CASE]
        function = inspect.unwrap(item.function)
        for name in (spec.id, *spec.aliases):
            owner = owners.setdefault(name, function)
            if owner.__code__ is not function.__code__:
                raise pytest.UsageError(
                    str(
                        CatalogueError(
                            f"two checks call themselves {name!r}: "
                            f"{_place(owner)} and {_place(function)}; rename one"
                        )
                    )
                )


def _is_partial(config: pytest.Config) -> bool:
    """Whether pytest was asked for less than every suite that is installed."""
    narrowing = ("keyword", "markexpr", "lf", "deselect", "stepwise")
    if any(config.getoption(name, default=None) for name in narrowing):
        return True
    own = bundled("suites").resolve()
    given = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return not any(path == own or path in own.parents for path in given)


def _refuse_unknown(selection: Selection, specs: Sequence[CheckSpec]) -> None:
    """Refuse a name that stands for nothing: it would be taken for judged."""
    ids = {name for spec in specs for name in (spec.id, *spec.aliases)}
    suites = {spec.suite for spec in specs}
    for kind, wanted, known in (
        *(("suite", name, suites) for name in selection.suites),
        *(("check", name, ids) for name in selection.checks),
    ):
        if not any(fnmatchcase(name, wanted) for name in known):
            near = difflib.get_close_matches(wanted, sorted(known), n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise pytest.UsageError(f"there is no {kind} {wanted!r}{hint}")


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


# -- running -------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    session = pyfuncitem.config.stash.get(SESSION, None)
    if session is None or CASE not in pyfuncitem.stash:
        return None
    if inspect.iscoroutinefunction(pyfuncitem.function):
        return None  # some other plugin's business; its report becomes the verdict
    spec, case = pyfuncitem.stash[CASE]
    if _is_passive(pyfuncitem) and not case.inapplicable:
        session.sweep(_judges(pyfuncitem.session.items, session))

    def procedure() -> object:
        if case.inapplicable:
            return Verdict(outcome=Outcome.NOT_APPLICABLE, summary=case.inapplicable)
        if _is_passive(pyfuncitem):
            return session.swept[spec.id]
        arguments = {
            name: pyfuncitem.funcargs[name]
            for name, parameter in inspect.signature(pyfuncitem.obj).parameters.items()
            if parameter.default is parameter.empty
        }
        try:
            returned = pyfuncitem.obj(**arguments)
        except pytest.fail.Exception as failure:
            raise AssertionError(str(failure)) from failure
        if returned is None and spec_of(pyfuncitem.function) is None:
            return Verdict(outcome=Outcome.PASSED, summary="Every assertion holds.")
        return returned

    result = evaluate(spec, case.subject, procedure)
    pyfuncitem.stash[RESULT] = session.redacted(result)
    return True


def _judges(items: list[pytest.Item], session: Session) -> dict[str, Judged]:
    """Return the function of every check that judges exchanges, by check id."""
    judges: dict[str, Judged] = {}
    for item in items:
        if isinstance(item, pytest.Function) and CASE in item.stash:
            spec, case = item.stash[CASE]
            if _is_passive(item) and not case.inapplicable:
                judges[spec.id] = Judged(
                    function=item.function, target=session.target(spec.id)
                )
    return judges


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    session = item.config.stash.get(SESSION, None)
    if session is None or CASE not in item.stash:
        return report
    redact = session.redactor.redact
    report.sections = [(name, redact(visible(text))) for name, text in report.sections]
    result = item.stash.get(RESULT, None)
    if report.when != "call" and report.passed:
        return report
    if result is None or report.when == "teardown":
        result = session.redacted(_without_verdict(item, report, call))
    outcome = result.verdict.outcome
    report.outcome = _PYTEST_OUTCOME[outcome]  # type: ignore[assignment]
    report.longrepr = _representation(result, item)
    report.tollproof = to_json(result)  # type: ignore[attr-defined]
    return report


def _without_verdict(
    item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None]
) -> Result:
    """Return the result of an item that gave no verdict of its own, or not the last.

    unittest's methods and coroutines are run by others, and what a fixture takes down
    comes after the verdict: if it cannot, something of the run was left behind.
    """
    spec, case = item.stash[CASE]
    error = call.excinfo.value if call.excinfo else None
    if report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
        verdict = Verdict(outcome=Outcome.NOT_APPLICABLE, summary=str(why))
    elif report.when == "call":
        verdict = verdict_of(partial(_conclude, error))
    else:
        word = "set up" if report.when == "setup" else "taken down"
        verdict = Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=Reason.HARNESS,
            summary=f"The check could not be {word}: {report.longreprtext[-500:]}",
        )
    return Result(
        check=spec.id,
        subject=case.subject,
        verdict=verdict,
        at=now(),
        seconds=report.duration,
    )


def _conclude(error: BaseException | None) -> Verdict:
    if isinstance(error, pytest.fail.Exception):
        raise AssertionError(str(error)) from error
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise RuntimeError(f"ended by {type(error).__name__}: {error}")
    return Verdict(outcome=Outcome.PASSED, summary="Every assertion holds.")


def _representation(result: Result, item: pytest.Item) -> Any:
    verdict = result.verdict
    if verdict.outcome is Outcome.PASSED:
        return None
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        path, line, _ = item.location
        return (str(path), line or 0, one_line(verdict.summary))
    lines = [f"{result.check} on {result.subject}: {visible(verdict.summary)}"]
    if verdict.expected or verdict.actual:
        lines += [
            f"  expected: {visible(verdict.expected)}",
            f"  actual:   {visible(verdict.actual)}",
        ]
    return "\n".join(lines)


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    data = getattr(report, "tollproof", None)
    if data is None:
        return None
    return _WORDS[Outcome(data["verdict"]["outcome"])]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    state = session.config.stash.get(SESSION, None)
    if state is not None and not _worker_id(session.config):
        state.started(_is_controller(session.config))
    done = yield
    if state is None or not _is_controller(session.config):
        return done
    # xdist's controller collects nothing; these checks need the target to themselves,
    # or all of the journals, so they run here, after the last worker's last line.
    state.deployment.touch(*state.deployment.identities)
    session.perform_collect()
    items = session.items
    for item, following in zip(items, [*items[1:], None], strict=False):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return done


# -- results -------------------------------------------------------------------------


class _Listener:
    """Takes every result as its report arrives, from this process or from workers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "tollproof", None)
        if data is not None:
            self._session.add(from_json(Result, data))
        elif report.failed:
            self._session.others_failed = True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._session.unreadable.append(f"{report.nodeid}: {report.longreprtext}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(
    session: pytest.Session, exitstatus: int | pytest.ExitCode
) -> None:
    state = session.config.stash.get(SESSION, None)
    if state is None:
        return
    if _worker_id(session.config):
        state.tidy_worker()
        return
    if session.config.getoption("collectonly"):
        return
    if state.unreadable or exitstatus == pytest.ExitCode.USAGE_ERROR:
        # A mistake in a suite or in what was asked for: nothing was judged.
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        state.discard()
        return
    run = state.finish(interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
    if not session.config.pluginmanager.hasplugin("terminalreporter"):
        sys.stderr.writelines(f"tollproof: {why}\n" for why in state.refused if why)
    fail_on = Severity(session.config.getoption("tollproof_fail_on"))
    session.exitstatus = _exit_status(
        session.exitstatus, exit_code(run, fail_on), state.others_failed
    )


def _exit_status(
    status: int | pytest.ExitCode, judged: Exit, others_failed: bool
) -> int | pytest.ExitCode:
    """Let pytest's exit status say what the judgement of the run says.

    pytest counts a waived failure and one below the severity asked for, and knows
    nothing of stale waivers or of what was planned and never ran.
    """
    codes = pytest.ExitCode
    if status == codes.TESTS_FAILED and judged is Exit.PASSED and not others_failed:
        return codes.OK
    if status == codes.OK and judged is not Exit.PASSED:
        return codes.TESTS_FAILED
    return status


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = config.stash.get(SESSION, None)
    if session is None or session.run is None:
        return
    terminalreporter.section("tollproof")
    terminalreporter.write_line(session.summary())
