"""A token's own words are read for people, and its signature is never shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.identity.issuing import PROJECT, issuer
from tollproof.identity.clock import TargetClock
from tollproof.identity.firebase import Minting, Template
from tollproof.identity.forge import mint, parse
from tollproof.identity.token import FIREBASE_CLAIMS, Expected, diagnose, inspect
from tollproof.identity.token_cli import token as command
from tollproof.redaction import Redactor
from tollproof.reference.issuer import Issuer, serving

NOW = 1_800_000_000.0
EXPECTED = Expected(
    now=NOW, issuer=issuer().name, audience=PROJECT, algorithms=("RS256",)
)
RIGHT = {"exp": int(NOW) + 600, "iat": int(NOW) - 60, "auth_time": int(NOW) - 60}


def _token(**claims: object) -> str:
    return issuer().mint("user-1", {**RIGHT, **claims})


def test_nothing_is_wrong_with_a_right_token() -> None:
    assert diagnose(_token(), EXPECTED) == ()
    assert diagnose(_token(aud=["other", PROJECT]), EXPECTED) == ()


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": int(NOW) - 30}, "expired 30 seconds ago"),
        ({"exp": int(NOW) - 86_400 * 3}, "expired 3 days ago"),
        ({"nbf": int(NOW) + 600}, "not valid for another 10 minutes"),
        ({"iat": int(NOW) + 7200}, "issued 2 hours in the future"),
        ({"iss": "https://other.example"}, "issuer is"),
        ({"iss": None}, "issuer is absent"),
        ({"aud": "other"}, 'audience is "other"'),
        ({"aud": ["a", "b"]}, r'audience is \["a", "b"\]'),
        ({"exp": "tomorrow"}, 'exp is "tomorrow", which is no time'),
        ({"iat": True}, "iat is true, which is no time"),
        ({"auth_time": int(NOW) + 600}, "login was 10 minutes in the future"),
        ({"sub": ""}, 'sub is "", which names nobody'),
        ({"sub": 7}, "sub is 7, which names nobody"),
    ],
)
def test_the_wrong_claim_is_named(claims: dict[str, object], says: str) -> None:
    (sentence,) = diagnose(_token(**claims), EXPECTED)

    assert re.search(says, sentence)


def test_a_claim_that_must_be_there_is_missed() -> None:
    token = mint({"typ": "JWT"}, {"sub": "me", "exp": int(NOW) + 60}, issuer().key)
    wanted = Expected(now=NOW, claims=FIREBASE_CLAIMS)
    assert diagnose(token, wanted) == (
        "The token has no iat.",
        "The token has no auth_time.",
    )


def test_where_only_signed_tokens_are_taken_none_is_opaque() -> None:
    (sentence,) = diagnose("at_0123456789", Expected(now=NOW, signed=True))
    assert sentence.startswith("The token is malformed")


def test_several_wrongs_are_all_named() -> None:
    found = diagnose(_token(exp=0, aud="x", iss="y"), EXPECTED)
    assert len(found) == 3


def test_an_opaque_token_is_left_alone_and_a_broken_one_is_not() -> None:
    assert diagnose("at_0123456789", EXPECTED) == ()
    assert "malformed" in diagnose("eyJhbGciOiJSUzI1NiJ9", EXPECTED)[0]
    assert "malformed" in diagnose("a.b.c", EXPECTED)[0]


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["exp", "nbf", "iat", "auth_time", "aud", "iss", "sub"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=10)
        | st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_any_claims_can_be_shown_and_no_signature(claims: dict[str, object]) -> None:
    token = issuer().mint("user-1", claims)
    shown = inspect(token, EXPECTED)
    assert token.rpartition(".")[2] not in shown
    assert "signature of 256 bytes, not verified" in shown
    diagnose(token, EXPECTED)


# -- minted ------------------------------------------------------------------------


def _minting(now: list[float]) -> Minting:
    return Minting(
        name="user",
        template=Template(
            issuer=issuer().name,
            audience=PROJECT,
            subject="user-1",
            claims={"email": "a@example.com"},
        ),
        find_key=lambda: issuer().key,
        clock=TargetClock(lambda: now[0]),
        redactor=Redactor(),
    )


def test_a_minted_token_is_kept_until_shortly_before_its_end() -> None:
    now = [NOW]
    mechanism = _minting(now)
    first = mechanism.credential()
    now[0] += 3500
    assert mechanism.credential() == first
    now[0] += 60
    second = mechanism.credential()
    assert second != first
    assert diagnose(second.value, Expected(now=now[0])) == ()


def test_a_minted_token_has_firebases_claims_and_ones_own() -> None:
    claims = parse(_minting([NOW]).credential().value).claims
    assert claims["user_id"] == claims["sub"] == "user-1"
    assert claims["email"] == "a@example.com"
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["auth_time"] < NOW


def test_a_token_for_another_is_another_and_is_redacted() -> None:
    mechanism = _minting([NOW])
    own, other = mechanism.credential(), mechanism.for_subject("user-2")
    claims = parse(other.value).claims
    assert (claims["sub"], claims["user_id"]) == ("user-2", "user-2")
    assert mechanism.credential() == own
    assert other.value not in mechanism.redactor.redact(other.value)


def test_a_refused_token_is_renewed_by_a_better_clock() -> None:
    now = [NOW]
    mechanism = _minting(now)
    refused = mechanism.credential()
    now[0] += 120
    renewed = mechanism.renew(refused)
    assert renewed != refused
    assert mechanism.renew(refused) == renewed


# -- by hand -----------------------------------------------------------------------


def test_mint_and_inspect_by_hand(tmp_path_factory: pytest.TempPathFactory) -> None:
    key = tmp_path_factory.mktemp("key") / "key.pem"
    key.write_bytes(issuer().key.pem())
    arguments = ["mint", "--key", str(key), "--subject", "me", "--audience", "api"]
    minted = CliRunner().invoke(command, [*arguments, "--claim", "exp=0"])
    assert minted.exit_code == 0
    assert parse(minted.output.strip()).claims["exp"] == 0
    shown = CliRunner().invoke(
        command, ["inspect", "--audience", "other"], input=f"Bearer {minted.output}"
    )
    assert "expired" in shown.output
    assert 'audience is "api"' in shown.output


def test_tokens_are_made_and_read_by_the_installed_command(tmp_path: Path) -> None:
    def tollproof(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tollproof", "token", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    key = tmp_path / "key.pem"
    key.write_bytes(issuer().key.pem())
    wish = ("--issuer", "https://issuer.example", "--audience", "api")
    minted = tollproof("mint", "--key", str(key), *wish, "--subject", "me")
    assert minted.returncode == 0, minted.stderr
    claims = parse(minted.stdout.strip()).claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == (wish[1], "api", "me")

    read = tollproof("inspect", *wish, given=minted.stdout)
    assert read.returncode == 0, read.stderr
    assert "me" in read.stdout
    assert minted.stdout.strip().rpartition(".")[2] not in read.stdout
    with serving(Issuer(project=PROJECT)) as url:
        rotated = tollproof("rotate", "--issuer-url", url)
        assert json.loads(rotated.stdout).keys() == {"kid", "key"}
        kid = json.loads(rotated.stdout)["kid"]
        retired = tollproof("retire", "--issuer-url", url, "--key-id", kid)
        assert json.loads(retired.stdout) == {"kid": kid}
        again = tollproof("retire", "--issuer-url", url, "--key-id", kid)
        assert again.returncode == 3

    assert tollproof("mint", "--subject", "me").returncode == 3
    assert tollproof("inspect", "no token").returncode == 3


def test_a_local_issuer_mints_and_rotates() -> None:
    with serving(Issuer(project=PROJECT)) as url:
        old = CliRunner().invoke(
            command, ["mint", "--issuer-url", url, "--subject", "me"]
        )
        rotated = CliRunner().invoke(command, ["rotate", "--issuer-url", url])
        new = CliRunner().invoke(
            command, ["mint", "--issuer-url", url, "--subject", "me"]
        )
    kids = [parse(item.output.strip()).header["kid"] for item in (old, new)]
    assert kids[0] != kids[1]
    assert kids[1] in rotated.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["mint", "--subject", "me"],
        ["mint", "--subject", "me", "--issuer-url", "http://127.0.0.1:9"],
        ["inspect", "not-a-token"],
        ["mint", "--subject", "me", "--claim", "novalue"],
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code != 0
    assert type(done.exception).__name__ == "UsageError"


def test_keys_are_published_alike_and_old_ones_withdrawn() -> None:
    own = Issuer(project=PROJECT)
    first, second, third, fourth = own.key, own.rotate(), own.rotate(), own.rotate()
    assert set(own.certificates()) == {first.key_id, third.key_id, fourth.key_id}
    assert second.key_id not in {key["kid"] for key in own.jwks()["keys"]}
    assert time.time() < parse(own.mint("x")).claims["exp"]
