"""`tollproof load` as it is typed: real processes against the reference deployment."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from click.testing import CliRunner

from tests.deploying import ENVIRON
from tests.processes import PATIENCE, Finished, environment, tollproof
from tollproof.commands.load import load
from tollproof.errors import UsageError
from tollproof.judgement import Exit
from tollproof.model import Outcome, Reason, Verdict
from tollproof.profile.load import load_profile
from tollproof.record import read_run

SECONDS, RATE = 2, 40

T = TypeVar("T")


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The profile of a running deployment: 40 requests in 2 s for each key."""
    folder = tmp_path_factory.mktemp("served")
    path = folder / "profile.toml"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tollproof", "serve", "sparkient"),
            *("--limit", "40", "--window", "2", "--write-profile", str(path)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        yield path
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def altered(profile: Path, folder: Path, *changes: tuple[str, str]) -> Path:
    """Return the profile with lines that match a pattern replaced."""
    text = profile.read_text()
    for pattern, line in changes:
        text, times = re.subn(rf"(?m)^{pattern}$", line, text)
        assert times, pattern
    (folder / "altered.toml").write_text(text)
    return folder / "altered.toml"


def arguments(profile: Path, *more: str, seconds: int = SECONDS) -> tuple[str, ...]:
    shape = (f"--seconds={seconds}", f"--rate={RATE}")
    return ("load", str(profile), *shape, "--output=out", *more)


def verdicts(folder: Path) -> dict[str, Verdict]:
    return {item.check: item.verdict for item in read_run(folder / "out").results}


def sent(found: Mapping[str, Verdict]) -> int:
    return int(found["load.errors"].measurements["sent"])


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        (("--shape=plateau",), 76),
        (("--shape=ramp", "--random", "--seed=3"), 40),
        (("--shape=spike", "--peak=300"), 184),
        (("--shape=soak", "--processes=2"), 79),
    ],
    ids=["plateau", "ramp", "spike", "soak"],
)
def test_each_shape_is_sent_and_judged(
    profile: Path, tmp_path: Path, options: tuple[str, ...], requests: int
) -> None:
    done = tollproof(*arguments(profile, *options), cwd=tmp_path)
    found = verdicts(tmp_path)
    # A machine that stands still may leave a figure open; nothing ever fails.
    assert done.returncode in (Exit.PASSED, Exit.UNDETERMINED), done.stdout
    assert "FAILED" not in done.stdout
    assert found["load.errors"].outcome is Outcome.PASSED, done.stdout
    assert found["load.under-admission"].outcome is Outcome.PASSED
    # At random, the number is one too: five times its deviation is granted.
    spread = 5 * requests**0.5 if "--random" in options else 1
    assert abs(sent(found) - requests) <= spread
    assert found["load.errors"].measurements["latency_ms"]["ok"]["p99"] > 0
    # A sign of life, with what is left.
    assert re.search(r"load: \d+ of \d+ requests, \d+ s left", done.stdout)
    # The figures are shown, whatever they amount to.
    assert re.search(r"Load: \d+ of \d+ requests in [\d.]+ s", done.stdout)
    assert re.search(r"status 200 +\d+( +[\d.]+){4}", done.stdout)
    page = (tmp_path / "out/index.html").read_text()
    assert "Requests due and answers received" in page


def test_thresholds_of_the_profile_fail(profile: Path, tmp_path: Path) -> None:
    strict = altered(profile, tmp_path, ("per_second = 10.0", "per_second = 5000.0"))
    done = tollproof(*arguments(strict), cwd=tmp_path)
    assert done.returncode == Exit.FAILED, done.stdout
    verdict = verdicts(tmp_path)["load.throughput"]
    assert verdict.outcome is Outcome.FAILED
    assert "5000" in verdict.expected


NO_CONSENT = r"(?s)\[consent\].*?(?=\n\[|\Z)"
PRODUCTION = ('environment = "staging"', 'environment = "production"')
TABLE, LINE = "\n    [consent]\n    load = true\n", "\n    load = true\n"
OPTION = "--consent-to-production"


@pytest.mark.parametrize(
    ("consent", "said"),
    [
        ("", TABLE),
        ("[consent]\nwrites = true", LINE),
        ("[consent]", LINE),
        ("[consent]\nload = false", LINE),
        ("[consent.budget]\nper_second = 2000.0", TABLE),
    ],
    ids=["no-table", "no-key", "empty", "refused", "budget-only"],
)
@pytest.mark.parametrize("production", [False, True])
def test_without_consent_nothing_is_sent(
    profile: Path, tmp_path: Path, consent: str, said: str, production: bool
) -> None:
    path = tmp_path / "altered.toml"
    text, times = re.subn(NO_CONSENT, consent, profile.read_text())
    assert times == 1
    if production:
        text = text.replace(*PRODUCTION)
    path.write_text(text)
    reported = refusal(path)
    assert said in reported
    assert ("[consent]\n" in reported) is (said == TABLE)
    assert (OPTION in reported) is production
    # With the lines as they are printed the profile consents.
    if said == TABLE:
        text += TABLE.replace("    ", "")
    else:
        text = text.replace("load = false", "")
        text = text.replace("[consent]", "[consent]\nload = true")
    path.write_text(text)
    if production:
        assert "does not consent" not in refusal(path)
    else:
        assert load_profile(path, environ=ENVIRON).consent.load


def refusal(profile: Path) -> str:
    """Return what `tollproof load` says before it sends anything."""
    done = CliRunner().invoke(
        load, [str(profile), f"--output={profile.parent / 'out'}"]
    )
    assert isinstance(done.exception, UsageError), done.output
    assert not (profile.parent / "out").exists()
    assert str(done.exception).startswith("nothing was sent: ")
    return str(done.exception)


def test_production_needs_a_second_consent(profile: Path, tmp_path: Path) -> None:
    path = altered(profile, tmp_path, PRODUCTION)
    done = tollproof(*arguments(path), cwd=tmp_path)
    assert done.returncode == Exit.USAGE
    assert "nothing was sent" in done.stderr
    assert OPTION in done.stderr
    assert "does not consent" not in done.stderr
    assert not (tmp_path / "out").exists()
    done = tollproof(*arguments(path, OPTION), cwd=tmp_path)
    assert done.returncode in (Exit.PASSED, Exit.UNDETERMINED), done.stderr
    assert sent(verdicts(tmp_path)) == 76


# -- several processes -----------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(folder: Path, *given: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command line beside the test, in a session of its own."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tollproof", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def ended(process: subprocess.Popen[str]) -> Finished:
    out, _ = process.communicate(timeout=PATIENCE)
    return Finished(process.args, process.returncode, out, "")


def until(found: Callable[[], T | None]) -> T:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (value := found()) is not None:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def begun(process: subprocess.Popen[str]) -> None:
    """Wait until a run says how far its load is."""
    assert process.stdout is not None
    for line in process.stdout:
        if "s left" in line:
            return
    raise AssertionError("the load did not begin")


def test_a_master_leads_its_workers(profile: Path, tmp_path: Path) -> None:
    where = f"127.0.0.1:{free_port()}"
    # How much load there is, the master says.
    work = ("load", str(profile), f"--worker={where}")
    lead = arguments(profile, "--master=2", f"--bind={where}")
    with (
        started(tmp_path / "one", *work) as one,
        started(tmp_path / "two", *work) as two,
    ):
        done = tollproof(*lead, cwd=tmp_path)
        helpers = [ended(one), ended(two)]
    assert done.returncode in (Exit.PASSED, Exit.UNDETERMINED), done.stdout
    assert [item.returncode for item in helpers] == [Exit.PASSED, Exit.PASSED]
    assert all("the master has the observations" in item.stdout for item in helpers)
    found = verdicts(tmp_path)
    assert found["load.errors"].outcome is Outcome.PASSED, done.stdout
    assert sent(found) == 76


def test_a_worker_gives_up_when_its_master_is_gone(
    profile: Path, tmp_path: Path
) -> None:
    where = f"127.0.0.1:{free_port()}"
    work = ("load", str(profile), f"--worker={where}")
    lead = arguments(profile, "--master=1", f"--bind={where}", seconds=60)
    with (
        started(tmp_path / "worker", *work) as worker,
        started(tmp_path / "master", *lead) as master,
    ):
        begun(master)
        (locust,) = (
            one
            for one in psutil.Process(master.pid).children(recursive=True)
            if "locust" in one.cmdline()
        )
        assert master.poll() is None
        locust.kill()
        began = time.monotonic()
        led = ended(worker)
        # Not the minutes that Locust would wait, nor the rest of the load.
        assert time.monotonic() - began < 40
        done = ended(master)
    assert led.returncode == Exit.UNDETERMINED, led.stdout
    assert f"waits for the master at {where}, 300 s at most" in led.stdout
    assert "found the master" in led.stdout
    assert "has not been heard of for 5 s" in led.stdout
    assert "the master has the observations" not in led.stdout
    assert done.returncode == Exit.UNDETERMINED, done.stdout
    found = verdicts(tmp_path / "master")
    assert {item.outcome for item in found.values()} == {Outcome.INCONCLUSIVE}


def test_a_worker_without_a_master_says_that_it_waited(
    profile: Path, tmp_path: Path
) -> None:
    where = f"127.0.0.1:{free_port()}"
    done = tollproof(
        *("load", str(profile), f"--worker={where}", "--wait=2"), cwd=tmp_path
    )
    assert done.returncode == Exit.UNDETERMINED, done.stdout
    assert f"waits for the master at {where}, 2 s at most" in done.stdout
    assert f"no master at {where} within 2 s" in done.stderr


def test_a_worker_of_another_profile_is_not_let_in(
    profile: Path, tmp_path: Path
) -> None:
    where = f"127.0.0.1:{free_port()}"
    strict = altered(
        profile, tmp_path, ("budget = .*", "budget = { per_second = 10.0 }")
    )
    work = ("load", str(strict), f"--worker={where}")
    lead = arguments(profile, "--master=1", f"--bind={where}")
    with started(tmp_path / "worker", *work) as worker:
        done = tollproof(*lead, cwd=tmp_path)
        refused = ended(worker)
    assert refused.returncode == Exit.UNDETERMINED, refused.stdout
    assert "40 requests a second are asked, 10 consented" in refused.stdout
    assert done.returncode == Exit.UNDETERMINED, done.stdout
    assert "10 consented" in verdicts(tmp_path)["load.errors"].summary


def test_a_lost_worker_is_missed_by_its_master(profile: Path, tmp_path: Path) -> None:
    where = f"127.0.0.1:{free_port()}"
    work = ("load", str(profile), f"--worker={where}")
    lead = arguments(profile, "--master=2", f"--bind={where}", seconds=8)
    with (
        started(tmp_path / "one", *work) as one,
        started(tmp_path / "two", *work) as two,
        started(tmp_path, *lead) as master,
    ):
        begun(master)
        # Its Locust first: it would take the end of the command for a reason to stop.
        for process in psutil.Process(one.pid).children(recursive=True):
            process.kill()
        one.kill()
        done = ended(master)
        other = ended(two)
    assert other.returncode == Exit.PASSED, other.stdout
    assert done.returncode == Exit.UNDETERMINED, done.stdout
    said = verdicts(tmp_path)["load.errors"].summary
    assert re.search(r"1 of 2 load processes died, .* up to \d+ requests", said), said


def test_a_worker_that_dies_leaves_no_verdict(profile: Path, tmp_path: Path) -> None:
    given = arguments(profile, "--processes=2", seconds=6)
    with started(tmp_path, *given) as process:

        def worker() -> psutil.Process | None:
            for one in psutil.Process(process.pid).children(recursive=True):
                parent = one.parent()
                if parent and "locust" in parent.cmdline() and one.cmdline():
                    return one
            return None

        begun(process)
        until(worker).kill()
        done = ended(process)
    assert done.returncode == Exit.UNDETERMINED, done.stdout
    found = verdicts(tmp_path)
    assert {item.outcome for item in found.values()} == {Outcome.INCONCLUSIVE}
    said = found["load.errors"].summary
    assert re.search(r"1 of 2 load processes died, .* up to \d+ requests", said), said
    # What the other one saw is told nevertheless.
    assert found["load.errors"].measurements["statuses"]["200"] > 0


def test_locusts_page_shows_the_load_and_ends_it(profile: Path, tmp_path: Path) -> None:
    port = free_port()
    given = arguments(profile, f"--web=127.0.0.1:{port}", seconds=60)

    def asked(method: str, path: str) -> bytes | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        except OSError:
            return None
        finally:
            connection.close()

    def seen() -> int | None:
        answer = asked("GET", "/stats/requests")
        stats = json.loads(answer)["stats"] if answer else []
        rows = [row for row in stats if row["name"] == "status 200"]
        return int(rows[0]["num_requests"]) if rows else None

    began = time.monotonic()
    with started(tmp_path, *given) as process:
        until(seen)
        assert b"<html" in (asked("GET", "/") or b"")
        assert asked("POST", "/stop") is not None
        done = ended(process)
    assert time.monotonic() - began < 60
    assert done.returncode == Exit.INTERRUPTED, done.stdout
    assert "stopped before its end" in verdicts(tmp_path)["load.errors"].summary
    assert sent(verdicts(tmp_path)) > 0


def to_the_command(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C where only the command hears of it."""
    process.send_signal(signal.SIGINT)


def to_the_group(process: subprocess.Popen[str]) -> None:
    """End all of it, as `timeout` and service managers do."""
    os.killpg(process.pid, signal.SIGTERM)


def observed(folder: Path, requests: int) -> int | None:
    """Return how many bytes of observations there are, once they are enough."""
    files = list((folder / "out/journal/load").glob("observations-*"))
    size = sum(one.stat().st_size for one in files)
    return size if size > 16 * requests else None


@pytest.mark.parametrize("end", [to_the_command, to_the_group])
def test_an_interrupted_load_is_judged_as_far_as_it_came(
    profile: Path, tmp_path: Path, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    with started(tmp_path, *arguments(profile, seconds=60)) as process:
        begun(process)
        until(lambda: observed(tmp_path, 40))
        end(process)
        done = ended(process)
    assert done.returncode == Exit.INTERRUPTED, done.stdout
    run = read_run(tmp_path / "out")
    assert run.about.interrupted
    found = verdicts(tmp_path)
    assert {item.outcome for item in found.values()} == {Outcome.INCONCLUSIVE}
    assert {item.reason for item in found.values()} == {Reason.HARNESS}
    figures = found["load.throughput"].measurements
    assert 0 < figures["sent"] < figures["planned"]
    assert figures["statuses"]["200"] == figures["sent"]
    assert figures["per_second"] > 0
    assert figures["latency_ms"]["ok"]["p99"] >= figures["latency_ms"]["200"]["p50"] > 0
    said = found["load.over-admission"].summary
    assert re.search(r"stopped before its end, after [\d.]+ of 60.0 s", said), said
    assert "of a key within 2 s were the most, of 40" in said
    # Judged, the observations themselves are gone.
    assert not (tmp_path / "out/journal/load").exists()
    again = tollproof("report", "out", cwd=tmp_path)
    assert again.returncode == Exit.INTERRUPTED
    page = (tmp_path / "out/index.html").read_text()
    assert "Requests due and answers received" in page
    assert "stopped before its end" in page
    assert not left_running(tmp_path)


def left_running(folder: Path) -> list[psutil.Process]:
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(one.info["cmdline"] or ())
    ]


def test_what_was_broken_when_it_was_interrupted_fails(
    profile: Path, tmp_path: Path
) -> None:
    strict = altered(profile, tmp_path, (r"refused = 0\.5", "refused = 0.001"))
    options = [*arguments(strict, "--rate=300", seconds=20)]
    with started(tmp_path, *options) as process:
        begun(process)
        until(lambda: observed(tmp_path, 1000))
        process.send_signal(signal.SIGTERM)
        done = ended(process)
    assert done.returncode == Exit.FAILED, done.stdout
    found = verdicts(tmp_path)
    assert found["load.refused"].outcome is Outcome.FAILED
    assert "could not mend it" in found["load.refused"].summary
    assert found["load.over-admission"].outcome is Outcome.INCONCLUSIVE
    assert read_run(tmp_path / "out").about.interrupted


@pytest.mark.parametrize("locust", [False, True], ids=["command", "all"])
def test_a_killed_load_is_reported(profile: Path, tmp_path: Path, locust: bool) -> None:
    with started(tmp_path, *arguments(profile, seconds=60)) as process:
        begun(process)
        until(lambda: observed(tmp_path, 40))
        everyone = psutil.Process(process.pid).children(recursive=True)
        if locust:
            for one in everyone:
                one.kill()
        os.killpg(process.pid, signal.SIGKILL)
        ended(process)
        gone, alive = psutil.wait_procs(everyone, timeout=PATIENCE)
        assert not alive, gone
    done = tollproof("report", "out", cwd=tmp_path)
    assert done.returncode == Exit.INTERRUPTED, done.stderr
    found = verdicts(tmp_path)
    assert {item.outcome for item in found.values()} == {Outcome.INCONCLUSIVE}
    assert 0 < sent(found) < 60 * RATE
    said = found["load.over-admission"].summary
    assert "was cut short" in said
    assert "60 s were planned" in said
    assert "No key was admitted more than 40 requests per 2 s" in said
    page = (tmp_path / "out/index.html").read_text()
    assert "Requests due and answers received" in page
    # Once more, from the record that the first report has completed.
    shown = tollproof("report", "out", "--format=terminal", cwd=tmp_path)
    assert "was cut short" in " ".join(shown.stdout.split())
