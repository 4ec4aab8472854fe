"""Each attack is wrong in one thing, is refused for it, and works where it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.identity.issuing import (
    TrustedKeys,
    issuer,
    key_of,
    material,
    policy,
    strictly_accepted,
)
from tollproof.identity.attack import Attack, Material, Needs, Unsuited
from tollproof.identity.attacks import ATTACKS, BENIGN, MALFORMED, of_group
from tollproof.identity.forge import (
    compact_json,
    decode,
    encode,
    parse,
    public_jwk,
    sign,
)
from tollproof.identity.key_attacks import own_certificate
from tollproof.identity.listener import Offer, listening
from tollproof.reference.sparkient.token_loopholes import LOOPHOLES
from tollproof.reference.sparkient.tokens import (
    Procedure,
    TokenRefused,
    TokenVerifier,
)

BY_NAME = {attack.name: attack for attack in ATTACKS}
LISTENER = "http://127.0.0.1:9"


def _suited(
    *algorithms: str, sensible: Callable[[str, str, str, Material], bool]
) -> list[Any]:
    """Return (attack, algorithm) wherever the attack can be made and is sensible."""
    found = []
    for algorithm in algorithms:
        source = material(algorithm, listener=LISTENER)
        for attack in ATTACKS:
            with suppress(Unsuited):
                forged = attack.forge(source)
                if sensible(attack.name, algorithm, forged, source):
                    found.append((attack.name, algorithm))
    return found


def _is_changed(name: str, algorithm: str, forged: str, source: Material) -> bool:
    promised = BY_NAME[name].header == {"alg": algorithm}
    return forged != source.genuine and not promised


def _is_wrong(name: str, algorithm: str, forged: str, source: Material) -> bool:
    return forged != source.genuine and name != f"signed with {algorithm}"


def _verifier(fault: str | None, source: Material) -> TokenVerifier:
    procedure = LOOPHOLES[fault](Procedure()) if fault else Procedure()
    assert source.trusted
    return TokenVerifier(
        policy=policy(), keys=TrustedKeys(source.trusted), procedure=procedure
    )


def _accepts(verifier: TokenVerifier, token: str, now: float) -> bool:
    try:
        verifier.verify(token, now)
    except TokenRefused:
        return False
    return True


def _differences(forged: str, source: Material, attack: Attack) -> set[str]:
    """Compare a forged token with the genuine one, place by place."""
    genuine = source.parts
    found = set()
    segments = forged.split(".")
    if attack.form is not None:
        found.add("form")
        plain = replace(attack, form=None).forge(source)
        assert plain != forged
        segments = plain.split(".")
    header, payload, signature = segments
    own = json.loads(decode(header))
    names = {*own, *genuine.header}
    found |= {
        f"header.{name}"
        for name in names
        if own.get(name, ...) != genuine.header.get(name, ...)
    }
    if attack.payload is not None:
        found.add("payload")
    else:
        claims = json.loads(decode(payload))
        names = {*claims, *genuine.claims}
        found |= {
            f"payload.{name}"
            for name in names
            if claims.get(name, ...) != genuine.claims.get(name, ...)
        }
    if attack.needs is not Needs.TRUSTED_KEY and signature != genuine.segments[2]:
        found.add("signature")
    return found


@pytest.mark.parametrize(
    ("name", "algorithm"),
    _suited("RS256", "ES256", "PS256", "EdDSA", sensible=_is_changed),
)
def test_differs_in_the_stated_places_and_no_other(name: str, algorithm: str) -> None:
    attack, source = BY_NAME[name], material(algorithm, listener=LISTENER)
    forged = attack.forge(source)
    assert _differences(forged, source, attack) == set(attack.differs)


#: Attacks on a verifier of RS256; the others need a key of another kind.
ON_RS256 = tuple(name for name, _ in _suited("RS256", sensible=lambda *_: True))


@pytest.mark.parametrize("name", ON_RS256)
def test_a_trusted_signature_is_right_and_every_other_is_not(name: str) -> None:
    attack, source = BY_NAME[name], material(listener=LISTENER)
    forged = attack.forge(source)
    header, payload, signature = (*forged.split("."), "")[:3]
    assert source.trusted
    alg = json.loads(decode(header)).get("alg")
    named = alg if alg in ("RS384", "RS512", "PS256", "PS512") else "RS256"
    right = (
        named.startswith("RS")
        and encode(sign(f"{header}.{payload}".encode(), named, source.trusted.private))
        == signature
    )
    if attack.needs is Needs.TRUSTED_KEY:
        assert right or named.startswith("PS")
    else:
        assert not right


@pytest.mark.parametrize(
    ("name", "algorithm"), _suited("RS256", "ES256", sensible=_is_wrong)
)
def test_a_strict_verifier_refuses_it(name: str, algorithm: str) -> None:
    source = material(algorithm, listener=LISTENER)
    forged = BY_NAME[name].forge(source)
    assert source.trusted
    assert not strictly_accepted(forged, source.trusted)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256", "EdDSA"])
def test_the_strict_verifier_accepts_what_is_genuine(algorithm: str) -> None:
    source = material(algorithm)
    assert source.trusted
    assert strictly_accepted(source.genuine, source.trusted)
    for benign in BENIGN:
        assert strictly_accepted(benign.forge(source), source.trusted)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_what_is_malformed_is_refused_and_is_malformed(algorithm: str) -> None:
    source = material(algorithm)
    verifier = _verifier(None, material())
    assert source.trusted
    for item in MALFORMED:
        text = item.make(source)
        assert text.isascii()
        assert text.isprintable()
        assert not strictly_accepted(text, source.trusted), item.name
        assert not _accepts(verifier, text, source.now), item.name


def test_names_are_unique_and_every_group_is_reached() -> None:
    assert len(BY_NAME) == len(ATTACKS)
    assert len({item.name for item in MALFORMED}) == len(MALFORMED)
    for attack in ATTACKS:
        assert attack in of_group(attack.group)
    with pytest.raises(KeyError):
        of_group("no-such-group")


def test_the_reference_refuses_every_attack_and_accepts_the_genuine() -> None:
    source = material(listener=LISTENER)
    verifier = _verifier(None, source)
    assert _accepts(verifier, source.genuine, source.now)
    for attack in ATTACKS:
        try:
            forged = attack.forge(source)
        except Unsuited:
            continue
        if forged != source.genuine and attack.name != "signed with RS256":
            assert not _accepts(verifier, forged, source.now), attack.name


#: Attack → a faulty verifier that it gets past. Each attack has one.
GETS_PAST = {
    "unsigned": "token-unsigned-accepted",
    "emulator-mode": "token-emulator-mode",
    "stripped-signature": "token-stripped-accepted",
    "signature": "token-signature-unread",
    "another subject under the old signature": "token-cached-by-signature",
    "a claim added under the old signature": "token-cached-by-signature",
    "a later expiry under the old signature": "token-cached-by-signature",
    "a header member added under the old signature": "token-signature-unread",
    "encoding": "token-lenient-base64",
    "canonical-encoding": "token-non-canonical-base64",
    "expired": "token-expired-accepted",
    "expiry-required": "token-expiry-optional",
    "not-before": "token-nbf-ignored",
    "issued-at": "token-iat-ignored",
    "auth-time": "token-auth-time-ignored",
    "lifetime": "token-lifetime-unbounded",
    "issuer": "token-issuer-ignored",
    "audience": "token-audience-ignored",
    "key-id-unknown": "token-any-key",
    "critical-header": "token-crit-ignored",
    "nested": "token-nested-unwrapped",
    "embedded jwk": "token-jwk-trusted",
    "embedded jwk under its own kid": "token-jwk-trusted",
    "embedded x5c": "token-x5c-trusted",
    "sub absent": "token-subject-empty",
    "sub empty": "token-subject-empty",
    "a session cookie": "token-session-cookie",
    "ES256 with r = s = 0": "token-zero-signature",
    "HS256 with the public key as PEM": "token-key-confusion",
    'HS256 secret "secret"': "token-weak-secret",
    "kid an SQL union": "token-kid-sql",
    "kid of an empty file": "token-kid-file",
    "kid of an empty file, absolute": "token-kid-file",
    "kid of a known file": "token-kid-file",
    "signed with RS384": "token-any-algorithm",
    "signed with RS512": "token-any-algorithm",
    "signed with PS256": "token-any-algorithm",
    "signed with PS512": "token-any-algorithm",
    "alg in lower case": "token-algorithm-case",
    "alg with a blank": "token-algorithm-case",
}


def _fault_for(attack: Attack) -> str | None:
    return GETS_PAST.get(attack.name) or GETS_PAST.get(attack.group)


# The others are shown by test_it_gets_past_a_verifier_made_for_it.
@pytest.mark.parametrize("name", [one.name for one in ATTACKS if _fault_for(one)])
def test_it_gets_past_the_verifier_that_has_the_fault(name: str) -> None:
    attack, source = BY_NAME[name], material(listener=LISTENER)
    verifier = _verifier(_fault_for(attack), source)
    assert _accepts(verifier, source.genuine, source.now)
    assert _accepts(verifier, attack.forge(source), source.now)


@pytest.mark.parametrize(
    ("fault", "name"),
    [("token-jku-followed", "jku"), ("token-x5u-followed", "x5u")],
)
def test_keys_that_a_token_points_at_are_fetched(fault: str, name: str) -> None:
    source = material()
    offer = Offer(
        jwks={"keys": [public_jwk(source.own.public, source.own.key_id)]},
        chain=tuple(own_certificate(source)),
    )
    with listening(offer) as listener:
        source = replace(source, listener=listener.url)
        assert not _accepts(
            _verifier(None, source), BY_NAME[name].forge(source), source.now
        )
        assert not listener.calls()
        assert _accepts(
            _verifier(fault, source), BY_NAME[name].forge(source), source.now
        )
        assert [call.method for call in listener.calls()] == ["GET"]


CLAIM_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None)  # a machine under load is no fault of a token
@given(
    extra=st.dictionaries(
        st.text(min_size=1, max_size=10).filter(
            lambda name: (
                name not in ("exp", "iat", "nbf", "sub", "aud", "iss")
                and name != "auth_time"
            )
        ),
        CLAIM_VALUES,
        max_size=3,
    ),
    subject=st.text(min_size=1, max_size=100).filter(lambda text: text.isprintable()),
    number=st.integers(min_value=0, max_value=len(ATTACKS) - 1),
)
def test_single_fault_whatever_else_the_token_says(
    extra: dict[str, Any], subject: str, number: int
) -> None:
    """The stated difference is the only one, for tokens with any claims at all."""
    source = material(subject=subject, listener=LISTENER, **extra)
    attack = ATTACKS[number]
    try:
        forged = attack.forge(source)
    except Unsuited:
        return
    if "tollproof" in extra or "admin" in extra or attack.name == "signed with RS256":
        return
    assert _differences(forged, source, attack) == set(attack.differs)
    assert source.trusted
    assert strictly_accepted(source.genuine, source.trusted)
    assert not strictly_accepted(forged, source.trusted)


def test_a_genuine_token_that_was_given_needs_no_trusted_key() -> None:
    source = replace(material(listener=LISTENER), trusted=None, published=None)
    for attack in ATTACKS:
        if attack.needs in (Needs.NOTHING, Needs.OWN_KEY):
            try:
                assert attack.forge(source)
            except Unsuited as unsuited:
                assert "genuine" in str(unsuited)  # noqa: PT017
        else:
            with pytest.raises(Unsuited):
                attack.forge(source)


def test_parts_that_an_attack_leaves_alone_stay_byte_for_byte() -> None:
    header = b'{ "alg" : "RS256", "kid" : "k" }'
    key = issuer().key
    data = f"{encode(header)}.{encode(compact_json(material().claims))}"
    genuine = f"{data}.{encode(key.sign(data.encode()))}"
    source = replace(material(), genuine=genuine)
    forged = BY_NAME["another subject under the old signature"].forge(source)
    assert forged.split(".")[0] == encode(header)
    assert forged.split(".")[2] == parse(genuine).segments[2]


@pytest.mark.parametrize("algorithm", ["ES256K", "RS999", "HS256", "none", ""])
def test_a_token_of_another_algorithm_is_forged_with_an_rsa_key(algorithm: str) -> None:
    claims = compact_json({"sub": "user-1"})
    header = encode(compact_json({"alg": algorithm}))
    source = Material(genuine=f"{header}.{encode(claims)}.{encode(b'x' * 64)}", now=0)
    assert source.own.algorithm == "RS256"
    made = 0
    for attack in ATTACKS:
        with suppress(Unsuited):
            made += attack.forge(source) != source.genuine
    assert made > 20


def test_own_keys_are_not_trusted_ones() -> None:
    source = material("ES256")
    assert source.own.algorithm == "ES256"
    assert source.own.key_id != key_of("ES256").key_id


def _anything(*_: object) -> bool:
    return True


CARELESS_CLAIMS = {
    "sub null": ("subject",),
    "sub a number": ("subject",),
    "sub a list": ("subject",),
    "sub of 129 characters": ("subject",),
    "a custom token": ("subject", "issuer", "audience"),
}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _careless(attack: Attack, source: Material) -> Callable[[str], bool]:
    """Return a verifier that makes the mistake the attack counts on."""
    if attack.group in ("algorithm-confusion", "weak-secret", "key-id"):
        published = source.published
        assert published
        secrets = [
            *(value for _, value in published.spellings()),
            *(b"", b"\0", b"2\n", b"tollproof"),
            *(f"{word}".encode() for word in ("password", "changeme", "secret-key")),
            *(f"{word}".encode() for word in ("your-256-bit-secret", "secret", "null")),
            *(published.key_id.encode(), issuer().name.encode()),
        ]
        return lambda token: any(
            sign(parse(token).signing_input, parse(token).header["alg"], secret)
            == parse(token).signature
            for secret in secrets
        )
    if attack.group == "zero-signature":

        def unranged(token: str) -> bool:
            """ECDSA whose 0 < r, s < n was forgotten: infinity has x = 0 there."""
            signature = parse(token).signature
            half = len(signature) // 2
            r, s = (
                (0, 0)
                if signature[:1] == b"\x30"
                else (
                    int.from_bytes(part)
                    for part in (signature[:half], signature[half:])
                )
            )
            return r % P256_ORDER == 0 and s % P256_ORDER == 0

        return unranged
    if attack.group == "key-url":

        def fetching(token: str) -> bool:
            header = parse(token).header
            url = header.get("jku") or header.get("x5u") or header["kid"]
            return httpx.get(url, timeout=5).status_code == 200

        return fetching
    names = CARELESS_CLAIMS[attack.name]
    verifier = _verifier(None, source)
    checks = {**verifier.procedure.checks, **dict.fromkeys(names, _anything)}
    careless = replace(verifier, procedure=Procedure(checks=checks))
    return lambda token: _accepts(careless, token, source.now)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in ON_RS256
        if _fault_for(BY_NAME[name]) is None and name != "signed with RS256"
    ],
)
def test_it_gets_past_a_verifier_made_for_it(name: str) -> None:
    with listening(Offer(jwks={"keys": []})) as listener:
        source = material(listener=listener.url)
        attack = BY_NAME[name]
        forged = attack.forge(source)
        assert _careless(attack, source)(forged)
        if attack.group == "key-url":
            assert len(listener.calls()) == 1
