"""WWW-Authenticate by RFC 9110: what must parse and what must not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.challenge import Challenge, ChallengeError, parse_challenges


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bearer", [("Bearer", {}, "")]),
        ('Bearer realm="x"', [("Bearer", {"realm": "x"}, "")]),
        (
            'Bearer realm="a, b", error="invalid_token", '
            'error_description="it \\"is\\""',
            [
                (
                    "Bearer",
                    {
                        "realm": "a, b",
                        "error": "invalid_token",
                        "error_description": 'it "is"',
                    },
                    "",
                )
            ],
        ),
        (
            'Basic realm="a", Bearer',
            [("Basic", {"realm": "a"}, ""), ("Bearer", {}, "")],
        ),
        ("Negotiate dG9rZW4=", [("Negotiate", {}, "dG9rZW4=")]),
        ("bearer REALM = x", [("bearer", {"realm": "x"}, "")]),
        (
            'Newauth realm="apps", type=1, title="Login", Basic realm="simple"',
            [
                ("Newauth", {"realm": "apps", "type": "1", "title": "Login"}, ""),
                ("Basic", {"realm": "simple"}, ""),
            ],
        ),
        (", ,Bearer", [("Bearer", {}, "")]),
    ],
)
def test_must_parse(text: str, expected: list[tuple[str, dict[str, str], str]]) -> None:
    assert parse_challenges(text) == tuple(
        Challenge(scheme=scheme, parameters=parameters, token68=value)
        for scheme, parameters, value in expected
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        '="x"',
        'Bearer realm="x',
        "Bearer realm=a b",
        'Bearer realm="a" error="b"',
        'Bearer realm="a", realm="b"',
        "Bearer: realm=x",
        'Bearer realm="\x00"',
        "Bearer {realm}",
    ],
)
def test_must_not_parse(text: str) -> None:
    with pytest.raises(ChallengeError):
        parse_challenges(text)


TOKEN = st.text("abcdefXYZ019-_", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@given(TOKEN, st.dictionaries(TOKEN.map(str.lower), VALUES, min_size=1, max_size=4))
def test_what_is_written_by_the_grammar_is_read_back(
    scheme: str, parameters: dict[str, str]
) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())

    assert parse_challenges(f"{scheme} {text}") == (
        Challenge(scheme=scheme, parameters=parameters),
    )


@given(st.text(max_size=60))
def test_nothing_but_its_own_error_is_raised(text: str) -> None:
    try:
        challenges = parse_challenges(text)
    except ChallengeError:
        return
    assert challenges
