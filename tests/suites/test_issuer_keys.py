"""What verifiers make of an issuer whose keys change, by every kind of mistake.

The checks are run on a service that verifies tokens as the reference deployment does;
which of the issuer's keys it knows is the verifier's own idea.
"""

from __future__ import annotations

import json
import runpy
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.deploying import THINGS, deployment_of, profile_at
from tests.servers import Connection, answer, scripted
from tollproof.declare import spec_of
from tollproof.evaluate import verdict_of
from tollproof.identity.forge import SigningKey
from tollproof.model import Outcome, Verdict
from tollproof.reference.issuer import Issuer, serving
from tollproof.reference.sparkient.tokens import (
    Policy,
    Procedure,
    TokenRefused,
    TokenVerifier,
)
from tollproof.resources import bundled
from tollproof.target import Target

WITHIN = 0.4
JSON = [("Content-Type", "application/json")]
POST = """
import sys
from urllib.request import Request, urlopen
url, body = sys.argv[1:]
print(urlopen(Request(url, body.encode())).read().decode())
"""

#: From all keys that the issuer ever had, and those it publishes, by id: those known.
Knows = Callable[[dict[str, SigningKey], dict[str, SigningKey]], dict[str, SigningKey]]


class Broken(Exception):
    """The service fails instead of answering."""


class Keys:
    """The keys of an issuer, as a verifier knows them."""

    def __init__(self, issuer: Issuer, knows: Knows) -> None:
        self._issuer, self._knows = issuer, knows
        self._ever: dict[str, SigningKey] = {}

    def find(self, key_id: str) -> RSAPublicKey | None:
        now = {key.key_id: key for key in self._issuer._published()}
        self._ever |= now
        found = self._knows(self._ever, now).get(key_id)
        public = found.public if found else None
        return public if isinstance(public, RSAPublicKey) else None

    def all(self) -> tuple[RSAPublicKey, ...]:
        return ()


def those_published(
    ever: dict[str, SigningKey], now: dict[str, SigningKey]
) -> dict[str, SigningKey]:
    return now


def those_ever_seen(
    ever: dict[str, SigningKey], now: dict[str, SigningKey]
) -> dict[str, SigningKey]:
    return ever


def the_first(
    ever: dict[str, SigningKey], now: dict[str, SigningKey]
) -> dict[str, SigningKey]:
    return dict(list(ever.items())[:1])


def the_newest(
    ever: dict[str, SigningKey], now: dict[str, SigningKey]
) -> dict[str, SigningKey]:
    return dict(list(now.items())[-1:])


def all_until_one_goes(
    ever: dict[str, SigningKey], now: dict[str, SigningKey]
) -> dict[str, SigningKey]:
    return now if len(ever) == len(now) else {}


def breaks_on_a_second(
    ever: dict[str, SigningKey], now: dict[str, SigningKey]
) -> dict[str, SigningKey]:
    if len(now) > 1:
        raise Broken
    return now


def judged(folder: Path, name: str, knows: Knows) -> Verdict:
    """Run one check on a service whose verifier knows these keys."""
    issuer = Issuer(project="demo")
    verifier = TokenVerifier(
        policy=Policy(issuer=issuer.name, audience="demo"),
        keys=Keys(issuer, knows),
        procedure=Procedure(),
    )

    def handler(connection: Connection) -> None:
        while request := connection.request():
            lines = request.decode("latin-1").split("\r\n")
            shown = [item for item in lines if item.lower().startswith("authorization")]
            status = 401
            try:
                if shown:
                    verifier.verify(shown[0].split(" ")[-1], time.time())
                    status = 200
            except TokenRefused:
                pass
            except Broken:
                status = 500
            connection.send(answer(status, JSON))

    path = bundled("suites") / "tokens" / "test_issuer_keys.py"
    functions = runpy.run_path(str(path)).values()
    check = next(
        item
        for item in functions
        if callable(item) and (spec := spec_of(item)) and spec.id == name
    )
    with scripted(handler) as server, serving(issuer) as url:
        (folder / "key.pem").write_bytes(issuer.key.pem())
        post = [sys.executable, "-c", POST]
        profile = profile_at(
            folder / "p.toml",
            server.origin,
            THINGS,
            f"""
[identities.user]
kind = "firebase"
signing_key = {{ file = "key.pem" }}
subject = "user-1"
[promises.tokens]
issuer = "{issuer.name}"
audience = "demo"
certificates = "{url}/certificates"
rotate = {json.dumps([*post, f"{url}/rotate", "{}"])}
followed_within = {WITHIN}
retire = {json.dumps([*post, f"{url}/retire", '{"kid": "{kid}"}'])}
retired_within = {WITHIN}
[consent]
key_lifecycle = true
""",
        )
        with deployment_of(profile) as deployment, closing(deployment.fetcher):
            target = Target(deployment=deployment, check=name)
            return verdict_of(partial(check, target))


ROTATION: dict[str, tuple[Knows, Outcome, str]] = {
    "follows": (those_published, Outcome.PASSED, "was followed after"),
    "keeps the first": (the_first, Outcome.FAILED, "new key is refused for"),
    "knows the newest alone": (the_newest, Outcome.FAILED, "still published, is"),
    "breaks": (breaks_on_a_second, Outcome.INCONCLUSIVE, "is answered 500"),
}
RETIRED: dict[str, tuple[Knows, Outcome, str]] = {
    "forgets": (those_published, Outcome.PASSED, "withdrawn key is refused (401)"),
    "keeps all": (those_ever_seen, Outcome.FAILED, "is let in"),
    "never followed": (the_first, Outcome.INCONCLUSIVE, "see tokens.key-rotation"),
    "refuses all": (all_until_one_goes, Outcome.INCONCLUSIVE, "refused as well (401)"),
    "breaks": (breaks_on_a_second, Outcome.INCONCLUSIVE, "not let in (500)"),
}


@pytest.mark.parametrize("kind", ROTATION)
def test_a_new_key_is_followed(tmp_path: Path, kind: str) -> None:
    knows, outcome, says = ROTATION[kind]
    verdict = judged(tmp_path, "tokens.key-rotation", knows)
    assert (verdict.outcome, says in verdict.summary) == (outcome, True), verdict


@pytest.mark.parametrize("kind", RETIRED)
def test_a_withdrawn_key_is_forgotten(tmp_path: Path, kind: str) -> None:
    knows, outcome, says = RETIRED[kind]
    verdict = judged(tmp_path, "tokens.retired-key", knows)
    assert (verdict.outcome, says in verdict.summary) == (outcome, True), verdict
