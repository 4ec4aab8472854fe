"""The suite of OAuth against real token endpoints: strict, tolerant, and careless."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.identity.judging import Judged, judge, operation, quoted
from tests.real.identity.services import node_service, python_service

SECRETS = {
    "authlib": "authlib-secret-4f1c9a27e0b8",
    "oidc": "oidc-provider-secret-91c44a7d",
    "mock": "any-secret-will-do-5d2e77",
}


def _judge(
    name: str,
    base: str,
    token_url: str,
    folder: Path,
    *more: str,
    tier: str = "gate",
) -> Judged:
    (folder / "client.json").write_text(
        f'{{"client_id": "client_svc", "client_secret": "{SECRETS[name]}"}}'
    )
    profile = f"""\
name = {quoted(name)}
[target]
base_url = {quoted(base)}
environment = "development"
{operation()}
[identities.svc]
kind = "oauth"
credentials = {{ file = "client.json" }}
scope = ["read"]
[promises.oauth]
token_url = {quoted(token_url)}
{"".join(more)}"""
    run = judge(profile, folder, "oauth", "preflight", tier=tier)
    assert SECRETS[name] not in run.text
    return run


@contextmanager
def _authlib(folder: Path) -> Iterator[Judged]:
    service = python_service(
        "authlib_service.py", packages=("authlib>=1.9,<2", "flask>=3.1,<4")
    )
    with service as (url,):
        yield _judge("authlib", url, f"{url}/token", folder)


def test_authlib_is_tolerant_and_safe(tmp_path: Path) -> None:
    with _authlib(tmp_path) as run:
        assert run.of("inconclusive") == set(), run.why
        # RFC 6749, 2.3 and 3.2 forbid both; nobody gets in who should not.
        assert run.of("failed") == {
            "oauth.repeated-parameter",
            "oauth.two-methods",
        }, run.why


def _registering(url: str, folder: Path) -> str:
    """Return how clients of oidc-provider come and go, and what is promised of it."""
    command = [sys.executable, str(Path(__file__).with_name("registering.py"))]
    clients = folder / "clients"
    clients.mkdir()
    create = [*command, "create", f"{url}/reg", "example-initial-token", str(clients)]
    delete = [*command, "delete", "{id}", str(clients)]
    return f"""\
revoked_within = 1.0
[client_lifecycle]
create = {{ command = {quoted(create)} }}
revoke = {{ command = {quoted(delete)} }}
[consent]
key_lifecycle = true
"""


def test_oidc_provider_is_strict(tmp_path: Path) -> None:
    with node_service("oidc_provider.mjs", "oidc-provider@9") as (url,):
        more = _registering(url, tmp_path)
        run = _judge("oidc", url, f"{url}/token", tmp_path, more, tier="audit")
        assert run.of("failed") == {
            # It drops a scope that it does not know, and RFC 6749, 3.3 wants that said.
            "oauth.unknown-scope",
            # It keeps the tokens of a client that was deleted (RFC 7592, 2.3).
            "oauth.revoked-token",
        }, run.why
        assert run.of("inconclusive") == set(), run.why
        assert run.said["oauth.revoked-token", "deployment"].startswith(
            "A token still works"
        )
        assert "is still there" not in run.text


def test_a_mock_that_grants_to_anybody_is_seen_through(tmp_path: Path) -> None:
    with node_service("oauth2_mock.mjs", "oauth2-mock-server@9") as (url, token_url):
        run = _judge("mock", url, token_url, tmp_path)
        assert run.of("failed") >= {
            "oauth.wrong-secret",
            "oauth.missing-secret",
            "oauth.unknown-client",
        }, run.why
