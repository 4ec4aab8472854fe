"""One run in one folder: nothing of a former run is lost, nothing half-written left."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import servers
from tests.deploying import ALPHA, ENVIRON, KEY, THINGS, profile_text
from tollproof.cases import Case
from tollproof.errors import UsageError
from tollproof.folder import FORMER
from tollproof.model import CheckSpec, Outcome, Result, Severity, Verdict
from tollproof.record import JOURNAL, PLAN, RESULTS, read_run
from tollproof.session import Session, open_session

SPEC = CheckSpec(id="a.one", title="One", severity=Severity.HIGH)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def option(folder: Path, **more: object) -> Namespace:
    profile = folder / "profile.toml"
    if not profile.exists():
        profile.write_text(profile_text("http://127.0.0.1:9", THINGS, ALPHA))
    given = {
        "profile": str(profile),
        "output": str(folder / "out"),
        "tier": "gate",
        "seed": 7,
        "suite": [],
        "check": [],
        "base_url": None,
        "formats": "",
        "compare": None,
        "run_id": "",
        "command": "pytest",
        "consent_to_production": False,
        "progress": "",
        "workers": 1,
        **more,
    }
    return Namespace(**{f"tollproof_{name}": value for name, value in given.items()})


@contextmanager
def session(folder: Path, worker: str = "", **more: object) -> Iterator[Session]:
    opened = open_session(option(folder, **more), worker)
    try:
        yield opened
    finally:
        opened.close()


def result(subject: str, outcome: Outcome, summary: str = "So it is.") -> Result:
    return Result(
        check="a.one",
        subject=subject,
        verdict=Verdict(outcome=outcome, summary=summary),
        at="2026-01-01T00:00:00.000Z",
        seconds=0.1,
    )


def judge(one: Session, *subjects: str) -> None:
    """Plan two subjects, judge some of them, and finish."""
    cases = [(SPEC, Case(subject=name)) for name in ("x", "y")]
    one.plan_for(cases, partly=False)
    one.write_plan()
    for name in subjects:
        one.keep(result(name, Outcome.PASSED))
        one.count(result(name, Outcome.PASSED))
    one.finish(interrupted=False)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_planned_and_not_run_is_inconclusive(tmp_path: Path) -> None:
    """The law of conservation: nothing that was planned disappears."""
    with session(tmp_path) as one:
        judge(one, "x")
    run = read_run(tmp_path / "out")
    assert {item.subject: item.verdict.outcome for item in run.results} == {
        "x": Outcome.PASSED,
        "y": Outcome.INCONCLUSIVE,
    }
    assert (run.about.seed, run.about.command) == (7, "pytest")
    assert {"index.html", "junit.xml", "results.json"} <= files(tmp_path / "out")


def test_only_the_reports_asked_for_are_written(tmp_path: Path) -> None:
    with session(tmp_path, formats="json,junit") as one:
        judge(one, "x", "y")
    assert files(tmp_path / "out") == {
        *(PLAN, RESULTS, JOURNAL),
        *("results.json", "junit.xml"),
    }


def test_a_run_takes_the_place_of_the_former(tmp_path: Path) -> None:
    for subjects in (("x", "y"), ("x",)):
        with session(tmp_path, formats="json") as one:
            judge(one, *subjects)
    outcomes = [item.verdict.outcome for item in read_run(tmp_path / "out").results]
    assert Outcome.INCONCLUSIVE in outcomes
    assert FORMER not in files(tmp_path / "out")


def test_a_run_that_judges_nothing_gives_the_former_back(tmp_path: Path) -> None:
    with session(tmp_path) as one:
        judge(one, "x", "y")
    before = {
        path.relative_to(tmp_path): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    with session(tmp_path) as one:
        assert FORMER in files(tmp_path / "out")
        one.discard()
    after = {
        path.relative_to(tmp_path): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert after == before


def test_a_run_that_judges_nothing_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with session(tmp_path) as one:
        one.unreadable.append("test_x.py: it has a \x1b[2J mistake")
        one.discard()
    assert not (tmp_path / "out").exists()
    said = capsys.readouterr().err
    assert "a suite cannot be read: test_x.py" in said
    assert "\x1b" not in said


def test_a_folder_of_somebodys_own_is_left_alone(tmp_path: Path) -> None:
    """`--output .` in a home directory must cost nobody a file."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds 'thesis\.tex', which is not of a run"):
        open_session(option(tmp_path), "")
    assert files(out) == {"thesis.tex"}


def test_output_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="must be a folder"):
        open_session(option(tmp_path), "")


def test_the_former_run_is_read_before_its_folder_is_cleared(tmp_path: Path) -> None:
    with session(tmp_path) as one:
        judge(one, "x", "y")
    with session(tmp_path, compare=str(tmp_path / "out")) as one:
        assert one.former is not None
        assert len(one.former.results) == 2


def test_a_worker_clears_nothing_and_writes_a_journal_of_its_own(
    tmp_path: Path,
) -> None:
    given = option(tmp_path)
    controller = open_session(given, "")
    controller.plan_for([(SPEC, Case(subject="x"))], partly=False)
    controller.write_plan()
    assert given.tollproof_run_id
    worker = open_session(given, "gw0")
    assert worker.about.run_id == controller.about.run_id
    assert {path.name for path in (tmp_path / "out" / JOURNAL).iterdir()} == {
        "main.jsonl",
        "gw0.jsonl",
    }
    worker.close()
    controller.close()


def test_what_a_worker_could_not_remove_is_told_in_the_report(tmp_path: Path) -> None:
    with session(tmp_path) as one:
        with session(tmp_path, worker="gw0") as worker:
            worker.deployment.cleanup["k"] = lambda: "The key k is still there."
            worker.tidy_worker()
        judge(one, "x", "y")
    assert "The key k is still there." in read_run(tmp_path / "out").about.notes


def test_no_credential_is_in_a_result_nor_in_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with session(tmp_path, formats="json") as one:
        told = result("x", Outcome.FAILED, f"It said {KEY}.")
        assert KEY not in one.redacted(told).verdict.summary
        # Should one slip through all the same, the file is not written.
        one.plan_for([(SPEC, Case(subject="x"))], partly=False)
        one.write_plan()
        one.keep(told)
        one.count(told)
        one.finish(interrupted=False)
        assert len(one.refused) == 1
    assert "results.json" not in files(tmp_path / "out")
    said = capsys.readouterr().err
    assert "results.json was not written" in said
    assert KEY not in said


def test_opening_a_run_sends_nothing(tmp_path: Path) -> None:
    with servers.scripted(servers.closes) as server:
        path = tmp_path / "profile.toml"
        path.write_text(profile_text(server.origin, THINGS, ALPHA))
        with session(tmp_path):
            assert server.accepted == 0
