"""The command line as its users see it: exit codes, sentences, and what a kill leaves.

The checks run for real, in a process of their own, against servers on loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests import servers
from tests.deploying import ALPHA, KEY, THINGS, document, profile_text, responding
from tests.guarded import OPERATIONS, Asked, Told, guarded
from tests.processes import PATIENCE, environment
from tollproof import cli, running
from tollproof.judgement import Exit
from tollproof.model import Outcome, Reason, Result, Run
from tollproof.record import RESULTS, RUN, read_lines, read_run

BASICS = ("--check", "preflight.*", "--check", "authentication.missing")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with the credentials of the tests and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TOLLPROOF_")]:
        monkeypatch.delenv(name)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


def profile(*parts: str) -> Path:
    path = Path("profile.toml")
    path.write_text("".join(parts))
    return path


def gate(path: Path, *more: str) -> int:
    return cli.run(["gate", str(path), "--output", "out", *more])


def reasons(run: Run) -> set[Reason | None]:
    return {item.verdict.reason for item in run.results}


# -- exit codes ----------------------------------------------------------------------


def lets_everybody_in(asked: Asked, told: Told) -> Told:
    return Told(status=200) if told.status == 401 else told


def is_throttled(asked: Asked, told: Told) -> Told:
    return Told(status=429, headers=(("Retry-After", "60"),))


@pytest.mark.parametrize(
    ("alter", "code", "headline"),
    [
        (None, Exit.PASSED, "May be released"),
        (lets_everybody_in, Exit.FAILED, "Do not release"),
        (is_throttled, Exit.UNDETERMINED, "Not decided"),
    ],
)
def test_the_verdict_is_the_exit_code(
    capfd: pytest.CaptureFixture[str],
    alter: Callable[[Asked, Told], Told] | None,
    code: Exit,
    headline: str,
) -> None:
    with guarded(KEY, alter) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        found = gate(path, *BASICS)
    said = capfd.readouterr().out

    assert found == code
    assert headline in said
    assert f"Report: {Path('out/index.html').resolve()}" in said
    assert {path.name for path in Path("out").iterdir()} >= {
        "results.json",
        "junit.xml",
        "index.html",
        "journal",
    }


def test_what_is_wrong_with_a_profile_is_said_at_once_and_nothing_is_sent(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with guarded(KEY) as server:
        text = profile_text(server.origin, OPERATIONS, ALPHA)
        text = text.replace("timeout", "timeoot").replace('"api_key"', '"apikey"')
        code = gate(profile(text))
        said = capfd.readouterr()

        assert (code, server.accepted) == (Exit.USAGE, 0)
    assert "profile.toml:5: target.timeoot:" in said.err
    assert "timeout" in said.err
    assert "identities.alpha.kind" in said.err
    assert said.out == ""
    assert not Path("out").exists()


def test_a_variable_that_is_not_set_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOLLPROOF_TEST_ALPHA")
    with guarded(KEY) as server:
        code = gate(profile(profile_text(server.origin, OPERATIONS, ALPHA)))
        said = capfd.readouterr().err

        assert (code, server.accepted) == (Exit.USAGE, 0)
    assert "profile.toml:" in said
    assert "identities.alpha.key" in said
    assert "TOLLPROOF_TEST_ALPHA" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gate", "nowhere.toml"], "no such profile"),
        (["gate", "--base-url", "http://127.0.0.1:9"], "needs a PROFILE"),
        (["gate", "--nonsense"], "No such option"),
        (["nonsense"], "No such command"),
        (["explain", "nonsense.x"], "there is no check"),
        (["report", "nowhere"], "does not exist"),
        (["report", "."], "no record of a run here"),
        (["init", "--openapi", "nowhere.json"], "nowhere.json: cannot be read"),
        (["serve", "--fault", "nonsense"], "nonsense"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_told(
    capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert cli.run(arguments) == Exit.USAGE
    said = capfd.readouterr()

    assert words in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--suite", "autentication"), "there is no suite 'autentication'"),
        (("--check", "preflight.identiti"), "did you mean preflight.identity?"),
        ((*BASICS, "--check", "headers.nosuch"), "there is no check 'headers.nosuch'"),
        (
            ("--suite", "headers", *BASICS),
            "the check 'preflight.*' is not in the suite 'headers'",
        ),
        (
            ("--suite", "preflight", *BASICS),
            "the check 'authentication.missing' is not in the suite 'preflight'",
        ),
        (("--output", "profile.toml"), "profile.toml"),
        (("--output", "."), "'profile.toml', which is not of a run"),
    ],
)
def test_a_name_that_stands_for_nothing_is_no_success(
    capfd: pytest.CaptureFixture[str], more: tuple[str, ...], words: str
) -> None:
    with guarded(KEY) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        code = cli.run(["gate", str(path), *more])

        assert (code, server.accepted) == (Exit.USAGE, 0)
    assert words in capfd.readouterr().err
    assert path.exists()


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_mistake_leaves_the_former_run_as_it_was() -> None:
    with guarded(KEY) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        assert gate(path, *BASICS) == Exit.PASSED
        former = files(Path("out"))
        assert gate(path, "--suite", "autentication") == Exit.USAGE
        assert files(Path("out")) == former
        assert gate(path, *BASICS) == Exit.PASSED
    assert files(Path("out")).keys() == former.keys()
    assert files(Path("out"))[RUN] != former[RUN]


def test_the_record_of_a_former_run_is_not_taken_for_this_one(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with guarded(KEY) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        assert gate(path, *BASICS) == Exit.PASSED
    monkeypatch.setattr(running, "run", lambda request: 1)

    assert gate(path, *BASICS) == Exit.UNDETERMINED
    assert "nothing was judged" in capfd.readouterr().err


# -- targets that do not answer as they should ---------------------------------------


def greets(connection: servers.Connection) -> None:
    """Speak first, and neither TLS nor HTTP."""
    connection.send(b"220 mail.example ESMTP ready\r\n")
    connection.request()


def target(
    handler: servers.Handler, scheme: str = "http"
) -> Callable[[], AbstractContextManager[str]]:
    @contextlib.contextmanager
    def serve() -> Iterator[str]:
        with servers.scripted(handler) as server:
            yield f"{scheme}://{server.host}:{server.port}"

    return serve


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """Yield the address of a port that was free a moment ago."""
    with servers.scripted(servers.silent) as server:
        pass
    yield server.origin


@contextlib.contextmanager
def distrusted() -> Iterator[str]:
    context, _ = servers.tls_contexts()
    handler = servers.answers(servers.answer())
    with servers.scripted(handler, tls=context) as server:
        yield server.origin


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (nobody, "refused"),
        (distrusted, "certificate"),
        (target(greets, "https"), "SSL"),
        (target(greets), "did not answer"),
        (target(servers.silent), "no complete answer in the time allowed"),
    ],
    ids=["nobody there", "not trusted", "no TLS", "not HTTP", "hanging"],
)
def test_a_target_that_does_not_answer_is_inconclusive_with_the_reason(
    capfd: pytest.CaptureFixture[str],
    serve: Callable[[], AbstractContextManager[str]],
    words: str,
) -> None:
    with serve() as origin:
        path = profile(profile_text(origin, OPERATIONS, ALPHA))
        code = gate(path, *BASICS)
    run = read_run(Path("out"))

    assert code == Exit.UNDETERMINED
    assert len(run.results) == 3
    assert reasons(run) == {Reason.UNREACHABLE}
    assert words in capfd.readouterr().out


def test_a_hanging_target_is_asked_a_few_times_only() -> None:
    """Else each probe would wait for its time-out: a gate of hours."""
    with servers.scripted(servers.silent) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        code = gate(path, "--suite", "authentication")
        asked = server.accepted
    run = read_run(Path("out"))

    assert code == Exit.UNDETERMINED
    assert {item.verdict.outcome for item in run.results} <= {
        Outcome.INCONCLUSIVE,
        Outcome.NOT_APPLICABLE,
    }
    assert asked < len(run.results)


def answering(response: bytes) -> Callable[[], AbstractContextManager[str]]:
    return target(servers.answers(response))


@pytest.mark.parametrize(
    ("serve", "code"),
    [
        (target(servers.endless_body), Exit.UNDETERMINED),
        (target(servers.gzip_bomb(64 * 1024 * 1024)), Exit.UNDETERMINED),
        (target(servers.redirects("/things")), Exit.UNDETERMINED),
        (target(servers.redirects("http://127.0.0.1:9/")), Exit.UNDETERMINED),
        (answering(servers.answer(503)), Exit.UNDETERMINED),
        (
            answering(servers.answer(200, [("Content-Encoding", "gzip")], b"not")),
            Exit.UNDETERMINED,
        ),
    ],
    ids=["endless", "bomb", "loop", "elsewhere", "gateway", "not gzip"],
)
def test_an_odd_answer_to_everything_is_never_a_success(
    serve: Callable[[], AbstractContextManager[str]], code: Exit
) -> None:
    with serve() as origin:
        path = profile(profile_text(origin, OPERATIONS, ALPHA))
        found = gate(path, *BASICS)
    run = read_run(Path("out"))

    assert found == code
    assert len(run.results) == 3


def test_one_operation_that_hangs_does_not_keep_the_rest_from_being_judged() -> None:
    done = threading.Event()

    def alter(asked: Asked, told: Told) -> Told:
        if asked.path == "/things/one":
            done.wait()
        return told

    with guarded(KEY, alter) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        code = gate(path, *BASICS)
        done.set()
    found = {
        (item.check, item.subject): item.verdict.reason or item.verdict.outcome
        for item in read_run(Path("out")).results
    }

    assert code == Exit.UNDETERMINED
    assert found == {
        ("preflight.identity", "alpha"): Outcome.PASSED,
        ("authentication.missing", "GET /things"): Outcome.PASSED,
        ("authentication.missing", "GET /things/{id}"): Reason.UNREACHABLE,
    }


# -- documents -----------------------------------------------------------------------


def test_what_can_be_read_of_a_broken_document_is_judged() -> None:
    gone = {"parameters": [{"$ref": "#/components/parameters/Gone"}]}
    paths = {"/things": {"get": responding()}, "/gone": {"get": responding(**gone)}}
    Path("openapi.json").write_text(json.dumps(document(paths)))
    with guarded(KEY) as server:
        text = profile_text(server.origin, 'openapi = "openapi.json"\n', ALPHA)
        code = gate(profile(text), *BASICS)
    run = read_run(Path("out"))

    assert code == Exit.PASSED
    assert {item.subject for item in run.results} == {"alpha", "GET /things"}
    assert any(
        note.startswith("GET /gone could not be read") for note in run.about.notes
    )
    assert "GET /gone could not be read" in Path("out/index.html").read_text()


def test_a_document_that_cannot_be_read_is_a_usage_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path("openapi.yaml").write_text("openapi: 3.0.0\n\tpaths: {}\n")
    with guarded(KEY) as server:
        text = profile_text(server.origin, 'openapi = "openapi.yaml"\n', ALPHA)
        code = gate(profile(text))

        assert (code, server.accepted) == (Exit.USAGE, 0)
    said = capfd.readouterr().err
    assert "profile.toml:6: target.openapi: openapi.yaml:2:" in said
    assert "Traceback" not in said


def test_a_target_that_is_down_is_not_called_a_mistake_in_the_profile(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with nobody() as origin:
        text = profile_text(origin, 'openapi = "/openapi.json"\n', ALPHA)
        code = gate(profile(text))
    said = capfd.readouterr().err

    assert code == Exit.UNDETERMINED
    assert f"nothing could be judged: {origin}/openapi.json" in said
    assert "Traceback" not in said


# -- ending early --------------------------------------------------------------------


RESULTS_PATH = Path("out", RESULTS)


def passed_so_far() -> int:
    text = RESULTS_PATH.read_text() if RESULTS_PATH.is_file() else ""
    return text.count('"outcome":"passed"')


@contextlib.contextmanager
def under_way(*more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a gate against a slow deployment and yield it when results arrive."""

    def slow(asked: Asked, told: Told) -> Told:
        time.sleep(0.02)
        return told

    with guarded(KEY, slow) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tollproof", "gate", str(path)),
                *("--output", "out", "--suite", "authentication", *more),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + PATIENCE
            while passed_so_far() < 3:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.mark.parametrize("workers", ["1", "3"])
def test_ctrl_c_ends_with_a_report(workers: str) -> None:
    with under_way("--workers", workers) as process:
        # Twice, as impatient people do: the record must survive it.
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)
        said, complaints = process.communicate(timeout=PATIENCE)
    run = read_run(Path("out"))

    assert process.returncode == Exit.INTERRUPTED, complaints
    assert "Traceback" not in complaints
    assert run.about.interrupted
    assert run.about.ended
    assert Reason.NOT_RUN in reasons(run)
    assert Outcome.PASSED in {item.verdict.outcome for item in run.results}
    assert len(run.results) == len(run.planned)
    assert "Report: " in said
    assert Path("out/index.html").is_file()
    reached = {(item.check, item.subject) for item in read_lines(RESULTS_PATH, Result)}
    decided = {
        (item.check, item.subject)
        for item in run.results
        if item.verdict.reason is not Reason.NOT_RUN
    }
    assert reached == decided


def test_processes_end_when_the_one_they_work_for_is_gone() -> None:
    with under_way("--workers", "3") as process:
        family = psutil.Process(process.pid).children(recursive=True)
        (judging,) = psutil.Process(process.pid).children()
        forks = [
            item for item in judging.children() if item.cmdline() == judging.cmdline()
        ]
        judging.kill()
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)

    assert len(forks) == 2
    assert alive == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_first_process_alone_ends_the_run_too(number: int) -> None:
    """A CI server that cancels a job signals the process it started."""
    with under_way() as process:
        process.send_signal(number)
        _, complaints = process.communicate(timeout=PATIENCE)
    run = read_run(Path("out"))

    assert process.returncode == Exit.INTERRUPTED, complaints
    assert run.about.ended
    assert Reason.NOT_RUN in reasons(run)


def test_a_kill_leaves_what_was_finished(capfd: pytest.CaptureFixture[str]) -> None:
    with under_way() as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not Path("out", RUN).exists()
    code = cli.run(["report", "out"])
    run = read_run(Path("out"))

    assert code == Exit.INTERRUPTED
    assert run.about.interrupted
    assert Outcome.PASSED in {item.verdict.outcome for item in run.results}
    assert Reason.NOT_RUN in reasons(run)
    assert Path("out/index.html").is_file()
    # The folder can be used again, whatever the kill left in it.
    Path("out/.results.json.4711").write_text("half")
    with guarded(KEY) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        assert gate(path, *BASICS) == Exit.PASSED
    capfd.readouterr()


# -- what is shown -------------------------------------------------------------------


@pytest.mark.parametrize("command", [None, *cli.COMMANDS])
def test_help_teaches(capfd: pytest.CaptureFixture[str], command: str | None) -> None:
    assert cli.run([*([command] if command else []), "--help"]) == 0
    said = capfd.readouterr().out

    assert "Usage: tollproof" in said
    if command is None:
        for name, (_, about) in cli.COMMANDS.items():
            assert f"  {name}" in said
            assert about.split(".")[0][:30] in said
        for code in Exit:
            assert f"\n    {code.value}  " in said
        assert "tollproof init --openapi" in said
    else:
        assert len(said.split()) > 20


def test_the_version_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert "tollproof, version " in capfd.readouterr().out


@pytest.mark.parametrize("colour", [True, False])
def test_colour_is_for_terminals_that_want_it(colour: bool) -> None:
    with guarded(KEY, lets_everybody_in) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        more = {"TERM": "xterm"} if colour else {"TERM": "xterm", "NO_COLOR": "1"}
        said = on_a_terminal(*("gate", str(path), "--output", "out", *BASICS), **more)

    assert b"Do not release" in said
    assert (b"\x1b[1;31m" in said) is colour


def on_a_terminal(*arguments: str, **more: str) -> bytes:
    """Run the command line on a pseudo-terminal and return all that it wrote."""
    main, other = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tollproof", *arguments],
        stdin=other,
        stdout=other,
        stderr=other,
        env=environment(**more),
    )
    os.close(other)
    said = bytearray()
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(main, 65_536):
            said += data
    os.close(main)
    process.wait(PATIENCE)
    return bytes(said)


def test_a_terminal_without_our_letters_is_no_reason_to_fail() -> None:
    with guarded(KEY) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "tollproof", "gate", str(path)),
                *("--output", "out", *BASICS),
            ],
            env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0"),
            capture_output=True,
            check=False,
        )

    assert finished.returncode == Exit.PASSED, finished.stderr
    assert b"May be released" in finished.stdout


def test_the_verdict_stands_though_nobody_listens() -> None:
    with guarded(KEY, lets_everybody_in) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tollproof", "gate", str(path)),
                *("--output", "out", *BASICS),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.close()
        _, complaints = process.communicate(timeout=PATIENCE)

    assert process.returncode == Exit.FAILED, complaints
    assert b"Traceback" not in complaints


def test_a_broken_pipe_is_no_success() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tollproof", "catalogue", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, complaints = process.communicate(timeout=PATIENCE)

    assert process.returncode != 0
    assert b"Traceback" not in complaints


def test_the_checks_can_be_spread_over_processes() -> None:
    with guarded(KEY) as server:
        path = profile(profile_text(server.origin, OPERATIONS, ALPHA))
        code = gate(path, *BASICS, "--check", "headers.*", "--workers", "2")
    names = {path.name for path in Path("out/journal").iterdir()}

    assert code == Exit.PASSED
    assert names == {"main.jsonl", "fork1.jsonl"}


def test_another_address_can_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    with guarded(KEY) as server:
        path = profile(profile_text("http://127.0.0.1:9", THINGS, ALPHA))
        monkeypatch.setenv("TOLLPROOF_BASE_URL", "http://127.0.0.1:9/other")
        assert gate(path, *BASICS, "--base-url", server.origin) == Exit.PASSED
    assert read_run(Path("out")).about.base_url == server.origin
