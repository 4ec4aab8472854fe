"""The suite of rate limits against deployments that are sound, and what befalls them.

Real audits of real processes. The deployment is right about its limit, so nothing may
ever fail: what a mishap leaves open is inconclusive, with the reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import Finished, environment, tollproof
from tollproof.model import Outcome, Result, Run
from tollproof.record import read_run

LIMIT, WINDOW = 40, 3
KEYS = {
    "control": "tp_live_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3",
    "first": "tp_live_Hv2Bt9Yr4Dk7Lp1Sx6Fn3Gw8",
    "second": "tp_live_Ws5Jf8Gp3Ne6Qa1Cu4Xz7Mk9",
    "third": "tp_live_Pd3Mv7Ks1Tz8Fy5Bw2Nh6Rq4",
    "fourth": "tp_live_Ju9Ex4Ga2Vc7Dm5Lk8Ps1Wn6",
}
MEASURED = ("first", "second", "third", "fourth")
PROFILE = """\
name = "Limited"
[target]
base_url = "{base_url}"
environment = "{environment}"
operations = [{{ method = "GET", path = "/items" }}]
{consent}
{identities}
[promises.rate_limit]
limit = {limit}
window = {window}
algorithm = "fixed_window_first"
headers.limit = "X-RateLimit-Limit"
headers.remaining = "X-RateLimit-Remaining"
headers.reset = "X-RateLimit-Reset"
headers.reset_form = "unix_seconds"
headers.retry_after = "delay_seconds"
headers.on = ["success", "429"]
"""
CONSENT = "[consent]\nload = true"


class Limited:
    """A running deployment; `asked` is there when it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self.origin = f"http://127.0.0.1:{int(process.stdout.readline())}"
        self.asked: Mapping[str, int] = {}

    def stop(self) -> None:
        """End it, and learn how often each identity asked."""
        out, _ = self._process.communicate(timeout=30)
        names = {key: name for name, key in KEYS.items()}
        self.asked = {names[key]: count for key, count in json.loads(out).items()}


def settled(results: Mapping[str, Result]) -> dict[str, Outcome]:
    """Return the outcomes that no noise has left open."""
    return {
        check: item.verdict.outcome
        for check, item in results.items()
        if item.verdict.outcome is not Outcome.INCONCLUSIVE
    }


@contextmanager
def limited(mishap: str = "nothing", after: int = 0) -> Iterator[Limited]:
    program = Path(__file__).with_name("limited.py")
    command = [sys.executable, str(program), str(LIMIT), str(WINDOW)]
    process = subprocess.Popen(
        [*command, mishap, str(after), *KEYS.values()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Limited(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def audit(
    deployment: Limited,
    folder: Path,
    *options: str,
    consent: str = CONSENT,
    kind: str = "staging",
) -> Finished:
    """Audit its rate limit; the folder `out` then holds the run."""
    identities = "\n".join(
        f'[identities.{name}]\nkind = "api_key"\nkey = {{ env = "LIMITED_{name}" }}\n'
        f'purpose = ["{"control" if name == "control" else "burst"}"]'
        for name in KEYS
    )
    profile = folder / "profile.toml"
    profile.write_text(
        PROFILE.format(
            base_url=deployment.origin,
            environment=kind,
            consent=consent,
            identities=identities,
            limit=LIMIT,
            window=WINDOW,
        ),
        encoding="utf-8",
    )
    environ = environment(**{f"LIMITED_{name}": key for name, key in KEYS.items()})
    return tollproof(
        *("audit", profile, "--suite=ratelimit", f"--output={folder / 'out'}"),
        *options,
        cwd=folder,
        environ=environ,
    )


def judged(folder: Path) -> tuple[Run, dict[str, Result]]:
    run = read_run(folder / "out")
    return run, {
        item.check: item for item in run.results if item.check.startswith("ratelimit.")
    }


def outcomes(results: Mapping[str, Result]) -> dict[str, Outcome]:
    return {check: item.verdict.outcome for check, item in results.items()}


def test_two_processes_measure_once_and_judge_as_one_does(tmp_path: Path) -> None:
    runs = []
    for options in ((), ("--workers=2",)):
        folder = tmp_path / f"with-{len(options)}"
        folder.mkdir()
        with limited() as deployment:
            audit(deployment, folder, *options)
            deployment.stop()
        run, results = judged(folder)
        # All rests on one measurement, which is all that most keys were asked for.
        (sent,) = {
            item.verdict.measurements["requests"]
            for item in results.values()
            if "requests" in item.verdict.measurements
        }
        assert isinstance(sent, int)
        asked = sum(deployment.asked[name] for name in MEASURED)
        assert 0.95 * sent <= asked < 1.2 * sent
        runs.append((set(run.planned), settled(results)))
    (planned, alone), (also, both) = runs
    assert also == planned
    # A machine that is busy leaves something open; nothing is ever judged otherwise.
    assert Outcome.FAILED not in {*alone.values(), *both.values()}
    assert {check: both[check] for check in both.keys() & alone.keys()} == {
        check: alone[check] for check in both.keys() & alone.keys()
    }
    assert "ratelimit.status" in both.keys() & alone.keys()


@pytest.mark.parametrize(
    ("mishap", "says"),
    [
        ("dies", "had no answer"),
        ("refuses", "refuse everybody"),
        ("slowly", "too long against a window"),
        ("ahead", "clock was put ahead by"),
        ("back", "clock was put back by"),
    ],
)
def test_a_mishap_leaves_the_limit_open_and_says_so(
    mishap: str, says: str, tmp_path: Path
) -> None:
    with limited(mishap, after=3 * LIMIT) as deployment:
        finished = audit(deployment, tmp_path)
    _, results = judged(tmp_path)
    found = outcomes(results)
    why = {
        check: f"{item.verdict.outcome}: {item.verdict.summary}"
        for check, item in results.items()
    }
    assert Outcome.FAILED not in found.values(), why
    assert finished.returncode == 2, finished.stdout
    assert any(
        says in item.verdict.summary and "still seen" in item.verdict.summary
        for item in results.values()
        if item.verdict.outcome is Outcome.INCONCLUSIVE
    ), why


@pytest.mark.parametrize(
    ("consent", "kind", "options", "line"),
    [
        ("", "staging", (), "load = true"),
        (CONSENT, "production", (), "--consent-to-production"),
    ],
)
def test_without_consent_nothing_is_sent_and_what_to_add_is_said(
    consent: str, kind: str, options: tuple[str, ...], line: str, tmp_path: Path
) -> None:
    with limited() as deployment:
        finished = audit(deployment, tmp_path, *options, consent=consent, kind=kind)
        deployment.stop()
    assert finished.returncode != 0, finished.stdout
    run, _ = judged(tmp_path)
    told = finished.stdout + finished.stderr + "".join(map(str, run.left_out))
    assert line in told
    # The preflight asks once or twice; a measurement asks for more than the limit.
    assert all(count < 10 for count in deployment.asked.values())
