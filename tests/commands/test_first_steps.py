"""What a new user does first: init, doctor, gate; then reads about a check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import servers
from tests.deploying import ALPHA, KEY, document, profile_text, responding
from tests.guarded import OPERATIONS, Asked, Told, guarded
from tests.processes import environment
from tests.servers import Server
from tollproof import cli
from tollproof.judgement import Exit
from tollproof.model import Outcome
from tollproof.record import read_run

ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
PATHS = {
    "/things": {"get": responding()},
    "/things/{id}": {"get": responding(parameters=[{**ID, "example": "a1"}])},
    "/health": {"get": responding(security=[])},
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with the credentials of the tests and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TOLLPROOF_")]:
        monkeypatch.delenv(name)
    for name, value in {**environment(), "SCRIPTED_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value)


def written(version: str, form: str) -> str:
    found = document(PATHS, version=version)
    return json.dumps(found) if form == "json" else str(yaml.safe_dump(found))


def publishing(text: str) -> Iterator[Server]:
    """The API, which publishes its own document as many frameworks do."""

    def alter(asked: Asked, told: Told) -> Told:
        if asked.path == "/openapi":
            return Told(status=200, body=text.encode())
        return told

    with guarded(KEY, alter) as server:
        yield server


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize("place", ["file", "url"])
def test_a_document_becomes_a_profile_that_is_judged(
    capfd: pytest.CaptureFixture[str], version: str, form: str, place: str
) -> None:
    text = written(version, form)
    for server in publishing(text):
        source = f"openapi.{form}" if place == "file" else f"{server.origin}/openapi"
        Path(f"openapi.{form}").write_text(text)
        base = ("--base-url", server.origin)
        assert cli.run(["init", "--openapi", source, *base]) == Exit.PASSED
        assert cli.run(["doctor", "profile.toml", "--tier", "gate"]) == Exit.PASSED
        said = capfd.readouterr().out
        assert "3 operations, 2 of them protected; 1 identities" in said
        assert "is let in at GET /things" in said
        some = ("--check", "preflight.*", "--check", "authentication.missing")
        assert cli.run(["gate", "profile.toml", "--output", "out", *some]) == (
            Exit.PASSED
        )
        results = json.loads(Path("out/results.json").read_text())["results"]
        subjects = {
            item["subject"]
            for item in results
            if item["check"] == "authentication.missing"
        }
        assert subjects == {"GET /things", "GET /things/{id}"}


def test_offline_nothing_is_sent(capfd: pytest.CaptureFixture[str]) -> None:
    for server in publishing(written("3.0.3", "json")):
        text = profile_text(
            server.origin, f'openapi = "{server.origin}/openapi"', ALPHA
        )
        Path("profile.toml").write_text(text)
        assert cli.run(["doctor", "profile.toml", "--offline"]) == Exit.PASSED
        assert server.accepted == 0
    assert "is not read offline" in capfd.readouterr().out


def test_doctor_names_a_credential_that_does_not_work(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with guarded("another-key-than-the-profile-has") as server:
        path = Path("profile.toml")
        path.write_text(profile_text(server.origin, OPERATIONS, ALPHA))
        assert cli.run(["doctor", str(path)]) == Exit.UNDETERMINED
    said = capfd.readouterr().out
    assert "is its credential right?" in said
    assert KEY not in said


def dead(connection: servers.Connection) -> None:
    """Hang up."""


def test_doctor_says_once_what_many_have_in_common(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Forty operations that may not be called are one thing to decide, not forty."""
    operations = "".join(
        f'\n[[target.operations]]\nmethod = "POST"\npath = "/things/{number}"\n'
        for number in range(40)
    )
    with servers.scripted(dead) as server:
        path = Path("profile.toml")
        callers = ALPHA + ALPHA.replace("identities.alpha", "identities.beta")
        path.write_text(profile_text(server.origin, OPERATIONS, operations, callers))
        command = ["doctor", str(path), "--tier", "gate"]
        assert cli.run(command) == Exit.UNDETERMINED
    lines = capfd.readouterr().out.splitlines()
    assert any(line.startswith("  alpha, beta:") for line in lines)
    (common,) = [
        line for line in lines if "consent.writes = true` in the profile, or" in line
    ]
    assert common.startswith("  40 operations may change something")
    after = lines[lines.index(common) :]
    assert "authentication.missing" in after[1]
    assert after[2].startswith("      on POST /things/0, POST /things/1")
    assert after[2].endswith("and 34 more")


def test_doctor_tells_what_a_measurement_will_cost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    promise = (
        "\n[promises.rate_limit]\nlimit = 600\nwindow = 60\n"
        "[consent]\nload = true\nbudget = { audit_requests = 10 }\n"
    )
    path = Path("profile.toml")
    base = "http://127.0.0.1:9"
    path.write_text(profile_text(base, OPERATIONS, ALPHA, promise))
    assert cli.run(["doctor", str(path), "--offline"]) == Exit.PASSED
    said = capfd.readouterr().out
    assert "Measuring the rate limit of 600" in said
    assert "rested for up to 63 s" in said
    assert "over budget: consent.budget.audit_requests is 10" in said


def test_init_overwrites_nothing_unasked(capfd: pytest.CaptureFixture[str]) -> None:
    Path("openapi.json").write_text(written("3.0.3", "json"))
    command = ["init", "--openapi", "openapi.json", "--base-url", "http://127.0.0.1:9"]
    Path("profile.toml").write_text("mine")
    assert cli.run(command) == Exit.USAGE
    assert Path("profile.toml").read_text() == "mine"
    assert "--force overwrites it" in capfd.readouterr().err
    assert cli.run([*command, "--force"]) == Exit.PASSED
    assert "[identities.alpha]" in Path("profile.toml").read_text()


def test_init_says_why_there_is_no_document(capfd: pytest.CaptureFixture[str]) -> None:
    with servers.scripted(dead) as server:
        source = f"{server.origin}/openapi.json"
        assert cli.run(["init", "--openapi", source]) != Exit.PASSED
    said = capfd.readouterr().err
    assert source in said
    assert "Traceback" not in said
    assert not Path("profile.toml").exists()


def test_init_says_what_is_no_url(capfd: pytest.CaptureFixture[str]) -> None:
    for source in ("http://127.0.0.1:9:/openapi.json", "http://127.0.0.1:x/"):
        assert cli.run(["init", "--openapi", source]) == Exit.USAGE
        assert f"{source}: is not a URL" in capfd.readouterr().err


# -- what there is to be checked -----------------------------------------------------


def test_explain_says_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", "authentication.revoked-key"]) == Exit.PASSED
    said = capfd.readouterr().out
    assert "authentication.revoked-key" in said
    assert "CWE-" in said
    assert cli.run(["explain", "authentication.revoked-keys"]) == Exit.USAGE
    assert "did you mean authentication.revoked-key" in capfd.readouterr().err


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_the_catalogue_lists_a_suite(
    capfd: pytest.CaptureFixture[str], form: str
) -> None:
    command = ["catalogue", "--suite", "tenancy", "--format", form]
    assert cli.run(command) == Exit.PASSED
    said = capfd.readouterr().out
    assert "tenancy.list" in said
    assert "authentication.missing" not in said
    if form == "json":
        assert all(item["suite"] == "tenancy" for item in json.loads(said))


def test_a_gate_whose_standard_streams_are_closed_judges_all_the_same() -> None:
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable]
    gate = ["-m", "tollproof", "gate", "--check", "authentication.missing"]
    done = subprocess.run([*closed, *gate], check=False, timeout=120)
    assert done.returncode == 0
    results = read_run(Path("tollproof-report")).results
    assert {item.verdict.outcome for item in results} == {Outcome.PASSED}
