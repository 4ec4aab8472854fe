"""Targets that misbehave in every way there is: never passed, never failed, in time.

The gate runs for real, in a process of its own, against sockets on loopback.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import servers
from tests.deploying import (
    ALPHA,
    KEY,
    THINGS,
    deployment_of,
    profile_at,
    profile_text,
)
from tests.guarded import OPERATIONS, Api, Asked, Told, guarded
from tests.hostile import WAYS, beside
from tests.processes import environment
from tests.support import lacking
from tollproof import cli
from tollproof.errors import Undetermined
from tollproof.judgement import Exit
from tollproof.model import (
    Exchange,
    Failure,
    FailureKind,
    Outcome,
    Reason,
    Request,
    Response,
    Result,
    Run,
)
from tollproof.profile.target import Target
from tollproof.record import read_run
from tollproof.reporting.text import visible
from tollproof.silence import says_nothing, why_silent

HOSTILE = "".join(
    f'\n[[target.operations]]\nmethod = "GET"\npath = "/hostile/{name}"\n'
    for name in WAYS
)


def gate(folder: Path, text: str, *more: str) -> tuple[int, Run]:
    """Run a gate; its exit code and its record."""
    path = folder / "profile.toml"
    path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        code = cli.run(["gate", str(path), "--output", str(folder / "out"), *more])
    return code, read_run(folder / "out")


# -- one operation misbehaves, the others do not -------------------------------------


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Judge an API of which some operations are sound and some do not answer."""
    folder = tmp_path_factory.mktemp("hostile")
    with servers.scripted(beside(Api(key=KEY))) as server:
        text = profile_text(server.origin, OPERATIONS, HOSTILE, ALPHA)
        code, run = gate(
            folder, text, "--suite", "preflight", "--suite", "authentication"
        )
    assert code == Exit.UNDETERMINED
    return run


def of(run: Run, subject: str) -> list[Result]:
    """Return what was found of one operation, apart from what does not apply."""
    return [
        item
        for item in run.results
        if item.subject == subject
        if item.verdict.outcome is not Outcome.NOT_APPLICABLE
    ]


@pytest.mark.parametrize("name", WAYS)
def test_what_misbehaves_is_inconclusive_and_says_what_to_do(
    misbehaved: Run, name: str
) -> None:
    found = of(misbehaved, f"GET /hostile/{name}")

    assert len(found) == len(of(misbehaved, "GET /things")) > 10
    assert {item.verdict.outcome for item in found} == {Outcome.INCONCLUSIVE}
    assert {item.verdict.reason for item in found} <= {
        Reason.UNREACHABLE,
        Reason.PRECONDITION,
    }
    for item in found:
        summary = item.verdict.summary
        assert len(summary) < 600
        assert summary == visible(summary), "something is not inert"
        assert ";" in summary or "even to alpha" in summary or "failed" in summary


@pytest.mark.parametrize("subject", ["GET /things", "GET /things/{id}", "GET /health"])
def test_the_rest_of_the_run_goes_on(misbehaved: Run, subject: str) -> None:
    found = of(misbehaved, subject)

    assert found
    assert not [item for item in found if item.verdict.outcome is not Outcome.PASSED]


def test_what_has_no_end_is_not_waited_for_again_and_again(misbehaved: Run) -> None:
    """Each operation is asked once or twice, not once for every check."""
    asked = misbehaved.traffic.requests - misbehaved.traffic.responses

    assert asked < 3 * len(WAYS)


def test_a_caller_is_known_though_the_first_operation_hangs(tmp_path: Path) -> None:
    """Nothing can be judged when no caller works, so one silence must not say that."""
    hangs = '\n[[target.operations]]\nmethod = "GET"\npath = "/hostile/hangs"\n'
    with servers.scripted(beside(Api(key=KEY))) as server:
        path = tmp_path / "profile.toml"
        profile = profile_at(path, server.origin, hangs, THINGS, ALPHA)
        with deployment_of(profile) as deployment:
            alpha = deployment.identities["alpha"]
            exchange = deployment.preflight(alpha, "preflight.identity")

    assert (exchange.operation, exchange.status) == ("GET /things", 200)


# -- no session at all ---------------------------------------------------------------


def refuses(connection: servers.Connection) -> None:
    """Answer whatever comes, as an HTTP server does a TLS handshake."""
    connection.sock.recv(65_536)
    connection.send(servers.answer(400))


@contextmanager
def speaking(tls: ssl.SSLContext | None) -> Iterator[str]:
    """Serve answers and yield an https origin, whatever is spoken there."""
    with servers.scripted(refuses, tls=tls) as server:
        yield f"https://{server.host}:{server.port}"


def old_fashioned() -> tuple[ssl.SSLContext, str]:
    """Return the settings of a server that speaks nothing newer than TLS 1.1."""
    server, authority = servers.certified()
    try:
        server.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            server.minimum_version = ssl.TLSVersion.TLSv1
            server.maximum_version = ssl.TLSVersion.TLSv1_1
    except (ssl.SSLError, ValueError):  # built without it
        lacking("TLS 1.1")
    return server, authority


@pytest.mark.parametrize(
    ("way", "remedy"),
    [
        ("self-signed", "name that in target.tls.ca"),
        ("expired", "renew its certificate"),
        ("too early", "the clocks of both sides"),
        ("another name", "the host name that its certificate is for"),
        ("no TLS", "is target.base_url an http URL?"),
        ("old TLS", "switch TLS 1.2 or 1.3 on"),
        ("wants a certificate", "target.tls.certificate"),
    ],
)
def test_a_session_that_does_not_come_about_names_its_remedy(
    tmp_path: Path, way: str, remedy: str
) -> None:
    tls: ssl.SSLContext | None
    tls, authority = {
        "expired": lambda: servers.certified(since=-3, until=-1),
        "too early": lambda: servers.certified(since=1, until=3),
        "another name": lambda: servers.certified(name="elsewhere.invalid"),
        "old TLS": old_fashioned,
    }.get(way, servers.certified)()
    trusted = '[target.tls]\nca = "ca.pem"\n' * (way != "self-signed")
    if way == "no TLS":
        tls = None
    if way == "wants a certificate":
        assert tls is not None
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.maximum_version = ssl.TLSVersion.TLSv1_2  # else it is told too late
    (tmp_path / "ca.pem").write_text(authority)
    with speaking(tls) as origin:
        profile = profile_at(tmp_path / "profile.toml", origin, trusted, THINGS, ALPHA)
        with deployment_of(profile) as deployment:
            alpha = deployment.identities["alpha"]
            with pytest.raises(Undetermined) as caught:
                deployment.preflight(alpha, "preflight.identity")

    assert caught.value.reason is Reason.UNREACHABLE
    assert remedy in caught.value.sentence


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_of_failure_has_a_remedy(kind: FailureKind) -> None:
    failure = Failure(kind=kind, detail="It went wrong.")
    said = why_silent(failure, Target(base_url="https://api.example"))

    assert said.startswith("The target did not answer: It went wrong; ")
    assert said.endswith((".", "?"))
    assert not said.endswith("..")


# -- answers that are none -----------------------------------------------------------


def answered(status: int, *headers: tuple[str, str], cut: bool = False) -> Exchange:
    return Exchange(
        id="x-1",
        at="2026-01-01T00:00:00.000Z",
        seconds=0.1,
        request=Request(method="GET", url="http://api.example/x"),
        response=Response(status=status, headers=headers, truncated=cut),
    )


@pytest.mark.parametrize(
    ("exchange", "words"),
    [
        (answered(200), ""),
        (answered(404), ""),
        (answered(304, ("Location", "/x")), ""),
        (answered(301, ("Location", "/x")), "redirect to /x"),
        (answered(308), "redirect to nowhere"),
        (answered(200, cut=True), "no end"),
        (answered(200, ("Content-Encoding", "gzip"), cut=True), "no end"),
        # A large answer that says how large it is was given all the same.
        (answered(200, ("Content-Length", "99999999"), cut=True), ""),
    ],
)
def test_an_answer_is_told_from_none(exchange: Exchange, words: str) -> None:
    said = says_nothing(exchange)

    assert words in said
    assert bool(said) is bool(words)


def test_a_redirect_for_those_who_are_let_in_is_an_answer(tmp_path: Path) -> None:
    """Only what everybody gets tells nothing: strangers are refused here."""

    def alter(asked: Asked, told: Told) -> Told:
        if told.status == 200 and asked.path == "/things/one":
            return Told(status=303, body=b"", headers=(("Location", "/things"),))
        return told

    with guarded(KEY, alter) as server:
        text = profile_text(server.origin, OPERATIONS, ALPHA)
        code, run = gate(tmp_path, text, "--check", "authentication.missing")

    assert code == Exit.PASSED
    assert {item.verdict.outcome for item in run.results} == {Outcome.PASSED}
