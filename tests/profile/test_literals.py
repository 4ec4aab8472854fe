"""Secrets written into a profile are refused wherever they stand, and not shown."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.profile.examples import FULL
from tollproof.errors import ProfileError
from tollproof.profile import load_profile
from tollproof.profile.emit import toml_key, toml_value
from tollproof.profile.literals import literal_secrets
from tollproof.profile.locate import Path as Place
from tollproof.profile.problems import dotted


def read(folder: Path, text: str) -> None:
    """Load a profile from its text."""
    path = folder / "profile.toml"
    path.write_text(text, encoding="utf-8")
    load_profile(path, environ={})


def complaint(folder: Path, text: str) -> str:
    """What is said of a profile, in every form; empty when it can be used."""
    try:
        read(folder, text)
    except ProfileError as error:
        return f"{error} {error!r}"
    return ""


def leaves(value: Any, here: Place = ()) -> Iterator[Place]:
    """Paths of all values that are neither tables nor lists."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*here, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*here, number))
    else:
        yield here


def planted(place: Place, value: str) -> str:
    """The full profile, without waivers, with one value put in."""
    data = tomllib.loads(FULL)
    del data["waivers"]
    node: Any = data
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    return "\n".join(
        f"{toml_key(key)} = {toml_value(item)}" for key, item in data.items()
    )


DATA = {key: item for key, item in tomllib.loads(FULL).items() if key != "waivers"}
LEAVES = list(leaves(DATA))
SECRETS = [
    "sk_live_9fJ2kLm4Qx8ZtR7vB3nC6wYp",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEifQ.c2lnbmF0dXJl",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "https://user:hunter2@example.com/",
]


@pytest.mark.parametrize("place", LEAVES, ids=dotted)
def test_a_secret_written_anywhere_is_refused_and_not_shown(
    tmp_path: Path, place: Place
) -> None:
    for secret in SECRETS:
        with pytest.raises(ProfileError) as caught:
            read(tmp_path, planted(place, secret))
        shown = f"{caught.value} {caught.value!r}"
        assert secret not in shown
        assert "hunter2" not in shown
        assert dotted(place) in {item.where for item in caught.value.problems} or any(
            dotted(place).startswith(item.where) for item in caught.value.problems
        )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(LEAVES),
    secret=st.from_regex(r"[a-zA-Z0-9@#%&*()\[\]?'.-]{9,40}", fullmatch=True),
)
def test_no_value_at_all_is_shown(tmp_path: Path, place: Place, secret: str) -> None:
    assert secret not in complaint(tmp_path, planted(place, secret))


RANDOM = "q7Zk2LmX9vB4tRw8yHn3PcD6sJf1GaE5"
ELSEWHERE: dict[str, Any] = {"promises": {"keys": {"prefix": "acme-"}}}

FOUND: list[dict[str, Any]] = [
    {"target": {"headers": {"X-Signature": RANDOM}}},
    {"target": {"operations": [{"body": {"password": "correct horse"}}]}},
    {"target": {"operations": [{"body": {"client_secret": "abc"}}]}},
    {"target": {"operations": [{"headers": {"Authorization": "abc"}}]}},
    {"target": {"operations": [{"headers": {"X-Api-Key": "abc"}}]}},
    {"target": {"operations": [{"headers": {"Cookie": "session=abc"}}]}},
    {"target": {"operations": [{"headers": {"X": "Bearer abcdefghijklmnop"}}]}},
    {"target": {"operations": [{"headers": {"X": "Basic dXNlcjpodW50ZXIy"}}]}},
    {"target": {"base_url": "https://user:hunter2@h"}},
    {"target": {"openapi": "https://user:hunter2@h/openapi.json"}},
    {"target": {"openapi": "https://:hunter2@h/openapi.json"}},
    {"identities": {"a": {"key": {"env": "sk_live_a1b2c3d4e5"}}}},
    {"identities": {"a": {"key": {"env": "q7Zk2LmX9vB4tRw8yHn3"}}}},
    {"identities": {"a": {"key": {"command": ["echo", "sk_test_a1b2c3d4e5"]}}}},
    {"identities": {"a": {"subject": "-----BEGIN RSA PRIVATE KEY-----"}}},
    {"places": {"logs": [{"command": ["curl", "-H", "X: AKIAIOSFODNN7EXAMPLE"]}]}},
    {"waivers": [{"reason": "see https://ci:s3cret@ci.example.com/1"}]},
    {"lifecycle": {"create": {"body": {"api_key": "abc"}}}},
    {"name": "acme-Zk2LmX9vB4tRw8", **ELSEWHERE},
]

SILENT: list[dict[str, Any]] = [
    {"target": {"path_parameters": {"id": "8c0a6c5e-95ef-4bcd-9a0f-9c0f0bb1a3c1"}}},
    {"target": {"path_parameters": {"id": "507f1f77bcf86cd799439011"}}},
    {
        "target": {
            "path_parameters": {"sha": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"}
        }
    },
    {"target": {"path_parameters": {"ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}}},
    {"target": {"path_parameters": {"id": "V1StGXR8_Z5jdHi6B-myT"}}},
    {"identities": {"a": {"subject": "x8Kp2QmZr7VbN4tLw9YcJ3hFd6Sg"}}},  # Firebase uid
    {
        "target": {
            "operations": [{"body": {"image": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"}}]
        }
    },
    {
        "target": {
            "operations": [{"body": {"text": "aGVsbG8gd29ybGQsIGhvdyBhcmUgeW91"}}]
        }
    },
    {"target": {"operations": [{"body": {"password": "example-password-1"}}]}},
    {"target": {"operations": [{"body": {"token": "invalid"}}]}},
    {"target": {"operations": [{"body": {"password": ""}}]}},
    {"target": {"operations": [{"body": {"token_type": "bearer", "tokens": 12}}]}},
    {"target": {"operations": [{"path": "/Orgs/Acme2/Web3/Environments/Staging1/v1"}]}},
    {"target": {"base_url": "https://user-service.example.com:8443/a@b"}},
    {"target": {"openapi": "https://git.example.com/raw/9fJ2kLm4Qx8ZtR7vB3nC6wYp1/o"}},
    {"name": "Acme-Corp-Staging-EU-1-Cluster-2-Node-3x"},
    {"identities": {"a": {"key": {"env": "SPARKIENT_KEY_ALPHA_STAGING_2026_V2"}}}},
    {"identities": {"a": {"key": {"file": "/run/secrets/Key-1-v2-3"}}}},
    {"identities": {"a": {"token_url": "https://h/oauth2/v2.0/token"}}},
    {"identities": {"a": {"scope": ["https://graph.microsoft.com/.default"]}}},
    {"promises": {"keys": {"format": "^sk_live_[A-Za-z0-9]{32,}$"}}},
    {"promises": {"keys": {"prefix": "sk_live_"}}},
    {"promises": {"errors": {"codes": {"401": ["invalid_token"]}}}},
    {"promises": {"errors": {"schema": {"properties": {"token": {"const": "t"}}}}}},
    {"promises": {"rate_limit": {"per": "token"}}},
    {"lifecycle": {"create": {"key": "/api_key/secret"}}},
    {"target": {"operations": [{"headers": {"X": "Bearer xxxxxxxxxxxxxxxxxxxx"}}]}},
    {"target": {"operations": [{"body": {"note": "sk_live_xxxxxxxxxxxx"}}]}},
    {
        "target": {"operations": [{"body": {"name": "acme-production-europe"}}]},
        **ELSEWHERE,
    },
]


@pytest.mark.parametrize("data", FOUND, ids=str)
def test_found(data: dict[str, Any]) -> None:
    assert len(list(literal_secrets(data))) == 1


@pytest.mark.parametrize("data", SILENT, ids=str)
def test_silent(data: dict[str, Any]) -> None:
    assert list(literal_secrets(data)) == []
