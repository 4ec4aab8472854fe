"""Secrets are fetched from where they are kept, and never shown."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tollproof.errors import ProfileError, UsageError
from tollproof.profile.model import Profile
from tollproof.profile.secrets import LARGEST, resolve, resolve_all
from tollproof.profile.values import SecretRef

HIDDEN = "q7Zk2LmX9vB4tRw8"


def fetch(folder: Path, environ: Mapping[str, str] | None = None, **ref: Any) -> str:
    """Resolve a reference given as in the profile."""
    return resolve(
        SecretRef.model_validate(ref),
        folder=folder,
        environ=environ or {"PATH": os.environ["PATH"]},
        patience=5,
    )


def profile_of(folder: Path, **identities: Any) -> Profile:
    """A profile with these identities, in a folder."""
    return Profile.model_validate(
        {
            "name": "x",
            "target": {"base_url": "http://h", "openapi": "o"},
            "identities": identities,
        },
        context={"path": folder / "profile.toml"},
    )


def test_an_environment_variable(tmp_path: Path) -> None:
    assert fetch(tmp_path, {"K": f"{HIDDEN}\n"}, env="K") == HIDDEN
    with pytest.raises(UsageError, match="variable ABSENT is not set"):
        fetch(tmp_path, {"K": HIDDEN}, env="ABSENT")


def test_a_file_beside_the_profile(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{HIDDEN}\r\n")
    (tmp_path / "key").chmod(0o444)  # as mounted secrets are
    assert fetch(tmp_path, file="key") == HIDDEN
    assert fetch(Path("/"), file=str(tmp_path / "key")) == HIDDEN


def test_a_file_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(HIDDEN)
    (tmp_path / "key").chmod(0o666)
    with pytest.raises(UsageError, match="written by everybody"):
        fetch(tmp_path, file="key")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/null", "."):
        with pytest.raises(UsageError, match="is not a file"):
            fetch(tmp_path, file=name)
    with pytest.raises(UsageError, match="no such file"):
        fetch(tmp_path, file="absent")


def test_a_command_runs_in_the_folder_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(HIDDEN)
    assert fetch(tmp_path, command=["cat", "key"]) == HIDDEN
    assert fetch(tmp_path, command=["printf", "%s", "$HOME;ls"]) == "$HOME;ls"


def test_a_command_sees_the_environment_given(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "K": HIDDEN}
    assert fetch(tmp_path, environ, command=["printenv", "K"]) == HIDDEN


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"echo {HIDDEN} >&2; echo {HIDDEN}; exit 3", "ended with code 3"),
        ("true", "is empty"),
        ("printf ' \\n'", "is empty"),
        ("yes | head -c 100000", "more than"),
        (f"printf '{HIDDEN}\\n{HIDDEN}'", "line break"),
        (f"printf '{HIDDEN}\\033[1m'", "control characters"),
        (f"printf '{HIDDEN} '", "begins or ends with a blank"),
        (f"printf '{HIDDEN}\\377'", "text"),
    ],
)
def test_a_useless_answer_is_refused_and_not_shown(
    tmp_path: Path, script: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        fetch(tmp_path, command=["sh", "-c", script])
    assert HIDDEN not in str(caught.value)


def test_a_command_that_prints_for_ever_is_ended(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"more than {LARGEST} bytes"):
        fetch(tmp_path, command=["yes"])


@pytest.mark.parametrize(
    "script", ["sleep 60", "exec >&-; sleep 60", "sleep 60 & wait"]
)
def test_a_command_that_does_not_end_is_ended_with_its_children(
    tmp_path: Path, script: str
) -> None:
    os.mkfifo(tmp_path / "alive")
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    ref = SecretRef(command=("sh", "-c", f"exec 3>alive; echo up >&3; {script}"))
    with pytest.raises(UsageError, match="did not end within"):
        resolve(ref, folder=tmp_path, environ=os.environ, patience=1)
    os.set_blocking(reader, True)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "up\n"  # and then the end: nobody holds it any more


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\./absent cannot be started"):
        fetch(tmp_path, command=["./absent"])


def test_everything_missing_is_named_at_once(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        a={"kind": "api_key", "key": {"env": "KEY_A"}},
        b={"kind": "token", "token": {"file": "absent"}},
        c={"kind": "api_key", "key": {"env": "KEY_C"}},
        d={"kind": "open"},
    )
    with pytest.raises(ProfileError) as caught:
        resolve_all(profile, {"KEY_C": HIDDEN})
    assert [item.where for item in caught.value.problems] == [
        "identities.a.key",
        "identities.b.token",
    ]
    assert "KEY_A" in str(caught.value)
    assert HIDDEN not in str(caught.value)


def test_secrets_come_by_identity_and_field_and_do_not_show(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        a={"kind": "api_key", "key": {"env": "A"}},
        m={"kind": "api_key", "key": {"env": "A"}, "token": {"env": "T"}},
    )
    found = resolve_all(profile, {"A": HIDDEN, "T": "t-1"})
    assert dict(found) == {
        ("a", "key"): HIDDEN,
        ("m", "key"): HIDDEN,
        ("m", "token"): "t-1",
    }
    assert HIDDEN not in f"{found} {found!r}"


@pytest.mark.parametrize(
    "content",
    [
        {"client_id": "id-1", "client_secret": HIDDEN},
        {"clientId": "id-1", "clientSecret": HIDDEN, "more": 1},
    ],
)
def test_a_credentials_file_holds_a_client(tmp_path: Path, content: Any) -> None:
    (tmp_path / "client.json").write_text(json.dumps(content, indent=2))
    oauth = {
        "kind": "oauth",
        "credentials": {"file": "client.json"},
        "token_url": "http://h/t",
    }
    found = resolve_all(profile_of(tmp_path, svc=oauth), {})
    assert dict(found) == {
        ("svc", "client_id"): "id-1",
        ("svc", "client_secret"): HIDDEN,
    }


@pytest.mark.parametrize(
    "content", [HIDDEN, f'["{HIDDEN}"]', f'{{"client_id": "{HIDDEN}"}}', "[" * 9999]
)
def test_a_credentials_file_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "client.json").write_text(content)
    oauth = {
        "kind": "oauth",
        "credentials": {"file": "client.json"},
        "token_url": "http://h/t",
    }
    with pytest.raises(ProfileError) as caught:
        resolve_all(profile_of(tmp_path, svc=oauth), {})
    assert HIDDEN not in str(caught.value)


def test_a_signing_key_has_several_lines(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
    (tmp_path / "key.pem").write_text(pem + "\n")
    user = {"kind": "firebase", "signing_key": {"file": "key.pem"}, "subject": "s"}
    found = resolve_all(profile_of(tmp_path, user=user), {})
    assert found["user", "signing_key"] == pem


def test_one_credential_is_not_live_and_revoked(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        a={"kind": "api_key", "key": {"env": "A"}},
        r={"kind": "api_key", "key": {"env": "R"}, "state": "revoked"},
    )
    with pytest.raises(ProfileError, match="same credential as that of a") as caught:
        resolve_all(profile, {"A": HIDDEN, "R": HIDDEN})
    assert HIDDEN not in str(caught.value)


def test_a_command_named_twice_runs_once(tmp_path: Path) -> None:
    key = {"command": ["sh", "-c", "echo x >>runs; cat runs | tr -d '\\n'"]}
    profile = profile_of(
        tmp_path,
        a={"kind": "api_key", "key": key},
        b={"kind": "api_key", "key": key},
    )
    found = resolve_all(profile, {"PATH": os.environ["PATH"]})
    assert set(found.values()) == {"x"}
