"""Tokens that a trusted key signed and that are wrong in one thing.

Only they test the claims: whoever refuses a changed claim under an old signature has
looked at the signature. They take a test signing key that the target trusts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollproof.identity import attack as a
from tollproof.identity.attack import REMOVE, Attack, Edit, Material, Needs, Unsuited
from tollproof.identity.forge import compact_json, encode

__all__ = ["BENIGN", "CLAIM_ATTACKS"]

#: Seconds by which a time is wrong: more than any leeway (RFC 7519, 4.1.4: "usually no
#: more than a few minutes").
FAR = 1800


def _wrong(
    group: str,
    name: str,
    wrong: str,
    *,
    header: dict[str, Edit] | None = None,
    firebase: bool = False,
    signature: a.Signer = a.trusted,
    payload: Callable[[Material], bytes] | None = None,
    **claims: Edit,
) -> Attack:
    return Attack(
        name=name,
        group=group,
        wrong=wrong,
        needs=Needs.TRUSTED_KEY,
        header=header or {},
        claims=claims,
        signature=signature,
        payload=payload,
        firebase=firebase,
    )


def _at(offset: float) -> Callable[[Material], int]:
    return lambda material: int(material.now + offset)


def _claim(name: str, change: Callable[[Any], Any]) -> Callable[[Material], Any]:
    """A claim of the genuine token, changed."""

    def value(material: Material) -> Any:
        if name not in material.claims:
            raise Unsuited(f"the genuine token has no {name}")
        return change(material.claims[name])

    return value


def _past(seconds: float) -> dict[str, Edit]:
    """The life of a token that ended so many seconds ago: all of its times."""
    life = 3600

    def logged_in(material: Material) -> Any:
        if "auth_time" not in material.claims:
            return REMOVE
        return int(material.now - seconds - life)

    return {"exp": _at(-seconds), "iat": _at(-seconds - life), "auth_time": logged_in}


def _login_ahead(material: Material) -> int:
    if "auth_time" not in material.claims:
        raise Unsuited("the genuine token does not say when its user logged in")
    return int(material.now + FAR)


def _too_long(material: Material) -> int:
    if material.max_age is None:
        raise Unsuited("the profile does not promise how long a token may live")
    return int(material.now + 2 * material.max_age + FAR)


def _ten_years(material: Material) -> int:
    return max(_too_long(material), int(material.now + 315e6))


_TIMES = (
    *(
        _wrong("expired", f"expired {words} ago", f"that expired {words} ago", **past)
        for words, past in (
            ("ten minutes", _past(600)),
            ("an hour", _past(3600)),
            ("a year", _past(31_536_000)),
        )
    ),
    _wrong("expiry-required", "exp absent", "without exp", exp=REMOVE),
    _wrong("expiry-required", "exp null", "whose exp is null", exp=None),
    _wrong("expiry-required", "exp text", "whose exp is no number", exp="never"),
    _wrong(
        "expiry-required",
        "exp a number in quotes",
        "whose exp is a number in quotes",
        exp=lambda material: str(int(material.now) + 600),
    ),
    _wrong("not-before", "nbf ahead", "not valid before later", nbf=_at(FAR)),
    _wrong("not-before", "nbf a year ahead", "not valid this year", nbf=_at(31e6)),
    _wrong("issued-at", "iat ahead", "issued in the future", iat=_at(FAR)),
    _wrong(
        "auth-time",
        "auth_time ahead",
        "whose login lies in the future",
        auth_time=_login_ahead,
    ),
    _wrong("lifetime", "twice the longest life", "that lives too long", exp=_too_long),
    _wrong("lifetime", "exp in ten years", "that lives ten years", exp=_ten_years),
)

_ISSUER = (
    _wrong("issuer", "iss absent", "without iss", iss=REMOVE),
    _wrong("issuer", "iss empty", "whose iss is empty", iss=""),
    _wrong(
        "issuer",
        "iss of another",
        "of another issuer",
        iss="https://issuer.invalid/tollproof",
    ),
    _wrong(
        "issuer",
        "iss lengthened",
        "whose iss begins like the issuer's",
        iss=_claim("iss", lambda value: f"{value}.tollproof.invalid"),
    ),
    _wrong(
        "issuer",
        "iss inside another",
        "whose iss ends like the issuer's",
        iss=_claim("iss", lambda value: f"https://tollproof.invalid/{value}"),
    ),
    _wrong(
        "issuer",
        "iss cut short",
        "whose iss is cut short",
        iss=_claim("iss", lambda value: str(value)[:-1]),
    ),
    _wrong(
        "issuer",
        "iss in capitals",
        "whose iss is written in capitals",
        iss=_claim("iss", lambda value: str(value).upper()),
    ),
)

_AUDIENCE = (
    _wrong("audience", "aud absent", "without aud", aud=REMOVE),
    _wrong("audience", "aud empty", "whose aud is empty", aud=""),
    _wrong("audience", "aud an empty list", "for nobody", aud=[]),
    _wrong("audience", "aud of another", "for another audience", aud="tollproof-other"),
    _wrong(
        "audience",
        "aud a list of others",
        "for two other audiences",
        aud=["tollproof-other", "tollproof-another"],
    ),
    _wrong(
        "audience",
        "aud lengthened",
        "whose aud begins like the audience",
        aud=_claim("aud", lambda value: f"{_first(value)}-tollproof"),
    ),
    _wrong(
        "audience",
        "aud cut short",
        "whose aud is cut short",
        aud=_claim("aud", lambda value: _first(value)[:-1]),
    ),
)


def _first(audience: Any) -> str:
    return str(audience[0] if isinstance(audience, list) and audience else audience)


_SUBJECT = (
    _wrong("subject", "sub absent", "without sub", sub=REMOVE),
    _wrong("subject", "sub empty", "whose sub is empty", sub=""),
    _wrong("subject", "sub null", "whose sub is null", sub=None),
    _wrong("subject", "sub a number", "whose sub is a number", sub=7),
    _wrong(
        "subject",
        "sub a list",
        "whose sub is a list",
        sub=_claim("sub", lambda value: [value]),
    ),
    _wrong(
        "subject",
        "sub of 129 characters",
        "whose sub is longer than 128 characters",
        sub="tollproof" + "x" * 120,
        firebase=True,
    ),
)

_KEY_ID = (
    _wrong(
        "key-id-unknown",
        "kid of no published key",
        "whose kid names no published key",
        header={"kid": "tollproof-unknown"},
    ),
    _wrong(
        "key-id-unknown",
        "kid absent",
        "without kid",
        header={"kid": REMOVE},
        firebase=True,
    ),
)

_ALGORITHM = (
    *(
        _wrong(
            "algorithm",
            f"signed with {name}",
            f"rightly signed, with {name}, which is not promised",
            header={"alg": name},
            signature=a.trusted_as(name),
        )
        for name in ("RS384", "RS512", "PS256", "PS512", "RS256", "ES384")
    ),
    _wrong(
        "algorithm",
        "alg in lower case",
        "whose alg is written in lower case",
        header={"alg": lambda material: str(material.parts.header["alg"]).lower()},
    ),
    _wrong(
        "algorithm",
        "alg with a blank",
        "whose alg is followed by a blank",
        header={"alg": lambda material: f"{material.parts.header['alg']} "},
    ),
)

_EXTENSIONS = (
    _wrong(
        "critical-header",
        "crit names an unknown extension",
        "with an extension that must be understood or refused",
        header={"crit": ["tollproof"], "tollproof": True},
    ),
    _wrong(
        "critical-header",
        "crit names an absent member",
        "whose crit names a member that it does not have",
        header={"crit": ["tollproof-absent"]},
    ),
)


def _inner(material: Material) -> bytes:
    """The genuine claims for another subject, as an unsigned token."""
    claims = {**material.claims, "sub": "tollproof-nested"}
    header = compact_json({"alg": "none", "typ": "JWT"})
    return f"{encode(header)}.{encode(compact_json(claims))}.".encode("ascii")


_NESTED = (
    _wrong(
        "nested",
        "an unsigned token inside",
        "whose payload is another token, unsigned",
        header={"cty": "JWT"},
        payload=_inner,
    ),
)


def _project(material: Material) -> str:
    return str(material.claims.get("aud", "project"))


def _service_account(material: Material) -> str:
    return f"firebase-adminsdk@{_project(material)}.iam.gserviceaccount.com"


_KINDS = (
    _wrong(
        "token-kind",
        "a session cookie",
        "that is a Firebase session cookie, not an ID token",
        iss=lambda material: (
            f"https://session.firebase.google.com/{_project(material)}"
        ),
        firebase=True,
    ),
    _wrong(
        "token-kind",
        "a custom token",
        "that is a Firebase custom token, not an ID token",
        iss=_service_account,
        sub=_service_account,
        aud="https://identitytoolkit.googleapis.com/"
        "google.identity.identitytoolkit.v1.IdentityToolkit",
        uid=lambda material: material.claims.get("sub"),
        firebase=True,
    ),
)

CLAIM_ATTACKS = (
    *_TIMES,
    *_ISSUER,
    *_AUDIENCE,
    *_SUBJECT,
    *_KEY_ID,
    *_ALGORITHM,
    *_EXTENSIONS,
    *_NESTED,
    *_KINDS,
)

#: What a verifier must let pass (RFC 7519, 4; RFC 7515, 4): not attacks, controls.
BENIGN = (
    _wrong(
        "unknown-claims",
        "an unknown claim",
        "with a claim nobody knows",
        tollproof={"note": ["no meaning"]},
    ),
    _wrong(
        "unknown-claims",
        "an unknown header member",
        "with a header member nobody knows",
        header={"tollproof": "no meaning"},
    ),
)
