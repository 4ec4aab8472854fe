"""Drivers that cannot start, print rubbish, hang, crash or flood are told apart."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.sdk.playing import opened, profile_of, verdict
from tollproof.model import Outcome, Reason
from tollproof.sdk.driver import Driver, DriverFailed

ECHO = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    env = {name: os.environ[name] for name in os.environ if name.startswith("T_")}
    print(json.dumps({"id": asked["id"], "ok": True, "sdk": json.dumps(env)}))
    sys.stdout.flush()
"""
BEHAVIOURS = {
    "rubbish": ("print('hello, world', flush=True); input()", "no reply to 'hello'"),
    "crash": ("import sys; sys.stderr.write('it broke'); sys.exit(3)", "with code 3"),
    "hang": ("import time; time.sleep(60)", "within 1 seconds"),
    "flood": ("while True: print('x' * 10_000)", "no reply to 'hello'"),
    "line": ("import sys; sys.stdout.write('x' * (9 << 20))", "printed more than"),
    "stderr": (
        "import sys\nwhile True: sys.stderr.write('y' * 10_000 + chr(10))",
        "printed more than",
    ),
}


def driver(folder: Path, source: str, **environ: str) -> Driver:
    command = (sys.executable, "-c", source)
    return Driver(command, folder=folder, environ=environ, patience=5.0)


def test_a_driver_answers_and_has_the_environment_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T_OURS", "must not be seen")
    with driver(tmp_path, ECHO, T_ONE="1") as running:
        assert running.ask("hello").sdk == '{"T_ONE": "1"}'
        assert running.ask("call", client="a").ok


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_driver_that_misbehaves_is_named_and_ended(tmp_path: Path, name: str) -> None:
    source, why = BEHAVIOURS[name]
    command = (sys.executable, "-c", source)
    running = Driver(command, folder=tmp_path, environ={}, patience=1.0)
    if name in ("line", "stderr"):
        running = Driver(command, folder=tmp_path, environ={}, patience=20.0)
    with running, pytest.raises(DriverFailed, match=why) as failure:
        running.ask("hello")
    if name == "crash":
        assert "it broke" in failure.value.output


def test_a_driver_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    absent = Driver(("/no/such/driver",), folder=tmp_path, environ={}, patience=1.0)
    with pytest.raises(DriverFailed, match="cannot be started"), absent:
        pytest.fail("it was started")


def test_children_of_a_driver_end_with_it(tmp_path: Path) -> None:
    source = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("{tmp_path}/child", "w").write(str(child.pid))
{ECHO}
"""
    with driver(tmp_path, source) as running:
        assert running.ask("hello").ok
    pid = int((tmp_path / "child").read_text())
    # It was told to end, which takes it a moment; else it would live for a minute.
    deadline = time.monotonic() + 30
    while _lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """Whether a process is there and no zombie that nobody has waited for yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def test_a_child_that_left_the_group_holds_nobody_up(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # It has the driver's output open for as long as it waits for this test.
    source = f"""
import subprocess, sys
wait = "open({str(fifo)!r}).read()"
subprocess.Popen([sys.executable, "-c", wait], start_new_session=True)
sys.stderr.write("last words")
sys.stderr.flush()
{ECHO}
"""
    with driver(tmp_path, source) as running:
        assert running.ask("hello").ok
        held = os.open(fifo, os.O_WRONLY)  # opens when the child has come to read
    try:
        assert running.output() == "last words"
    finally:
        os.close(held)


def test_a_reply_in_many_pieces_is_one_reply(tmp_path: Path) -> None:
    source = """
import sys
sys.stdin.readline()
for piece in ('{"id": 1', ', "ok": tr', 'ue}'):
    sys.stdout.write(piece)
    sys.stdout.flush()
"""
    with driver(tmp_path, source) as running:
        assert running.ask("hello").ok


def test_what_is_printed_on_standard_error_is_kept(tmp_path: Path) -> None:
    source = "import sys; sys.stderr.write('a line\\n'); sys.stderr.flush()\n" + ECHO
    with driver(tmp_path, source) as running:
        running.ask("hello")
    assert running.output() == "a line\n"


@pytest.mark.parametrize("name", ["rubbish", "crash", "hang"])
def test_a_check_is_inconclusive_then_and_shows_the_last_output(
    tmp_path: Path, name: str
) -> None:
    command = (sys.executable, "-c", BEHAVIOURS[name][0])
    more = "patience = 1.0"
    with opened(profile_of(tmp_path / "p.toml", *command, more=more)) as target:
        found = verdict(target, "sdk.api-key")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reason is Reason.PRECONDITION
    if name == "crash":
        assert "it broke" in found.summary


def test_a_driver_that_does_not_greet_is_asked_once_in_a_run(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = f"open({str(started)!r}, 'a').write('x'); input(); input()"
    command = (sys.executable, "-c", source)
    profile = profile_of(tmp_path / "p.toml", *command, more="patience = 1.0")
    with opened(profile) as target:
        found = [verdict(target, name) for name in ("sdk.api-key", "sdk.error-bounded")]
    assert {one.outcome for one in found} == {Outcome.INCONCLUSIVE}
    assert len(started.read_text()) == 1


def test_the_last_output_is_redacted(tmp_path: Path) -> None:
    source = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "create":
        sys.exit("options: " + json.dumps(asked["options"]))
    print(json.dumps({"id": asked["id"], "ok": True}), flush=True)
"""
    profile = profile_of(tmp_path / "p.toml", "{python}", "{profile}/driver.py")
    (tmp_path / "driver.py").write_text(source)
    with opened(profile) as target:
        found = verdict(target, "sdk.api-key")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "[redacted:API key]" in found.summary


def test_the_driver_does_not_see_our_working_folder(tmp_path: Path) -> None:
    source = ECHO.replace('"sdk": json.dumps(env)', '"sdk": os.getcwd()')
    with driver(tmp_path, source) as running:
        assert os.path.samefile(running.ask("hello").sdk, tmp_path)
