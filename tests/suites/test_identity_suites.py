"""The suites of identity where nothing can be told: silence, no key, a bad token.

That each notices its faults, and no other, is what `tollproof prove` shows.
"""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.real.identity.judging import judge, operation, quoted
from tollproof.catalogue import load_catalogue
from tollproof.reference.issuer import Issuer, serving
from tollproof.reference.launch import serving as deployed
from tollproof.resources import bundled

SUITES = ("tokens", "oauth", "authorization", "tenancy")


def _without_target(profile: str) -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return re.sub(
        r'^base_url = ".*"$',
        f'base_url = "http://127.0.0.1:{port}"',
        profile,
        flags=re.M,
    )


def test_a_silent_target_passes_nothing_and_fails_nothing(tmp_path: Path) -> None:
    with deployed(in_process=True) as deployment:
        document = tmp_path / "openapi.json"
        source = Path("tollproof/reference/sparkient/openapi.json")
        document.write_bytes((Path(__file__).parents[2] / source).read_bytes())
        profile = _without_target(deployment.profile_text).replace(
            'openapi = "/openapi.json"', f"openapi = {quoted(str(document))}"
        )
        # Nor does the token endpoint answer.
        profile = profile.replace(deployment.base_url, "http://127.0.0.1:9")
        run = judge(profile, tmp_path, *SUITES)
    assert run.of("passed") == set()
    assert run.of("failed") == set()
    assert len(run.of("inconclusive")) > 50


def test_without_a_signing_key_exactly_what_needs_one_is_not_applicable(
    tmp_path: Path,
) -> None:
    with deployed(in_process=True) as deployment:
        text = deployment.profile_text
        issuer_url = re.search(r'certificates = "(.*)/certificates"', text)
        assert issuer_url
        wish = {"sub": "firebase-user"}
        token = httpx.post(f"{issuer_url[1]}/tokens", json=wish).json()["token"]
        (tmp_path / "token").write_text(token)
        given = re.sub(
            r"^signing_key = .*\nsubject = .*\nclaims = .*$",
            'id_token = { file = "token" }',
            text,
            count=1,
            flags=re.M,
        )
        without = re.sub(r"^\[identities\.visitor\]\n(?:.+\n)+", "", given, flags=re.M)
        run = judge(without, tmp_path, "tokens")
    needing = {
        spec.id
        for spec in load_catalogue([bundled("suites")])
        if spec.suite == "tokens" and "identity.signing_key" in spec.needs
    }
    everywhere = {
        check for check, found in run.outcomes.items() if found == {"not_applicable"}
    }
    assert everywhere & needing == needing & set(run.outcomes)
    assert everywhere - needing == set()
    assert run.of("failed") | run.of("inconclusive") == set(), run.why
    assert token not in run.text


ENDS = ("oauth.revoked-token", "tokens.retired-key")


def test_the_end_of_clients_and_keys_is_judged_only_where_it_is_promised(
    tmp_path: Path,
) -> None:
    with deployed(in_process=True) as deployment:
        text = deployment.profile_text
        for line in ("revoked_within", "retire", "retired_within"):
            text, found = re.subn(rf"^{line} = .*\n", "", text, flags=re.M)
            assert found >= 1
        run = judge(text, tmp_path, tier="audit", checks=ENDS)
    assert run.of("not_applicable") == set(ENDS)
    assert "`revoked_within = …` in [promises.oauth]" in run.why[ENDS[0]]
    assert "`retire = …` in [promises.tokens]" in run.why[ENDS[1]]


def test_where_nobody_can_end_them_nothing_is_told(tmp_path: Path) -> None:
    with deployed(in_process=True) as deployment:
        text, found = re.subn(
            r"^retire = .*$",
            'retire = ["false", "{kid}"]',
            deployment.profile_text.replace('"/oauth/clients/{id}"', '"/none/{id}"'),
            flags=re.M,
        )
        assert found == 1
        run = judge(text, tmp_path, tier="audit", checks=ENDS)
    assert run.of("inconclusive") == set(ENDS)
    assert "revoke a client was answered 404" in run.why[ENDS[0]]
    assert "promises.tokens.retire" in run.why[ENDS[1]]
    # What was made and could not be removed is listed, by its id alone.
    assert "was created by this run and is still there" in run.text


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": int(time.time()) - 7200}, "The token expired 2 hours ago"),
        ({"iss": "https://elsewhere.example"}, "The token's issuer is"),
        ({"aud": "another"}, "The token's audience is"),
        ({"nbf": int(time.time()) + 86_400}, "not valid for another"),
    ],
)
def test_the_preflight_says_which_claim_of_a_given_token_is_wrong(
    tmp_path: Path, claims: dict[str, object], says: str
) -> None:
    issuer = Issuer(project="demo")
    token = issuer.mint("user-1", claims)
    (tmp_path / "token").write_text(f"Bearer {token}")
    with serving(issuer) as url:
        # A service that lets nobody in: the issuer answers 404, which is no success.
        profile = f"""\
name = "a wrong token"
[target]
base_url = {quoted(url)}
environment = "development"
{operation(path="/nothing")}
[identities.user]
kind = "token"
token = {{ file = "token" }}
[promises.tokens]
issuer = {quoted(issuer.name)}
audience = "demo"
"""
        run = judge(profile, tmp_path, "preflight", "tokens")
    assert says in run.why["preflight.identity"]
    assert run.of("passed") == set()
    assert run.of("failed") == set()
    assert token not in run.text
