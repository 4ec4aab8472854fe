"""The adapter to pytest: checks become items, verdicts become outcomes.

Knows pytest's public hooks and nothing of what is checked. Inert unless a profile is
given with `--tollproof-profile`. The state of a run lives in `config.stash`; pytest's
hooks are the only event bus.

With pytest-xdist the workers probe. When all of them are done, the controller runs what
must have the target to itself, and then what judges every exchange, over all journals.
"""

from __future__ import annotations

import gc
import inspect
import signal
import sys
from collections.abc import Generator
from datetime import datetime
from types import FrameType
from typing import Any

import pytest

from tollproof.cases import SUBJECTS, WHOLE, Case, cases
from tollproof.declare import spec_of
from tollproof.errors import Undetermined, UsageError
from tollproof.forks import can_fork
from tollproof.judgement import exit_code
from tollproof.model import Result, Severity, Tier
from tollproof.pytest_plugin.items import (
    Turn,
    case_of,
    is_direct,
    is_partial,
    kin,
    refuse_collisions,
    refuse_unknown,
    spec_for,
    turn,
)
from tollproof.pytest_plugin.judging import direct_arguments, judged, unheard
from tollproof.pytest_plugin.reports import (
    PYTEST_OUTCOME,
    WORDS,
    attach,
    attached,
    exit_status,
    is_kept,
    representation,
    without_verdict,
)
from tollproof.pytest_plugin.shared import (
    CASE,
    RESULT,
    SESSION,
    is_controller,
    usage_error,
    worker_id,
)
from tollproof.pytest_plugin.spreading import SPREAD, Spread
from tollproof.reporting.text import visible
from tollproof.running import NOTHING_JUDGED
from tollproof.session import Session, open_session
from tollproof.target import Target

#: New values after which Python looks for cycles among them.
_YOUNG = 50_000
_USUAL = gc.get_threshold()
#: What ends a run. Whoever ends a group of processes sends SIGTERM to us as well.
ENDING = (signal.SIGINT, signal.SIGTERM)


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
    add("--tollproof-workers", type=int, default=1, help="processes of tollproof's own")
    add("--tollproof-progress", default="", help="plain or live: tollproof's own")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "check(id, suite, severity, tier): what a tollproof check declares of itself",
    )
    if not config.getoption("tollproof_profile") or config.getoption("help"):
        return
    try:
        session = open_session(config.option, worker_id(config))
    except UsageError as error:
        raise usage_error(config, visible(str(error))) from error
    except Undetermined as error:
        pytest.exit(
            f"nothing could be judged: {visible(str(error))}", returncode=NOTHING_JUDGED
        )
    config.stash[SESSION] = session
    # What is of one kin stays in one process of xdist's, too.
    if worker_id(config):
        config.option.loadgroup = True
    elif config.getoption("dist", default="") == "load":
        config.option.dist = "loadgroup"
    # A run makes values by the thousand and no cycles to speak of: looking for those
    # every 700 values takes a tenth of a gate's time.
    gc.set_threshold(_YOUNG, 20, 20)
    if config.getoption("tollproof_progress"):
        for number in ENDING:
            signal.signal(number, _interrupt_once)
    if session.selection.tier is Tier.LOAD:
        config.pluginmanager.register(_Brake(session), "tollproof-brake")
    if not worker_id(config):
        config.pluginmanager.register(_Listener(session), "tollproof-listener")


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """End the run in good order; a second Ctrl-C must not spoil its record."""
    for ending in ENDING:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt


def pytest_unconfigure(config: pytest.Config) -> None:
    if session := config.stash.get(SESSION, None):
        gc.unfreeze()
        gc.set_threshold(*_USUAL)
        session.close()
    if spread := config.stash.get(SPREAD, None):
        spread.close()


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
    spec = spec_for(metafunc.function, metafunc.module.__name__)
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
    spec = spec_for(item.function, item.module.__name__)
    # unittest's methods are never asked for subjects.
    found = session.cases.setdefault(spec.id, {WHOLE: Case(subject=WHOLE)})
    item.stash[CASE] = (spec, case_of(item, found))
    item.add_marker(
        pytest.mark.check(
            id=spec.id,
            suite=spec.suite,
            severity=spec.severity.value,
            tier=spec.tier.value,
        )
    )
    if worker_id(item.config):
        item.add_marker(pytest.mark.xdist_group(kin(item)))
    item.extra_keyword_matches.update({spec.id, spec.suite, *spec.aliases})
    item.extra_keyword_matches.update(item.label for item in spec.references)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    session = config.stash.get(SESSION, None)
    if session is None:
        return
    ours = [item for item in items if CASE in item.stash]
    partly = is_partial(config)
    try:
        refuse_collisions(ours)
        if not partly:
            refuse_unknown(session.selection, [item.stash[CASE][0] for item in ours])
    except pytest.UsageError as error:
        if not worker_id(config):
            raise usage_error(config, str(error)) from error
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
    if worker_id(config):
        gone |= {item for item in ours if turn(item) > Turn.ANY}
    if is_controller(config):
        gone |= {item for item in items if turn(item) <= Turn.ANY}
    items[:] = sorted((item for item in items if item not in gone), key=turn)


# -- running -------------------------------------------------------------------------


def pytest_collection_finish(session: pytest.Session) -> None:
    if SESSION in session.config.stash:
        gc.freeze()  # what is imported and collected stays: no need to look at it again


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> object | None:
    """Run a check of ours directly where nobody else has a say in it.

    Setting up, capturing and taking down are most of what a check costs that only
    judges an answer, and it needs none of that.
    """
    session = item.config.stash.get(SESSION, None)
    if session is None or not item.config.getoption("tollproof_progress"):
        return None
    if spread := item.config.stash.get(SPREAD, None):
        if not spread.ran:
            _run_spread(item.session, spread)
        if item in spread.told:
            return True
        if turn(item) >= Turn.KEPT:
            spread.tally_ahead()
    if not isinstance(item, pytest.Function) or not is_direct(item):
        return None
    with unheard():
        result = judged(item, session, direct_arguments(item, session))
    _tell(item, result)
    return True


def _tell(item: pytest.Function, result: Result, kept: bool = False) -> None:
    """Report a result that was reached without pytest's set-up and take-down.

    Args:
        kept: whoever reached it has written it down.
    """
    hook, file = item.ihook, item.nodeid.partition("::")[0]
    location = file, None, item.name
    start = datetime.fromisoformat(result.at).timestamp()
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=location)
    report = pytest.TestReport(
        nodeid=item.nodeid,
        location=location,
        keywords={},
        outcome=PYTEST_OUTCOME[result.verdict.outcome],
        longrepr=representation(result, location),
        when="call",
        duration=result.seconds,
        start=start,
        stop=start + result.seconds,
    )
    attach(report, result, item.config, kept=kept)
    hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=location)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    session = pyfuncitem.config.stash.get(SESSION, None)
    if session is None or CASE not in pyfuncitem.stash:
        return None
    if inspect.iscoroutinefunction(pyfuncitem.function):
        return None  # some other plugin's business; its report becomes the verdict
    if _may_fail(pyfuncitem):
        return None  # pytest knows what its mark means; its report is the verdict
    pyfuncitem.stash[RESULT] = judged(pyfuncitem, session, pyfuncitem.funcargs)
    return True


def _may_fail(item: pytest.Function) -> bool:
    """Whether its author marks a test of theirs `xfail`; a check takes waivers only."""
    marked = item.get_closest_marker("xfail") is not None
    return marked and spec_of(item.function) is None


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
        result = session.redacted(without_verdict(item, report, call))
    outcome = result.verdict.outcome
    report.outcome = PYTEST_OUTCOME[outcome]
    report.longrepr = representation(result, item.location)
    attach(report, result, item.config)
    return report


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    result = attached(report)
    return WORDS[result.verdict.outcome] if result else None


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    state = session.config.stash.get(SESSION, None)
    if state is not None and not worker_id(session.config):
        spread = _spread(session, state)
        state.started(is_controller(session.config))
        if spread is not None:
            session.config.stash[SPREAD] = spread
        elif not is_controller(session.config):
            state.prepare()  # of several processes none knows what it will be asked
    done = yield
    if state is None or not is_controller(session.config):
        return done
    # xdist's controller collects nothing; these checks need the target to themselves,
    # or all of the journals, so they run here, after the last worker's last line.
    state.deployment.touch(*state.deployment.identities)
    collected = session.testscollected
    session.perform_collect()
    session.testscollected = collected  # by the workers; here there may be none left
    items = session.items
    for item, following in zip(items, [*items[1:], None], strict=False):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return done


def _spread(session: pytest.Session, state: Session) -> Spread | None:
    """Fork the processes that were asked for, if there is anything for them to do."""
    config = session.config
    if state.processes < 2 or not config.getoption("tollproof_progress"):
        return None
    if not can_fork():
        return None  # a plugin of somebody's has threads
    if session.testsfailed or config.getoption("collectonly"):
        return None  # a suite cannot be read: pytest will run nothing
    items = _direct(session, Turn.ANY)
    return Spread(state, items, tuple(session.items)) if items else None


def _direct(session: pytest.Session, when: Turn) -> list[pytest.Function]:
    return [
        item
        for item in session.items
        if isinstance(item, pytest.Function) and is_direct(item) and turn(item) is when
    ]


def _run_spread(session: pytest.Session, spread: Spread) -> None:
    """Run what can be spread, and first what explains it."""
    state = session.config.stash[SESSION]
    with unheard():
        spread.run(_direct(session, Turn.FIRST), _tell)
    state.tallied_elsewhere = spread.parts
    state.deployment.touch(*state.deployment.identities)


# -- results -------------------------------------------------------------------------


class _Brake:
    """Ends a run whose load was interrupted, once all of the load is judged."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        done = yield
        if self._session.deployment.interrupted.is_set() and not _is_load(nextitem):
            item.session.shouldstop = "interrupted"
        return done


def _is_load(item: pytest.Item | None) -> bool:
    if item is None or CASE not in item.stash:
        return False
    return item.stash[CASE][0].tier is Tier.LOAD


class _Listener:
    """Takes every result as its report arrives, from this process or from workers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        result = attached(report)
        if result is not None:
            if not is_kept(report):
                self._session.keep(result)
            self._session.count(result)
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
    if worker_id(session.config):
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
    session.exitstatus = exit_status(
        session.exitstatus, exit_code(run, fail_on), state.others_failed
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = config.stash.get(SESSION, None)
    if session is None or session.run is None:
        return
    terminalreporter.section("tollproof")
    terminalreporter.write_line(session.summary())
