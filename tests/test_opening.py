"""From a profile to what can be probed: all that is wrong is said before a request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import servers
from tests.deploying import (
    ALPHA,
    ENVIRON,
    THINGS,
    deployment_of,
    document,
    identity,
    profile_at,
    responding,
    with_document,
)
from tollproof.errors import ProfileError
from tollproof.model import Tier
from tollproof.opening import Options, client_settings
from tollproof.profile.model import Profile

NOWHERE = "http://127.0.0.1:9"


def refused(profile: Profile, environ: dict[str, str] | None = None) -> str:
    """Open a deployment, which must be refused; return what is said."""
    given = ENVIRON if environ is None else environ
    with pytest.raises(ProfileError) as caught, deployment_of(profile, environ=given):
        pass
    return str(caught.value)


# -- what is wrong is said first -----------------------------------------------------


def test_every_missing_variable_is_named_at_once(tmp_path: Path) -> None:
    with servers.scripted(servers.closes) as server:
        profile = profile_at(
            tmp_path / "p.toml", server.origin, THINGS, ALPHA, identity("beta")
        )
        said = refused(profile, {})
        assert server.accepted == 0
    assert "TOLLPROOF_TEST_ALPHA" in said
    assert "TOLLPROOF_TEST_BETA" in said


def test_a_file_for_tls_that_is_not_there_is_named(tmp_path: Path) -> None:
    tls = '[target.tls]\nca = "nowhere.pem"\n'
    said = refused(profile_at(tmp_path / "p.toml", NOWHERE, THINGS, ALPHA, tls))
    assert "target.tls" in said
    assert "PEM files that exist" in said


@pytest.mark.parametrize("text", ["{", "[]", '{"swagger": "2.0"}'])
def test_a_document_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    profile = with_document(tmp_path, {"/things": {"get": responding()}})
    (tmp_path / "openapi.json").write_text(text)
    said = refused(profile)
    assert "openapi.json" in said
    assert "target.openapi" in said


# -- operations ----------------------------------------------------------------------


def test_the_profile_adds_to_the_document_and_takes_away(tmp_path: Path) -> None:
    profile = with_document(
        tmp_path,
        {
            "/things": {"get": responding(), "delete": responding()},
            "/open": {"get": responding(security=[])},
        },
        target=[
            'exclude = ["DELETE /things"]',
            "[[target.operations]]",
            'method = "POST"',
            'path = "/search/{kind}"',
            "body = { q = 1 }",
        ],
    )
    with deployment_of(profile) as deployment:
        found = {item.label: item for item in deployment.operations}
    assert list(found) == ["GET /things", "GET /open", "POST /search/{kind}"]
    declared = found["POST /search/{kind}"]
    assert declared.parameters == ("kind",)
    assert declared.media_type == "application/json"
    assert declared.changes
    assert found["GET /open"].public


def test_an_operation_that_cannot_be_read_is_noted_and_no_other(tmp_path: Path) -> None:
    broken = responding(parameters=[{"$ref": "#/components/parameters/Nowhere"}])
    profile = with_document(
        tmp_path, {"/broken": {"get": broken}, "/things": {"get": responding()}}
    )
    with deployment_of(profile) as deployment:
        assert "GET /things" in {item.label for item in deployment.operations}
        assert any("GET /broken" in note for note in deployment.notes)


def test_an_operation_is_anchored_where_it_is_written(tmp_path: Path) -> None:
    profile = with_document(tmp_path, {"/things": {"get": responding()}})
    text = json.dumps(document({"/things": {"get": responding()}}), indent=2)
    (tmp_path / "openapi.json").write_text(text)
    with deployment_of(profile) as deployment:
        anchor = deployment.anchors["GET /things"]
    assert anchor.file.endswith("openapi.json")
    assert '"get"' in text.splitlines()[anchor.line - 1]


def test_offline_a_document_elsewhere_is_not_read(tmp_path: Path) -> None:
    with servers.scripted(servers.closes) as server:
        line = f'openapi = "{server.origin}/openapi.json"\n'
        profile = profile_at(tmp_path / "p.toml", server.origin, line, THINGS, ALPHA)
        with deployment_of(profile, options=Options(offline=True)) as deployment:
            assert [item.label for item in deployment.operations] == ["GET /things"]
            assert any("not read offline" in note for note in deployment.notes)
        assert server.accepted == 0


def test_a_credential_too_plain_to_redact_is_said_to_be(tmp_path: Path) -> None:
    profile = profile_at(tmp_path / "p.toml", NOWHERE, THINGS, ALPHA)
    plain = {"TOLLPROOF_TEST_ALPHA": "test"}
    with deployment_of(profile, environ=plain) as deployment:
        assert any("credential of alpha is so short" in it for it in deployment.notes)
    with deployment_of(profile) as deployment:
        assert deployment.notes == ()


# -- what the client may do ----------------------------------------------------------

BUDGET = """
[consent.budget]
requests = 900
audit_requests = 3000
concurrency = 6
per_second = 30
seconds = 60
"""


def test_processes_share_what_was_consented_to(tmp_path: Path) -> None:
    profile = profile_at(tmp_path / "p.toml", NOWHERE, THINGS, ALPHA, BUDGET)
    alone = client_settings(profile, Options())
    assert (alone.requests, alone.concurrency, alone.per_second) == (900, 6, 30)
    for tier, requests in ((Tier.GATE, 900), (Tier.AUDIT, 3000)):
        for workers in (1, 2, 3, 50):
            one = client_settings(profile, Options(tier=tier, workers=workers))
            assert one.requests * workers <= requests
            assert one.per_second * workers == pytest.approx(30)
            assert one.concurrency == max(6 // workers, 1)


def test_only_a_gate_is_bound_in_time(tmp_path: Path) -> None:
    """An audit waits for windows; a gate that does so stops a pipeline."""
    profile = profile_at(tmp_path / "p.toml", NOWHERE, THINGS, ALPHA, BUDGET)
    assert client_settings(profile, Options(tier=Tier.GATE)).seconds == 60
    assert client_settings(profile, Options(tier=Tier.AUDIT)).seconds == 0


def test_only_what_the_profile_names_may_be_reached(tmp_path: Path) -> None:
    secure = NOWHERE.replace("http:", "https:")
    target = (
        'http_url = "http://127.0.0.1:10"\nreplicas = ["https://127.0.0.1:11/base"]\n'
    )
    profile = profile_at(tmp_path / "p.toml", f"{secure}/v1", target, THINGS, ALPHA)
    assert client_settings(profile, Options()).origins == (
        secure,
        "https://127.0.0.1:11",
        "http://127.0.0.1:10",
    )
