"""Deployments start, serve, tell where they are, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tollproof.errors import UsageError
from tollproof.profile import load_profile
from tollproof.reference.launch import Deployment, serving
from tollproof.reference.threads import LaunchError


def me(deployment: Deployment, who: str = "alpha", **options: object) -> httpx.Response:
    key = deployment.environment[f"SPARKIENT_KEY_{who.upper()}"]
    with httpx.Client(trust_env=False, **options) as client:  # type: ignore[arg-type]
        return client.get(
            f"{deployment.base_url}/api/v1/me",
            headers={"Authorization": f"Bearer {key}"},
        )


def burst(deployment: Deployment, count: int) -> Counter[int]:
    """Send requests on ten connections at once; return how often each status came."""
    key = deployment.environment["SPARKIENT_KEY_BURST1"]
    headers = {"Authorization": f"Bearer {key}"}

    def some(_: int) -> list[int]:
        with httpx.Client(headers=headers, trust_env=False) as client:
            url = f"{deployment.base_url}/api/v1/me"
            return [client.get(url).status_code for _ in range(count // 10)]

    with ThreadPoolExecutor(10) as pool:
        return Counter(status for part in pool.map(some, range(10)) for status in part)


def test_a_process_serves_and_ends_with_the_block() -> None:
    with serving() as deployment:
        assert me(deployment).json()["organisation"]["id"] == "acme"
        pid, folder, url = deployment.pid, deployment.folder, deployment.base_url
        assert pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not folder.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_thread_serves_and_ends_with_the_block() -> None:
    with serving(in_process=True) as deployment:
        assert me(deployment).status_code == 200
        assert deployment.pid is None
        url = deployment.base_url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_limit_is_exact_on_connections_at_once(workers: int) -> None:
    with serving(limit=50, workers=workers) as deployment:
        assert len(deployment.processes) == workers
        assert burst(deployment, 120) == {200: 50, 429: 70}
        assert me(deployment, "bystander1").status_code == 200


def test_the_limit_is_exact_in_redis(redis_url: str) -> None:
    with serving(limit=50, workers=2, redis=redis_url) as deployment:
        assert burst(deployment, 120) == {200: 50, 429: 70}


def test_over_tls_the_plain_twin_refuses_a_live_key() -> None:
    with serving(tls=True, in_process=True) as deployment:
        context = ssl.create_default_context(cafile=str(deployment.folder / "ca.pem"))
        response = me(deployment, verify=context)
        assert response.status_code == 200
        assert response.headers["strict-transport-security"]
        key = deployment.environment["SPARKIENT_KEY_ALPHA"]
        plain = httpx.get(
            f"{deployment.http_url}/api/v1/me",
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
        )
        assert plain.status_code == 403
        assert plain.json()["error"]["code"] == "forbidden"
        assert "strict-transport-security" not in plain.headers
        with pytest.raises(httpx.ConnectError):
            me(deployment)  # the authority is nobody's but ours


def test_secrets_are_readable_by_their_owner_alone() -> None:
    with serving(tls=True, in_process=True) as deployment:
        files = [
            *(deployment.folder / "secrets").iterdir(),
            deployment.folder / "pepper",
            deployment.folder / "server.key",
        ]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_no_key_lies_in_the_database_or_the_logs() -> None:
    with serving() as deployment:
        me(deployment)
        contents = b"".join(
            path.read_bytes()
            for path in deployment.folder.iterdir()
            if path.is_file() and path.suffix != ".toml"
        )
        for key in deployment.environment.values():
            assert key.encode() not in contents
            assert key[18:].encode() not in contents  # the secret part alone


def test_the_profile_is_complete_and_works_from_any_shell(tmp_path: Path) -> None:
    with serving(limit=77, window=9.0, tls=True, in_process=True) as deployment:
        assert tomllib.loads(deployment.profile_text)
        path = deployment.write_profile(tmp_path / "profile.toml")
        profile = load_profile(path, environ={})
        assert profile.target.base_url == deployment.base_url
        assert profile.target.http_url == deployment.http_url
        assert profile.promises.rate_limit
        assert profile.promises.rate_limit.limit == 77
        assert profile.promises.rate_limit.window == 9.0
        assert profile.lifecycle
        assert profile.places
        assert profile.consent.writes
        assert profile.consent.load
        assert profile.consent.key_lifecycle
        holders = [item for item in profile.identities.values() if item.key]
        assert len(holders) >= 14
        for identity in holders:
            assert identity.key
            assert identity.key.file
            variable = f"SPARKIENT_KEY_{identity.name}".upper()
            kept = Path(identity.key.file).read_text()
            assert kept == deployment.environment[variable]
        for place in profile.places.logs:
            assert place.file
            assert Path(place.file).exists()
        assert not any(
            key in path.read_text() for key in deployment.environment.values()
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nothing"}, "no reference deployment"),
        ({"faults": ["nothing-like-it"]}, "there is no fault"),
        ({"faults": ["hsts-missing"]}, "over TLS only"),
        ({"limit": 0}, "limit must be"),
        ({"window": 0.0}, "window more than"),
        ({"workers": 0}, "workers must be"),
        ({"workers": 2, "in_process": True}, "workers must be"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message), serving(**options):  # type: ignore[arg-type]
        pass


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match="cannot be bound"), serving(port=port):
            pass


def test_a_worker_that_cannot_start_says_why() -> None:
    url = "redis://127.0.0.1:notaport/0"
    with pytest.raises(LaunchError, match="did not start"), serving(redis=url):
        pass


SERVE = """
import sys
from pathlib import Path
from tollproof.reference.launch import serve
serve(limit=5, profile=Path(sys.argv[1]), say=lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_for_people_ends_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    written = tmp_path / "profile.toml"
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(written)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines = list(
            iter(process.stdout.readline, "Ctrl-C ends it and removes its folder.\n")
        )
        target = load_profile(written, environ={}).target
        assert any(target.base_url in line for line in lines)
        assert "learn and to test on" in lines[0]
        assert httpx.get(f"{target.base_url}/health", trust_env=False).is_success
        process.send_signal(number)
        assert process.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(target.base_url, trust_env=False)


def test_workers_end_when_their_launcher_is_killed(tmp_path: Path) -> None:
    written = tmp_path / "profile.toml"
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(written)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        while not process.stdout.readline().startswith("Ctrl-C"):
            pass
        profile = load_profile(written, environ={})
        key = profile.identities["alpha"].key
        host, port = profile.target.base_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 30) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            process.kill()
            process.wait(30)
            # A worker that leaves closes its connections: no need to guess when.
            while connection.recv(65536):
                pass
        assert key
        assert key.file
        shutil.rmtree(Path(key.file).parents[1])  # nobody was left to do it
