"""Encodings are strict, signatures are right by another library, keys are read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk as jose_keys
from joserfc.jws import JWSRegistry, deserialize_compact

from tests.identity.issuing import issuer, key_of
from tollproof.identity.forge import (
    SigningKey,
    decode,
    encode,
    generate,
    mint,
    parse,
    public_jwk,
    read_key,
    sign,
    thumbprint,
)
from tollproof.identity.published import read_published

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512")


@given(st.binary(max_size=200))
def test_base64url_is_undone_and_has_no_padding(data: bytes) -> None:
    text = encode(data)
    assert decode(text) == data
    assert not set(text) & set("=+/")


@pytest.mark.parametrize("text", ["AA==", "A", "A+", "A/", "A A", "AA\n", "Ä", "A*"])
def test_what_is_not_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64url|ascii"):
        decode(text)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_library_verifies_the_signature(algorithm: str) -> None:
    key = generate(algorithm, "k1")
    token = mint({"typ": "JWT"}, {"sub": "somebody"}, key)
    known = jose_keys.import_key({**public_jwk(key.public, "k1")})
    read = deserialize_compact(
        token, known, registry=JWSRegistry(algorithms=[algorithm])
    )
    assert json.loads(read.payload) == {"sub": "somebody"}
    assert read.headers() == {"alg": algorithm, "kid": "k1", "typ": "JWT"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "EdDSA"])
def test_a_key_survives_its_pem(algorithm: str) -> None:
    key = generate(algorithm)
    again = read_key(key.pem().decode(), key_id="k")
    assert again.algorithm == algorithm
    assert thumbprint(again.public) == thumbprint(key.public)


def test_the_promised_algorithm_is_used_where_it_suits() -> None:
    pem = key_of("RS256").pem().decode()
    assert read_key(pem, algorithms=("ES256", "PS256")).algorithm == "PS256"
    assert read_key(pem, algorithms=("ES256",)).algorithm == "RS256"


@pytest.mark.parametrize("text", ["", "secret words", "-----BEGIN PRIVATE KEY-----"])
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="not an unencrypted private key") as caught:
        read_key(text)
    assert "secret words" not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES256", "XX256", "RS999", ""])
def test_an_algorithm_that_does_not_suit_is_refused(algorithm: str) -> None:
    with pytest.raises(ValueError, match="does not suit"):
        sign(b"data", algorithm, key_of("RS256").private)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "has 1"),
        ("a.b", "has 2"),
        ("a.b.c.d.e", "encrypted"),
        ("a.b.c", "the header is not"),
        (f"{encode(b'[]')}.{encode(b'{}')}.", "the header is not a JSON object"),
        (f"{encode(b'{}')}.{encode(b'7')}.", "the payload is not a JSON object"),
        (f"{encode(b'{}')}.{encode(b'{}')}.==", "the signature"),
        (f"{encode(b'[' * 100_000)}.{encode(b'{}')}.", "the header is not"),
    ],
)
def test_a_malformed_token_is_named(token: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(token)


@given(st.text(max_size=80))
def test_parsing_raises_nothing_but_value_errors(text: str) -> None:
    try:
        parse(text)
    except ValueError:
        return


def test_certificates_and_jwks_hold_the_same_keys() -> None:
    by_certificate = read_published(json.dumps(issuer().certificates()))
    by_jwk = read_published(json.dumps(issuer().jwks()))
    assert [(thumbprint(key.key), key.key_id) for key in by_certificate] == [
        (thumbprint(key.key), key.key_id) for key in by_jwk
    ]


@pytest.mark.parametrize("algorithm", ["ES256", "ES512", "EdDSA"])
def test_other_types_of_key_are_read_from_a_jwk_set(algorithm: str) -> None:
    key = generate(algorithm, "k")
    document = {"keys": [public_jwk(key.public, "k", algorithm)]}
    (found,) = read_published(json.dumps(document))
    assert thumbprint(found.key) == thumbprint(key.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": [7, null, {"kty": "RSA"}, {"kty": "oct", "k": "AA"}]}',
        '{"k1": "not a certificate"}',
        '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        "[" * 100_000,
    ],
)
def test_a_document_without_keys_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key document"):
        read_published(text)


def test_a_key_does_not_show_in_its_representation() -> None:
    key = SigningKey(private=key_of("RS256").private, algorithm="RS256")
    assert "private" not in repr(key)
