"""Suites run by pytest: every kind of test gets its verdict, however pytest is called.

Real runs in processes of their own, against a small deployment on loopback.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploying import ALPHA, KEY, identity, profile_text
from tests.guarded import OPERATIONS, PROMISES, guarded
from tests.processes import Finished, environment, plain_pytest, pytest_run, tollproof
from tests.servers import Server
from tollproof.model import Exchange, Outcome, Reason, Run
from tollproof.record import read_lines, read_run
from tollproof.resources import bundled

SUITES = bundled("suites")
SOME = [SUITES / "preflight", SUITES / "headers", SUITES / "authentication"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with guarded(KEY) as running:
        yield running


@pytest.fixture(scope="module")
def profile(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "profile.toml"
    path.write_text(profile_text(server.origin, OPERATIONS, ALPHA, PROMISES))
    return path


def options(profile: Path, output: Path) -> list[str]:
    return [f"--tollproof-profile={profile}", f"--tollproof-output={output}"]


def verdicts(run: Run) -> dict[tuple[str, str], Outcome]:
    return {(item.check, item.subject): item.verdict.outcome for item in run.results}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# -- one process, several, part of it ------------------------------------------------


@pytest.fixture(scope="module")
def alone(profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("alone")
    finished = plain_pytest(*SOME, *options(profile, folder / "out"), cwd=folder)
    assert finished.returncode == 0, finished.stdout
    return read_run(folder / "out")


def test_plain_pytest_judges(alone: Run) -> None:
    found = verdicts(alone)

    assert found["preflight.identity", "alpha"] is Outcome.PASSED
    assert found["authentication.missing", "GET /things/{id}"] is Outcome.PASSED
    assert found["headers.content-type", "deployment"] is Outcome.PASSED
    assert Outcome.FAILED not in found.values()
    assert alone.traffic.requests > 100
    assert [item.check for item in alone.left_out if item.check == "*"] == ["*"]


def test_two_processes_come_to_the_same_verdicts(
    alone: Run, profile: Path, tmp_path: Path
) -> None:
    finished = pytest_run(
        *SOME, *options(profile, tmp_path / "out"), "-n2", cwd=tmp_path
    )
    both = read_run(tmp_path / "out")

    assert finished.returncode == 0, finished.stdout
    assert verdicts(both) == verdicts(alone)
    assert set(both.planned) == set(alone.planned)
    assert set(both.left_out) == set(alone.left_out)
    names = {path.name for path in (tmp_path / "out" / "journal").iterdir()}
    assert {"gw0.jsonl", "gw1.jsonl"} <= names


APART = """
import os
from pathlib import Path
from tollproof.declare import check, passed
from tollproof.model import Severity
from tollproof.references import CWE

def declared(slug):
    return check(
        id=f"mine.{slug}", title="One", severity=Severity.LOW,
        references=(CWE(287),), remediation="None.",
    )

def noted(cell):
    with Path("ran").open("a") as file:
        file.write(f"{cell.label}: {os.getpid()}\\n")
    return passed("done")

@declared("one")
def test_one(target, denied_cell):
    \"\"\"It writes.\"\"\"
    return noted(denied_cell)

@declared("two")
def test_two(target, denied_cell):
    \"\"\"It looks what the write has done, which it may have done but once.\"\"\"
    return noted(denied_cell)
"""


@pytest.mark.parametrize("how", ["forked", "xdist"])
def test_what_rests_on_one_write_is_run_by_one_process(
    server: Server, tmp_path: Path, how: str
) -> None:
    """Of two that write the second would find what the first has left."""
    reader = identity("beta", 'grants = ["GET /things"]')
    many = "".join(
        f'[[target.operations]]\nmethod = "GET"\npath = "/things/{name}"\n'
        for name in "abcdefgh"
    )
    text = profile_text(server.origin, OPERATIONS, many, ALPHA, reader, PROMISES)
    profile = written(tmp_path, "profile.toml", text)
    suite = written(tmp_path, "s/test_apart.py", APART).parent
    if how == "forked":
        finished = tollproof(
            *("gate", profile, "--suite", suite, "--check", "mine.*"),
            *("--output", "out", "--workers", "3"),
            cwd=tmp_path,
        )
    else:
        finished = pytest_run(
            *(str(suite), *options(profile, tmp_path / "out"), "-n3"), cwd=tmp_path
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    ran = [line.split(": ") for line in (tmp_path / "ran").read_text().splitlines()]
    cells = {cell for cell, _ in ran}
    assert len(cells) >= 8
    assert len(ran) == 2 * len(cells)
    assert len({(cell, process) for cell, process in ran}) == len(cells)
    assert len({process for _, process in ran}) > 1


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_gate_comes_to_the_same_verdicts(
    alone: Run, profile: Path, tmp_path: Path, processes: int
) -> None:
    """A run debugged with pytest must be the run that stops the release."""
    suites = [part for path in SOME for part in ("--suite", path.name)]
    finished = tollproof(
        *("gate", str(profile), *suites, "--output", "out"),
        *("--workers", str(processes)),
        cwd=tmp_path,
    )
    gate = read_run(tmp_path / "out")
    journals = [
        {item.id for item in read_lines(path, Exchange)}
        for path in (tmp_path / "out" / "journal").glob("*.jsonl")
    ]

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert verdicts(gate) == verdicts(alone)
    assert set(gate.planned) == set(alone.planned)
    left_out = {item for item in alone.left_out if item.check != "*"}
    assert left_out <= set(gate.left_out)
    assert len(journals) == processes
    assert all(journals)
    assert sum(map(len, journals)) == len(set().union(*journals))
    assert gate.traffic.requests == sum(map(len, journals))


DYING = """
import os
from tollproof.declare import check, passed
from tollproof.model import Severity
from tollproof.references import CWE

FIRST = os.getpid()

def declared(slug):
    return check(
        id=f"mine.{slug}", title="One", severity=Severity.LOW,
        references=(CWE(287),), remediation="None.",
    )

def gone(target, operation):
    if os.getpid() != FIRST:
        os._exit(9)
    return passed(str(target.stranger(operation).status))

@declared("one")
def test_one(target, operation):
    \"\"\"It dies wherever it is not alone.\"\"\"
    return gone(target, operation)

@declared("two")
def test_two(target, operation):
    \"\"\"It does so, too.\"\"\"
    return gone(target, operation)
"""


def test_what_a_process_that_died_had_taken_is_judged_after_all(
    profile: Path, tmp_path: Path
) -> None:
    suite = written(tmp_path, "s/test_dying.py", DYING).parent
    finished = tollproof(
        *("gate", profile, "--suite", suite, "--check", "mine.*"),
        *("--output", "out", "--workers", "3"),
        cwd=tmp_path,
    )
    found = verdicts(read_run(tmp_path / "out"))

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert len(found) >= 2
    assert set(found.values()) == {Outcome.PASSED}


LEARNING = """
import os, time
from pathlib import Path
from tollproof.client import Probe
from tollproof.declare import check, failed, passed
from tollproof.model import Severity
from tollproof.redaction import Credential
from tollproof.references import CWE

FIRST = os.getpid()
MADE = "mk_live_Gv4Nq8Zt1Yx6Wb3Kd9"

def declared(id):
    return check(
        id=id, title="One", severity=Severity.LOW,
        references=(CWE(287),), remediation="None.",
    )

def made(target):
    if os.getpid() != FIRST:
        target.deployment.redactor.add(Credential(label="made", value=MADE))
        Path("made").touch()
    until = time.monotonic() + 60
    while not Path("made").exists() and time.monotonic() < until:
        time.sleep(0.01)
    # Whoever meets the key redacts it, made here or there.
    target.send(Probe(method="GET", target=f"/things?key={MADE}"))
    return passed(f"made {os.getpid() != FIRST}")

@declared("mine.one")
def test_one(target):
    \"\"\"A key is made where it is not the first process.\"\"\"
    return made(target)

@declared("mine.two")
def test_two(target):
    \"\"\"Another process takes this one.\"\"\"
    return made(target)

@declared("secrets.mine")
def test_known(target):
    \"\"\"The first process looks for it.\"\"\"
    found = target.deployment.redactor.holds(f"in a log: {MADE}")
    return passed("known") if found else failed("x", expected="known", actual="not")
"""


def test_a_key_that_another_process_made_is_looked_for(
    profile: Path, tmp_path: Path
) -> None:
    suite = written(tmp_path, "s/test_learning.py", LEARNING).parent
    finished = tollproof(
        *("gate", profile, "--suite", suite, "--output", "out", "--workers", "2"),
        *("--check", "mine.*", "--check", "secrets.mine"),
        cwd=tmp_path,
    )
    run = read_run(tmp_path / "out")

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert set(verdicts(run).values()) == {Outcome.PASSED}
    assert "made True" in {item.verdict.summary for item in run.results}
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"mk_live_Gv4" not in path.read_bytes()


def budgeted(
    server: Server, folder: Path, budget: str, processes: int, *suites: str
) -> Finished:
    """Run a gate of some suites in `folder`, with a line of its budget."""
    consent = f"[consent.budget]\n{budget}\n"
    text = profile_text(server.origin, OPERATIONS, ALPHA, PROMISES, consent)
    return tollproof(
        *("gate", written(folder, "profile.toml", text), "--output", "out"),
        *(part for name in suites for part in ("--suite", name)),
        *("--workers", str(processes)),
        cwd=folder,
    )


@pytest.mark.parametrize("processes", [1, 3])
def test_processes_spend_one_budget(
    server: Server, tmp_path: Path, processes: int
) -> None:
    finished = budgeted(
        server, tmp_path, "requests = 40", processes, "authentication", "preflight"
    )
    run = read_run(tmp_path / "out")

    assert finished.returncode == 2, finished.stdout + finished.stderr
    assert run.traffic.requests == 40
    reasons = {item.verdict.reason for item in run.results if item.verdict.reason}
    assert reasons == {Reason.BUDGET}


def test_one_request_at_a_time_is_one_process(server: Server, tmp_path: Path) -> None:
    finished = budgeted(server, tmp_path, "concurrency = 1", 4, "preflight", "headers")

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert [path.name for path in (tmp_path / "out" / "journal").iterdir()] == [
        "main.jsonl"
    ]


@pytest.mark.parametrize(
    ("narrowing", "checks"),
    [
        (["-k", "CWE-306 and not every-method"], {"authentication.missing"}),
        (["-m", "check(suite='preflight')"], {"preflight.identity"}),
        (["--tollproof-check=authentication.miss*"], {"authentication.missing"}),
    ],
)
def test_part_of_the_suites_can_be_asked_for(
    profile: Path, tmp_path: Path, narrowing: list[str], checks: set[str]
) -> None:
    finished = pytest_run(
        *SOME, *options(profile, tmp_path / "out"), *narrowing, cwd=tmp_path
    )
    run = read_run(tmp_path / "out")

    assert finished.returncode == 0, finished.stdout
    assert {item.check for item in run.results} == checks
    assert set(verdicts(run).values()) == {Outcome.PASSED}


def test_what_spends_allowances_runs_after_what_needs_them(
    server: Server, tmp_path: Path
) -> None:
    consent = "[consent]\nload = true\nkey_lifecycle = true\n"
    profile = written(
        tmp_path,
        "profile.toml",
        profile_text(server.origin, OPERATIONS, ALPHA, PROMISES, consent),
    )
    own = written(
        tmp_path,
        "own/test_own.py",
        """
import pytest
from tollproof import CWE, Impact, Severity, Target, Tier, Verdict, check, passed

def declared(name, impact):
    return check(
        id=f"own.{name}", title=name, severity=Severity.LOW, impact=impact,
        references=(CWE(287),), remediation="Mend it.", tier=Tier.AUDIT,
    )

@declared("measures", Impact.LOAD)
def test_measures(target: Target) -> Verdict:
    '''Why.'''
    return passed("measured")

@declared("makes-keys", Impact.LIFECYCLE)
def test_makes_keys(target: Target) -> Verdict:
    '''Why.'''
    return passed("made")

@declared("reads", Impact.READS)
def test_reads(target: Target) -> Verdict:
    '''Why.'''
    return passed("read")
""",
    )
    tier = "--tollproof-tier=audit"
    finished = pytest_run(own, *options(profile, tmp_path / "out"), tier, cwd=tmp_path)

    assert finished.returncode == 0, finished.stdout
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    checks = [str(json.loads(line)["check"]) for line in lines]
    checks = [name for name in checks if name.startswith("own.")]
    assert checks == ["own.reads", "own.makes-keys", "own.measures"]


def test_nothing_selected_is_no_success(profile: Path, tmp_path: Path) -> None:
    finished = pytest_run(
        SUITES, *options(profile, tmp_path / "out"), "-k", "nosuchthing", cwd=tmp_path
    )

    assert finished.returncode == 5


# -- a user's own tests --------------------------------------------------------------

MINE = '''
import unittest

import pytest

from tollproof import Verdict, failed


def test_passes():
    """It holds."""
    assert True


def test_fails():
    assert 1 == 2, "one is not two"


def test_fails_in_words():
    pytest.fail("no good")


def test_raises_nothing():
    with pytest.raises(ValueError):
        pass


def test_skips():
    pytest.skip("not today")


@pytest.mark.skip(reason="never")
def test_is_skipped():
    assert False


@pytest.mark.xfail(reason="known")
def test_is_known_to_fail():
    assert False


@pytest.mark.xfail(reason="fixed")
def test_fails_no_more():
    assert True


@pytest.mark.xfail(strict=True)
def test_fails_no_more_though_it_must():
    assert True


@pytest.mark.xfail(raises=ValueError)
def test_fails_in_another_way():
    assert False


@pytest.mark.xfail(run=False)
def test_is_not_even_run():
    assert False


def test_gives_up():
    pytest.xfail("too hard")


def test_has_a_bug():
    {}["x"]


def test_exits():
    raise SystemExit(0)


@pytest.fixture
def broken():
    raise RuntimeError("cannot be set up")


def test_is_not_set_up(broken):
    assert True


@pytest.fixture
def leaves():
    yield
    raise RuntimeError("left something")


def test_is_not_taken_down(leaves):
    assert True


def test_fails_and_is_not_taken_down(leaves):
    assert False


def test_returns_a_verdict():
    return failed("It does not.", expected="yes", actual="no")


def test_returns_nonsense():
    return 7


@pytest.mark.parametrize("number", [1, 2])
def test_each(number):
    assert number == 1


def test_with_a_default(number=1):
    assert number == 1


class TestFirst:
    def test_same(self):
        assert True


class TestSecond:
    def test_same(self):
        assert False


class CaseTest(unittest.TestCase):
    def test_holds(self):
        self.assertTrue(True)

    def test_does_not(self):
        self.assertEqual(1, 2)

    @unittest.skip("not here")
    def test_elsewhere(self):
        pass


def test_asks(target):
    operation = target.operations[0]
    assert target.send(target.probe(operation)).status == 401


def test_each_operation(target, operation):
    caller = target.caller(operation)
    assert target.send(target.probe(operation, caller)).status == 200


@pytest.mark.parametrize("spelling", ["bearer", "basic"])
def test_own_parameters(target, operation, spelling):
    assert spelling == "bearer"
'''
P, F, I, N = (  # noqa: E741 - as in the tables of the tests
    Outcome.PASSED,
    Outcome.FAILED,
    Outcome.INCONCLUSIVE,
    Outcome.NOT_APPLICABLE,
)
EXPECTED = {
    ("passes", "deployment"): P,
    ("fails", "deployment"): F,
    ("fails-in-words", "deployment"): F,
    ("raises-nothing", "deployment"): F,
    ("skips", "deployment"): N,
    ("is-skipped", "deployment"): N,
    ("is-known-to-fail", "deployment"): N,
    ("fails-no-more", "deployment"): P,
    ("fails-no-more-though-it-must", "deployment"): F,
    ("fails-in-another-way", "deployment"): F,
    ("is-not-even-run", "deployment"): N,
    ("gives-up", "deployment"): N,
    ("has-a-bug", "deployment"): I,
    ("exits", "deployment"): I,
    ("is-not-set-up", "deployment"): I,
    ("is-not-taken-down", "deployment"): I,
    ("fails-and-is-not-taken-down", "deployment"): F,
    ("returns-a-verdict", "deployment"): F,
    ("returns-nonsense", "deployment"): I,
    ("each", "1"): P,
    ("each", "2"): F,
    ("with-a-default", "deployment"): P,
    ("first-same", "deployment"): P,
    ("second-same", "deployment"): F,
    ("casetest-holds", "deployment"): P,
    ("casetest-does-not", "deployment"): F,
    ("casetest-elsewhere", "deployment"): N,
    ("asks", "deployment"): P,
    ("each-operation", "GET /things"): P,
    ("each-operation", "GET /things/{id}"): P,
    ("own-parameters", "GET /things-bearer"): P,
    ("own-parameters", "GET /things-basic"): F,
    ("own-parameters", "GET /things/{id}-bearer"): P,
    ("own-parameters", "GET /things/{id}-basic"): F,
}


@pytest.fixture(scope="module", params=["gate", "two processes"])
def mine(
    request: pytest.FixtureRequest,
    profile: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Finished, Run]:
    """Run a user's file by pytest and by the command line."""
    folder = tmp_path_factory.mktemp("mine")
    path = written(folder, "own/test_mine.py", MINE)
    if request.param == "gate":
        finished = tollproof(
            *("gate", profile, "--output", folder / "out", "--suite", path.parent),
            *("--check", "mine.*"),
            cwd=folder,
        )
    else:
        more = ["-n2"] if request.param == "two processes" else []
        finished = pytest_run(
            path, *options(profile, folder / "out"), *more, cwd=folder
        )
    return finished, read_run(folder / "out")


def test_every_kind_of_test_gets_its_verdict(mine: tuple[Finished, Run]) -> None:
    _, run = mine
    found = {
        (check.removeprefix("mine."), subject): outcome
        for (check, subject), outcome in verdicts(run).items()
    }

    assert found == EXPECTED
    assert {
        (item.check.removeprefix("mine."), item.subject) for item in run.planned
    } == set(EXPECTED)


def test_every_verdict_says_why(mine: tuple[Finished, Run]) -> None:
    _, run = mine
    said = {
        (item.check.removeprefix("mine."), item.subject): item.verdict
        for item in run.results
    }

    assert "one is not two" in said["fails", "deployment"].actual
    assert "no good" in said["fails-in-words", "deployment"].actual
    assert "DID NOT RAISE" in said["raises-nothing", "deployment"].actual
    assert said["skips", "deployment"].summary.endswith("not today")
    assert said["is-known-to-fail", "deployment"].summary.endswith("known")
    assert said["gives-up", "deployment"].summary.endswith("too hard")
    assert "KeyError" in said["has-a-bug", "deployment"].summary
    assert "cannot be set up" in said["is-not-set-up", "deployment"].summary
    assert "left something" in said["is-not-taken-down", "deployment"].summary
    assert "returned int" in said["returns-nonsense", "deployment"].summary
    assert all(verdict.summary for verdict in said.values())


def test_what_fails_fails_the_run(mine: tuple[Finished, Run]) -> None:
    finished, _ = mine

    assert finished.returncode == 1


# -- suites that cannot be run -------------------------------------------------------

CHECK = '''
from tollproof import CWE, Severity, Target, Verdict, check, passed

@check(id="{id}", title="It holds", severity=Severity.LOW, references=(CWE(287),),
       remediation="Mend it.", aliases={aliases})
def test_{name}(target: Target) -> Verdict:
    """Why."""
    return passed("It does.")
'''


@pytest.mark.parametrize(
    ("other", "more"),
    [
        (CHECK.format(id="mine.one", aliases="()", name="b"), ["-n2"]),
        (CHECK.format(id="mine.two", aliases='("mine.one",)', name="b"), []),
    ],
    ids=["id, two processes", "alias"],
)
def test_checks_that_collide_are_named_with_both_places(
    profile: Path, tmp_path: Path, other: str, more: list[str]
) -> None:
    written(
        tmp_path, "s/test_a.py", CHECK.format(id="mine.one", aliases="()", name="a")
    )
    written(tmp_path, "s/test_b.py", other)
    finished = pytest_run("s", *options(profile, tmp_path / "out"), *more, cwd=tmp_path)
    said = finished.stdout + finished.stderr

    assert finished.returncode == 4, said
    assert "two checks call themselves 'mine.one'" in said
    for name in ("test_a.py:", "test_b.py:"):
        assert name in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("import nosuchmodule", []),
        ("raise ValueError('at import')", []),
        ("def f(:", ["-n2"]),
    ],
)
def test_a_suite_that_cannot_be_read_judges_nothing(
    server: Server, profile: Path, tmp_path: Path, text: str, more: list[str]
) -> None:
    written(
        tmp_path, "s/test_a.py", CHECK.format(id="mine.one", aliases="()", name="a")
    )
    written(tmp_path, "s/test_b.py", text)
    asked = len(server.requests)
    finished = pytest_run("s", *options(profile, tmp_path / "out"), *more, cwd=tmp_path)

    assert finished.returncode == 4, finished.stdout
    assert "test_b.py" in finished.stdout + finished.stderr
    assert not (tmp_path / "out").exists()
    assert len(server.requests) == asked


def test_a_badly_declared_check_is_named(profile: Path, tmp_path: Path) -> None:
    written(tmp_path, "s/test_a.py", CHECK.format(id="Mine", aliases="()", name="a"))
    finished = pytest_run("s", *options(profile, tmp_path / "out"), cwd=tmp_path)

    assert finished.returncode == 4
    assert "an id is `suite.slug`" in finished.stdout + finished.stderr


@pytest.mark.parametrize("arguments", [["-p", "no:tollproof.pytest_plugin"], []])
def test_without_plugin_or_profile_a_check_errors(
    tmp_path: Path, arguments: list[str]
) -> None:
    written(tmp_path, "test_a.py", CHECK.format(id="mine.one", aliases="()", name="a"))
    finished = pytest_run("test_a.py", *arguments, cwd=tmp_path)

    assert finished.returncode == 1
    assert "1 error" in finished.stdout
    assert "passed" not in finished.stdout.splitlines()[-1]


def test_assertions_that_are_switched_off_are_noticed(
    profile: Path, tmp_path: Path
) -> None:
    written(tmp_path, "test_mine.py", "def test_fails():\n    assert False\n")
    finished = pytest_run(
        "test_mine.py",
        *options(profile, tmp_path / "out"),
        cwd=tmp_path,
        environ=environment(PYTHONOPTIMIZE="1"),
    )

    assert finished.returncode == 4
    assert "without PYTHONOPTIMIZE" in finished.stderr


# -- pytest's exit status says what the judgement says --------------------------------

WAIVED = """
[[waivers]]
check = "mine.fails"
reason = "known"
owner = "ops"
expires = %s
"""


@pytest.mark.parametrize(
    ("body", "waiver", "more", "code"),
    [
        ("assert False", "2999-01-01", [], 0),
        ("assert False", "2020-01-01", [], 1),
        ("assert True", "2999-01-01", [], 1),
        ("assert False", "", ["--tollproof-fail-on=high"], 0),
        ("assert False", "", ["--tollproof-fail-on=medium"], 1),
    ],
)
def test_pytests_exit_status_is_that_of_the_judgement(
    server: Server, tmp_path: Path, body: str, waiver: str, more: list[str], code: int
) -> None:
    text = profile_text(
        server.origin, OPERATIONS, ALPHA, WAIVED % waiver if waiver else ""
    )
    profile = written(tmp_path, "profile.toml", text)
    path = written(
        tmp_path,
        "test_mine.py",
        f"def test_fails():\n    {body}\n\ndef test_holds():\n    assert True\n",
    )
    finished = pytest_run(
        path, *options(profile, tmp_path / "out"), *more, cwd=tmp_path
    )

    assert finished.returncode == code, finished.stdout


# -- what a user's settings cannot change ---------------------------------------------

HOSTILE_CONFTEST = """
import sys
import pytest
import tollproof.declare

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = "passed"
    if hasattr(report, "tollproof"):
        report.tollproof["verdict"]["outcome"] = "passed"
    return report

def pytest_collection_modifyitems(items):
    items[:] = items[:1]

@pytest.fixture
def target():
    return None
"""


def test_a_users_settings_cannot_change_the_verdict_of_a_gate(tmp_path: Path) -> None:
    """Everything a hostile or careless repository may hold, around and in the suite."""
    with guarded("another key, so that alpha is refused everywhere") as locked:
        text = profile_text(locked.origin, OPERATIONS, ALPHA)
        profile = written(tmp_path, "profile.toml", text)
        for folder in (".", "own", "own/sub"):
            written(tmp_path, f"{folder}/conftest.py", HOSTILE_CONFTEST)
        written(tmp_path, "pytest.ini", "[pytest]\naddopts = -k nothing -x\n")
        written(tmp_path, "pytest.toml", '[pytest]\naddopts = ["--co"]\n')
        written(tmp_path, "tox.ini", "[pytest]\npython_files = nothing.py\n")
        written(tmp_path, "pyproject.toml", '[tool.pytest]\naddopts = ["--co"]\n')
        written(tmp_path, "sitecustom.py", "")
        for name in ("pytest", "click", "rich", "httpx", "secrets", "hostile"):
            written(tmp_path, f"{name}.py", "raise SystemExit(0)\n")
        written(tmp_path, "own/sub/test_mine.py", "def test_it():\n    assert False\n")
        finished = tollproof(
            *("gate", profile, "--output", tmp_path / "out", "--suite", "own"),
            *("--check", "mine.*", "--check", "preflight.*"),
            cwd=tmp_path,
            environ=environment(
                PYTEST_ADDOPTS="-k nothing --co",
                PYTEST_PLUGINS="hostile",
                PYTHONOPTIMIZE="2",
                PYTHONWARNINGS="error",
                PYTHONINSPECT="1",
                PYTHONSAFEPATH="1",
            ),
        )
    run = read_run(tmp_path / "out")

    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert verdicts(run) == {
        ("mine.it", "deployment"): Outcome.FAILED,
        ("preflight.identity", "alpha"): Outcome.INCONCLUSIVE,
    }


# -- suites of others ------------------------------------------------------------------


def packaged(folder: Path, value: str = "acme_suites") -> Path:
    """Install a package with suites into a folder, as pip would."""
    site = folder / "site"
    written(site, "acme_suites/__init__.py", "")
    written(
        site,
        "acme_suites/acme/test_acme.py",
        CHECK.format(id="acme.one", aliases="()", name="one"),
    )
    info = "acme_suites-1.0.dist-info"
    written(site, f"{info}/METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    written(site, f"{info}/entry_points.txt", f"[tollproof.suites]\nacme = {value}\n")
    return site


def test_a_package_can_bring_suites(profile: Path, tmp_path: Path) -> None:
    environ = environment(PYTHONPATH=str(packaged(tmp_path)))
    finished = tollproof(
        *("gate", profile, "--output", tmp_path / "out", "--suite", "acme"),
        cwd=tmp_path,
        environ=environ,
    )
    listed = tollproof(
        "catalogue",
        "--suite",
        "acme",
        "--format",
        "json",
        cwd=tmp_path,
        environ=environ,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert verdicts(read_run(tmp_path / "out")) == {
        ("acme.one", "deployment"): Outcome.PASSED
    }
    assert [spec["id"] for spec in json.loads(listed.stdout)] == ["acme.one"]


@pytest.mark.parametrize("value", ["nosuchpackage", "json.decoder", "a:b"])
def test_a_package_that_brings_none_is_named(
    profile: Path, tmp_path: Path, value: str
) -> None:
    finished = tollproof(
        *("gate", profile, "--output", tmp_path / "out"),
        cwd=tmp_path,
        environ=environment(PYTHONPATH=str(packaged(tmp_path, value))),
    )

    assert finished.returncode == 3
    assert "the suite 'acme' names" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_folder_can_bring_suites(profile: Path, tmp_path: Path) -> None:
    written(
        tmp_path, "own/test_a.py", CHECK.format(id="own.one", aliases="()", name="a")
    )
    finished = tollproof(
        *("gate", profile, "--output", tmp_path / "out", "--suite", "own"),
        *("--check", "own.*"),
        cwd=tmp_path,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert verdicts(read_run(tmp_path / "out")) == {
        ("own.one", "deployment"): Outcome.PASSED
    }


# -- what asks nothing of pytest is run without it -------------------------------------

KINDS = '''
import subprocess
import sys
import pytest
from tollproof.declare import check, failed, inconclusive, not_applicable, passed
from tollproof.model import Reason, Severity
from tollproof.references import CWE

def declared(slug):
    return check(
        id=f"mine.{slug}", title="One", severity=Severity.LOW,
        references=(CWE(287),), remediation="None.",
    )

@declared("passes")
def test_passes(target, operation):
    """It holds."""
    print("said by a check")
    subprocess.run(["echo", "told by a check"])
    sys.stderr.write("complained by a check\\n")
    return passed(str(target.stranger(operation).status))

@declared("fails")
def test_fails(target):
    """It does not hold."""
    return failed("wrong", expected="1", actual="2")

@declared("open")
def test_open(target):
    """Nobody knows."""
    return inconclusive(Reason.NOISE, "noisy")

@declared("not-asked")
def test_not_asked(target):
    """It does not apply."""
    return not_applicable("nothing of that kind")

@declared("asserts")
def test_asserts(target):
    """It asserts."""
    assert target is None, "is there"

@declared("breaks")
def test_breaks(target):
    """It has a mistake."""
    raise KeyError("mistaken")

@declared("skips")
def test_skips(target):
    """It skips."""
    pytest.skip("not today")

@declared("xfails")
def test_xfails(target):
    """It is known to fail."""
    pytest.xfail("a known one")

@declared("fixture")
def test_fixture(target, tmp_path):
    """It asks for a fixture."""
    return passed(str(tmp_path.is_dir()))

@declared("given")
@pytest.mark.parametrize("number", [1, 2])
def test_given(target, number):
    """It has a parameter of its own."""
    return passed(str(number))

@declared("mark")
@pytest.mark.skip(reason="marked")
def test_mark(target):
    """It is marked."""
    return failed("never called")

@declared("passive")
def test_passive(target, exchange):
    """Every exchange."""
    return failed("bad") if exchange.status == 401 else passed("good")
'''


def test_a_check_that_is_run_directly_is_judged_as_by_pytest(
    profile: Path, tmp_path: Path
) -> None:
    suite = written(tmp_path, "s/test_kinds.py", KINDS).parent
    direct, forked = (
        tollproof(
            *("gate", str(profile), "--suite", str(suite), "--check", "mine.*"),
            *("--output", str(tmp_path / name), "--workers", workers),
            cwd=tmp_path,
        )
        for name, workers in (("direct", "1"), ("forked", "3"))
    )
    asked = (*options(profile, tmp_path / "plain"), "--tollproof-check=mine.*")
    plain = plain_pytest("s", *asked, cwd=tmp_path)
    spread = pytest_run(
        "s",
        *options(profile, tmp_path / "spread"),
        "--tollproof-check=mine.*",
        "--tollproof-progress=plain",
        "-n2",
        cwd=tmp_path,
    )

    def found(name: str) -> dict[tuple[str, str], tuple[Outcome, str]]:
        return {
            (item.check, item.subject): (item.verdict.outcome, item.verdict.summary)
            for item in read_run(tmp_path / name).results
            if item.check != "mine.fixture"
        }

    one = found("direct")
    assert one == found("plain") == found("spread") == found("forked")
    assert {outcome for outcome, _ in one.values()} == set(Outcome)
    assert len({check for check, _ in one}) == 11
    assert direct.returncode == plain.returncode == spread.returncode == 1
    assert forked.returncode == 1
    for said in (direct.stdout, direct.stderr, forked.stdout, forked.stderr):
        assert "by a check" not in said
