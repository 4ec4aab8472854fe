"""What a token says of itself: for people, and for the preflight's diagnosis.

Nothing here is proof: a signature is not verified, and a target may know better. Knows
claims and clocks. Must not know whom a token is shown to, nor print a signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tollproof.identity.forge import Parts, parse

#: Seconds by which clocks may disagree before a claim is called wrong.
LEEWAY = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the target wants of a token.

    Attributes:
        issuer, audience: empty when that is not known.
        algorithms: those it accepts; empty when that is not known.
        now: the target's time, Unix seconds.
        signed: whether it takes signed tokens only, so that none can be opaque.
        claims: those without which no token is one.
    """

    now: float
    issuer: str = ""
    audience: str = ""
    algorithms: tuple[str, ...] = ()
    signed: bool = False
    claims: tuple[str, ...] = ()


#: What Firebase's documentation demands of an ID token, beside issuer and audience.
FIREBASE_CLAIMS = ("exp", "iat", "auth_time", "sub")
_TIMES = ("exp", "nbf", "iat", "auth_time")


def diagnose(token: str, expected: Expected) -> tuple[str, ...]:
    """Say what is wrong with a token, a sentence each; nothing for an opaque one.

    Signed tokens have three segments; any other text is opaque and left alone, unless
    it begins like a signed one or only those are taken.
    """
    try:
        parts = parse(token)
    except ValueError as error:
        if expected.signed or token.startswith("ey") or token.count(".") == 2:
            return (f"The token is malformed: {error}.",)
        return ()
    return tuple(_wrong(parts, expected))


def _wrong(parts: Parts, expected: Expected) -> Iterator[str]:
    claims, now = parts.claims, expected.now
    alg = parts.header.get("alg")
    if expected.algorithms and alg not in expected.algorithms:
        yield (
            f"The token's alg is {_shown(alg)}, and the profile promises "
            f"{', '.join(expected.algorithms)}."
        )
    if not parts.signature:
        yield "The token is not signed."
    for name in expected.claims:
        if name not in claims:
            yield f"The token has no {name}."
    for name in _TIMES:
        if name in claims and _number(claims[name]) is None:
            yield f"The token's {name} is {_shown(claims[name])}, which is no time."
    subject = claims.get("sub", "?")
    if not (isinstance(subject, str) and subject):
        yield f"The token's sub is {_shown(subject)}, which names nobody."
    exp, nbf, iat, login = (_number(claims.get(name)) for name in _TIMES)
    if exp is not None and exp <= now:
        yield f"The token expired {_ago(now - exp)} ago (exp is {_moment(exp)})."
    if nbf is not None and nbf > now + LEEWAY:
        yield f"The token is not valid for another {_ago(nbf - now)} (nbf)."
    if iat is not None and iat > now + LEEWAY:
        yield f"The token was issued {_ago(iat - now)} in the future (iat)."
    if login is not None and login > now + LEEWAY:
        yield f"The login was {_ago(login - now)} in the future (auth_time)."
    if expected.issuer and claims.get("iss") != expected.issuer:
        yield (
            f"The token's issuer is {_shown(claims.get('iss'))}, and the profile "
            f"promises {_shown(expected.issuer)} (iss)."
        )
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    if expected.audience and expected.audience not in meant:
        yield (
            f"The token's audience is {_shown(audience)}, and the profile promises "
            f"{_shown(expected.audience)} (aud)."
        )


def _number(value: Any) -> float | None:
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else None
    )


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)[:100]


def _ago(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g}"


def inspect(token: str, expected: Expected) -> str:
    """Describe a token for people: header, claims, times in words, what is wrong.

    The signature is not shown, so that what is printed cannot be used.

    Raises:
        ValueError: it is not a signed token; says why.
    """
    parts = parse(token)
    lines = ["header", *_members(parts.header), "claims", *_members(parts.claims)]
    for name in ("auth_time", "iat", "nbf", "exp"):
        if (moment := _number(parts.claims.get(name))) is not None:
            away = moment - expected.now
            when = f"in {_ago(away)}" if away >= 0 else f"{_ago(-away)} ago"
            lines.append(f"{name} is {_moment(moment)}, {when}")
    lines.append(f"signature of {len(parts.signature)} bytes, not verified")
    wrong = diagnose(token, expected)
    lines += wrong or ("nothing is wrong with what it says",)
    return "\n".join(lines)


def _members(document: Any) -> Iterator[str]:
    for name, value in document.items():
        yield f"  {json.dumps(name)}: {json.dumps(value)}"
