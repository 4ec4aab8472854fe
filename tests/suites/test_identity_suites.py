"""The suites of identity where nothing can be told: silence, no key, a bad token.

That each notices its faults, and no other, is what `tollproof prove` shows.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.real.identity.judging import judge, operation, quoted
from tollproof import cli
from tollproof.catalogue import load_catalogue
from tollproof.judgement import Exit
from tollproof.record import read_journal
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


# -- a token in the profile that is no good -----------------------------------------

HOUR = 3600


def wrong_tokens(issuer: Issuer) -> dict[str, tuple[str, str]]:
    """Return, by what is wrong, a token of a user and what must be said of it."""
    now = int(time.time())

    def minted(**claims: object) -> str:
        return issuer.mint("user-1", claims)

    header, payload, signature = minted().split(".")
    return {
        "expired": (minted(exp=now - 2 * HOUR), "The token expired 2 hours ago"),
        "early": (minted(nbf=now + 24 * HOUR), "not valid for another 24 hours (nbf)"),
        "future": (minted(iat=now + 9 * HOUR), "issued 9 hours in the future (iat)"),
        "issuer": (minted(iss="https://x.example"), 'issuer is "https://x.example"'),
        "audience": (minted(aud="another"), 'The token\'s audience is "another"'),
        "subject": (minted(sub=""), 'The token\'s sub is "", which names nobody'),
        "time": (minted(exp="soon"), 'The token\'s exp is "soon", which is no time'),
        "cut": (header, "The token is malformed: a signed token has three segments"),
        "torn": (f"{header}.{payload[:-9]}.{signature}", "malformed: the payload is"),
        "unsigned": (f"{header}.{payload}.", "The token is not signed"),
        "opaque": ("at_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3", "The token is malformed"),
    }


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wrong]:
    """A profile whose identities each have a token that is wrong in one way."""
    folder = tmp_path_factory.mktemp("wrong")
    issuer = Issuer(project="demo")
    tokens = wrong_tokens(issuer)
    # A service that lets nobody in: the issuer answers 404, which is no success.
    with serving(issuer) as url:
        profile = f"""\
name = "wrong tokens"
[target]
base_url = {quoted(url)}
environment = "development"
{operation(path="/nothing")}
[promises.tokens]
issuer = {quoted(issuer.name)}
audience = "demo"
"""
        for name, (token, _) in tokens.items():
            (folder / name).write_text(f"Bearer {token}")
            profile += f"""
[identities.{name}]
kind = "firebase"
id_token = {{ file = "{name}" }}
"""
        yield Wrong(folder=folder, profile=profile, tokens=tokens)


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A folder, a profile, and what must be said of each of its identities."""

    folder: Path
    profile: str
    tokens: dict[str, tuple[str, str]]


def test_the_preflight_says_what_is_wrong_with_a_token_before_any_check(
    wrong: Wrong,
) -> None:
    run = judge(wrong.profile, wrong.folder, "preflight", "tokens", tier="audit")
    for name, (token, says) in wrong.tokens.items():
        assert says in run.said["preflight.identity", name]
        assert token not in run.text
    assert run.of("passed") == run.of("failed") == set()
    # Nothing was concluded, or asked, of tokens that do not work.
    first = [check for check, _ in list(run.said)[: len(wrong.tokens)]]
    assert set(first) == {"preflight.identity"}
    assert len(list(read_journal(wrong.folder / "run"))) == len(wrong.tokens)


def test_the_doctor_says_what_is_wrong_with_a_token(
    wrong: Wrong, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wrong.folder / "doctor.toml"
    path.write_text(wrong.profile)
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", str(path)])
    assert ended.value.code == Exit.UNDETERMINED
    shown = capsys.readouterr().out
    for name, (token, says) in wrong.tokens.items():
        (line,) = [item for item in shown.splitlines() if item.startswith(f"  {name} ")]
        assert says in line
        assert token not in shown
