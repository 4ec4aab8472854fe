"""A test issuer's key is rotated and withdrawn by commands; what fails is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploying import ALPHA, THINGS, deployment_of, profile_at
from tests.identity.issuing import issuer
from tollproof.deployment import Deployment
from tollproof.errors import Undetermined
from tollproof.issuer_acts import retire, rotate


@contextmanager
def deployed(
    folder: Path,
    rotating: Sequence[str] = (),
    retiring: Sequence[str] = ("true", "{kid}"),
) -> Iterator[Deployment]:
    promise = f"""
[promises.tokens]
issuer = "i"
audience = "a"
retire = {json.dumps(retiring)}
"""
    if rotating:
        promise += f"rotate = {json.dumps(rotating)}\n"
    profile = profile_at(
        folder / "p.toml", "http://127.0.0.1:9", THINGS, ALPHA, promise
    )
    with deployment_of(profile) as deployment:
        yield deployment


def printing(text: str) -> list[str]:
    return [sys.executable, "-c", "import sys; print(sys.argv[1])", text]


def test_the_new_key_is_read_and_never_shown(tmp_path: Path) -> None:
    pem = issuer().key.pem().decode()
    (tmp_path / "key.json").write_text(json.dumps({"kid": "k2", "key": pem}))
    with deployed(tmp_path, ["cat", "key.json"]) as found:
        key = rotate(found)
        assert (key.key_id, key.algorithm) == ("k2", "RS256")
        assert found.redactor.holds(pem)


def test_the_key_to_withdraw_is_named(tmp_path: Path) -> None:
    writing = "import sys; open('gone', 'w').write(sys.argv[1])"
    with deployed(tmp_path, (), [sys.executable, "-c", writing, "kid={kid}"]) as found:
        retire(found, issuer().key)
    assert (tmp_path / "gone").read_text() == f"kid={issuer().key.key_id}"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["no-such-program-anywhere"], "cannot be started"),
        (["false"], "ended with code 1"),
        (printing("nonsense"), "does not print JSON"),
        (printing("[]"), "does not print JSON"),
        (printing('{"kid": "k"}'), "does not print JSON"),
        (printing('{"kid": "k", "key": "no key"}'), "does not print JSON"),
        ([], "has no promises.tokens.rotate"),
    ],
)
def test_a_command_that_does_not_do_it_is_said(
    tmp_path: Path, command: list[str], says: str
) -> None:
    with (
        deployed(tmp_path, command) as deployment,
        pytest.raises(Undetermined, match=says),
    ):
        rotate(deployment)


def test_a_withdrawal_that_fails_is_said(tmp_path: Path) -> None:
    with (
        deployed(tmp_path, (), ["false", "{kid}"]) as deployment,
        pytest.raises(Undetermined, match=r"retire: .* code 1"),
    ):
        retire(deployment, issuer().key)
