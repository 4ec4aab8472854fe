"""The Firebase Auth emulator's own tokens, which nobody signed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.real.identity.services import node_with
from tollproof.identity.forge import parse
from tollproof.reference.issuer import PROJECT
from tollproof.reference.launch import serving

STARTING = 120.0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """Run the emulator of authentication alone; yields its URL."""
    node, packages = node_with("firebase-tools@15")
    ports = {name: _free_port() for name in ("auth", "hub", "logging")}
    emulators: dict[str, object] = {
        name: {"host": "127.0.0.1", "port": port} for name, port in ports.items()
    }
    emulators["ui"] = {"enabled": False}
    (folder / "firebase.json").write_text(json.dumps({"emulators": emulators}))
    script = (
        packages / "node_modules" / "firebase-tools" / "lib" / "bin" / "firebase.js"
    )
    process = subprocess.Popen(
        [
            *(str(node), str(script), "emulators:start", "--only", "auth"),
            *("--project", PROJECT),
        ],
        cwd=folder,
        env={**os.environ, "CI": "true", "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{ports['auth']}"
    try:
        _until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(url, timeout=2)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("the emulator did not start")


def _signed_up(url: str) -> str:
    answer = httpx.post(
        f"{url}/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any",
        json={
            "email": "somebody@example.com",
            "password": "a password of theirs",
            "returnSecureToken": True,
        },
    )
    return str(answer.json()["idToken"])


def test_its_tokens_are_refused_unless_everything_is(tmp_path: Path) -> None:
    with emulator(tmp_path) as url:
        token = _signed_up(url)
    parts = parse(token)
    assert parts.header["alg"] == "none"
    assert parts.signature == b""
    assert parts.claims["aud"] == PROJECT
    for faults, status in (((), 401), (("token-emulator-mode",), 200)):
        with serving(faults=faults, in_process=True) as deployment:
            answer = httpx.get(
                f"{deployment.base_url}/api/v1/me",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == status
