"""Faulty ways to verify a token, each a change to the procedure.

Every one of them has been somebody's vulnerability. Knows nothing of who looks for it.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import json
import sqlite3
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from tollproof.reference.sparkient.tokens import (
    ClaimCheck,
    Claims,
    KeySource,
    Policy,
    Procedure,
    Reading,
    TokenRefused,
    read,
)

Loophole = Callable[[Procedure], Procedure]
Accepts = Callable[[Reading, KeySource], bool]

SESSION_ISSUER = "https://session.firebase.google.com/"
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
#: Seconds a faulty verifier waits for the keys it is pointed at.
PATIENCE = 2.0


def _bytes(segment: str) -> bytes:
    """Decode base64url as leniently as most libraries do."""
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (ValueError, binascii.Error):
        return b""


def _segments(token: str) -> tuple[str, str, str]:
    first, second, third = (*token.split("."), "", "", "")[:3]
    return first, second, third


def _signed(reading: Reading) -> bytes:
    first, second, _ = _segments(reading.token)
    return f"{first}.{second}".encode()


def _signature(reading: Reading) -> bytes:
    return _bytes(_segments(reading.token)[2])


# -- building blocks -----------------------------------------------------------------


def _also(accepts: Accepts) -> Loophole:
    """Take a token for genuine if `accepts` says so, before asking for more."""

    def change(procedure: Procedure) -> Procedure:
        proper = procedure.authenticate

        def authenticate(reading: Reading, keys: KeySource) -> None:
            if not accepts(reading, keys):
                proper(reading, keys)

        return dataclasses.replace(procedure, authenticate=authenticate)

    return change


def _reading(lenient: Callable[[str], Reading]) -> Loophole:
    """Read a token leniently when it cannot be read properly."""

    def change(procedure: Procedure) -> Procedure:
        proper = procedure.read

        def attempt(token: str) -> Reading:
            try:
                return proper(token)
            except TokenRefused:
                return lenient(token)

        return dataclasses.replace(procedure, read=attempt)

    return change


def _both(*loopholes: Loophole) -> Loophole:
    def change(procedure: Procedure) -> Procedure:
        for loophole in loopholes:
            procedure = loophole(procedure)
        return procedure

    return change


def _judging(name: str, check: ClaimCheck) -> Loophole:
    """Hold a claim against another rule."""
    return lambda procedure: dataclasses.replace(
        procedure, checks={**procedure.checks, name: check}
    )


def _anything(claims: Claims, policy: Policy, now: float) -> bool:
    return True


def _carelessly(token: str) -> Reading:
    """Read header and claims, and look at nothing else."""
    first, second, _ = _segments(token)
    try:
        header, claims = json.loads(_bytes(first)), json.loads(_bytes(second))
    except (ValueError, RecursionError) as error:
        raise TokenRefused("malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("malformed")
    return Reading(token=token, header=header, claims=claims)


def _verifies(key: RSAPublicKey, reading: Reading, algorithm: str = "RS256") -> bool:
    digest = _DIGESTS[algorithm[2:]]
    scheme = (
        padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        if algorithm.startswith("PS")
        else padding.PKCS1v15()
    )
    try:
        key.verify(_signature(reading), _signed(reading), scheme, digest)
    except InvalidSignature:
        return False
    return True


def _is_orderly(reading: Reading) -> bool:
    """Whether its signature is well encoded and nothing of it is critical."""
    signature = _segments(reading.token)[2]
    return _canonical(signature) == _without_foreign(signature) == signature and (
        "crit" not in reading.header
    )


def _hmac(reading: Reading, secret: bytes) -> bool:
    right = hmac.new(secret, _signed(reading), "sha256").digest()
    return reading.header.get("alg") == "HS256" and right == _signature(reading)


def _issuer_key(reading: Reading, keys: KeySource) -> RSAPublicKey | None:
    key_id = reading.header.get("kid")
    return keys.find(key_id) if isinstance(key_id, str) else None


# -- the signature -------------------------------------------------------------------


def _unsigned(reading: Reading, keys: KeySource) -> bool:
    alg = reading.header.get("alg") or "none"
    return str(alg).strip().lower() == "none"


def _unread_signature(reading: Reading, keys: KeySource) -> bool:
    return (
        reading.header.get("alg") == "RS256" and _issuer_key(reading, keys) is not None
    )


def _stripped(reading: Reading, keys: KeySource) -> bool:
    return reading.header.get("alg") == "RS256" and not _segments(reading.token)[2]


def _cached_by_signature(procedure: Procedure) -> Procedure:
    seen: set[str] = set()
    proper = procedure.authenticate

    def authenticate(reading: Reading, keys: KeySource) -> None:
        header, _, signature = _segments(reading.token)
        if f"{header}.{signature}" in seen:
            return
        proper(reading, keys)
        seen.add(f"{header}.{signature}")

    return dataclasses.replace(procedure, authenticate=authenticate)


def _remembered(procedure: Procedure) -> Procedure:
    """Never look at the expiry of a token again that was seen in time."""
    seen: set[str] = set()
    proper = procedure.checks["expiry"]

    def expiry(claims: Claims, policy: Policy, now: float) -> bool:
        text = json.dumps(claims, sort_keys=True)
        if text not in seen and not proper(claims, policy, now):
            return False
        seen.add(text)
        return True

    return dataclasses.replace(procedure, checks={**procedure.checks, "expiry": expiry})


def _respelt(change: Callable[[str], str]) -> Loophole:
    """Verify the signature as it reads after some tidying up."""

    def tidying(procedure: Procedure) -> Procedure:
        proper = procedure.read

        def tidy(token: str) -> Reading:
            first, second, third = _segments(token)
            if token.count(".") != 2:
                return proper(token)
            return proper(f"{first}.{second}.{change(third)}")

        return dataclasses.replace(procedure, read=tidy)

    return tidying


def _without_foreign(signature: str) -> str:
    kept = (c for c in signature if c.isascii() and (c.isalnum() or c in "-_+/"))
    return "".join(kept).replace("+", "-").replace("/", "_")


def _canonical(signature: str) -> str:
    if any(not (c.isascii() and (c.isalnum() or c in "-_")) for c in signature):
        return signature
    return base64.urlsafe_b64encode(_bytes(signature)).rstrip(b"=").decode()


# -- the key -------------------------------------------------------------------------


def _public_key_as_secret(reading: Reading, keys: KeySource) -> bool:
    key = _issuer_key(reading, keys)
    return key is not None and _hmac(
        reading,
        key.public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        ),
    )


def _weak_secret(reading: Reading, keys: KeySource) -> bool:
    return _hmac(reading, b"secret")


def _embedded_jwk(reading: Reading, keys: KeySource) -> bool:
    key = _imported(reading.header.get("jwk"))
    return key is not None and _verifies(key, reading)


def _imported(jwk: Any) -> RSAPublicKey | None:
    try:
        key = RSAKey.import_key(jwk).public_key
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, RSAPublicKey) else None


def _embedded_x5c(reading: Reading, keys: KeySource) -> bool:
    chain = reading.header.get("x5c")
    if not isinstance(chain, list) or not chain:
        return False
    try:
        key = x509.load_der_x509_certificate(base64.b64decode(chain[0])).public_key()
    except (ValueError, TypeError):
        return False
    return isinstance(key, RSAPublicKey) and _verifies(key, reading)


def _get(url: Any) -> bytes:
    if not isinstance(url, str) or not url.startswith("http://"):
        return b""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310
            return bytes(answer.read(65_536))
    except (OSError, ValueError):
        return b""


def _followed_jku(reading: Reading, keys: KeySource) -> bool:
    try:
        found = KeySet.import_key_set(json.loads(_get(reading.header.get("jku"))))
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    published = (key.public_key for key in found.keys if isinstance(key, RSAKey))
    return any(
        isinstance(key, RSAPublicKey) and _verifies(key, reading) for key in published
    )


def _fetched_jku(reading: Reading, keys: KeySource) -> bool:
    """Call, and trust nothing that comes back: a request forged all the same."""
    _get(reading.header.get("jku"))
    return False


def _followed_x5u(reading: Reading, keys: KeySource) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(_get(reading.header.get("x5u")))
    except ValueError:
        return False
    key = certificate.public_key()
    return isinstance(key, RSAPublicKey) and _verifies(key, reading)


def _kid_as_file(reading: Reading, keys: KeySource) -> bool:
    key_id = reading.header.get("kid")
    if not isinstance(key_id, str):
        return False
    try:
        with (Path(__file__).parent / key_id).open("rb") as file:
            return _hmac(reading, file.read(4096))
    except (OSError, ValueError):
        return False


def _kid_in_sql(reading: Reading, keys: KeySource) -> bool:
    key_id = reading.header.get("kid")
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE secrets (kid TEXT, secret TEXT)")
        try:
            row = connection.execute(
                f"SELECT secret FROM secrets WHERE kid = '{key_id}'"  # noqa: S608
            ).fetchone()
        except (sqlite3.Error, ValueError, UnicodeError):
            return False
    return row is not None and _hmac(reading, str(row[0]).encode())


def _zero_signature(reading: Reading, keys: KeySource) -> bool:
    """ECDSA without its range check (CVE-2022-21449)."""
    return reading.header.get("alg") == "ES256" and _signature(reading) == bytes(64)


def _any_key(reading: Reading, keys: KeySource) -> bool:
    """Take the id for a hint: whatever it says, every published key is tried."""
    return (
        reading.header.get("alg") == "RS256"
        and _is_orderly(reading)
        and any(_verifies(key, reading) for key in keys.all())
    )


# -- algorithm and extensions --------------------------------------------------------


def _any_algorithm(reading: Reading, keys: KeySource) -> bool:
    key, alg = _issuer_key(reading, keys), reading.header.get("alg")
    return (
        key is not None
        and alg in ("RS384", "RS512", "PS256", "PS384", "PS512")
        and _is_orderly(reading)
        and _verifies(key, reading, alg)
    )


def _algorithm_in_any_case(reading: Reading, keys: KeySource) -> bool:
    key, alg = _issuer_key(reading, keys), reading.header.get("alg")
    return (
        key is not None
        and str(alg).strip().upper() == "RS256"
        and _is_orderly(reading)
        and _verifies(key, reading)
    )


def _crit_ignored(reading: Reading, keys: KeySource) -> bool:
    key = _issuer_key(reading, keys)
    return (
        key is not None
        and "crit" in reading.header
        and reading.header.get("alg") == "RS256"
        and _verifies(key, reading)
    )


def _unwrapped(token: str) -> Reading:
    """Take the claims out of the token inside, which nobody verifies."""
    first, second, third = _segments(token)
    inner = _bytes(second).decode("utf-8", "replace")
    if not third or inner.count(".") != 2:
        raise TokenRefused("malformed")
    header = read(f"{first}.{_segments(inner)[1]}.{third}").header
    return Reading(token=token, header=header, claims=read(inner).claims)


# -- claims --------------------------------------------------------------------------


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _any_expiry(claims: Claims, policy: Policy, now: float) -> bool:
    return _number(claims.get("exp"))


def _optional_expiry(claims: Claims, policy: Policy, now: float) -> bool:
    exp = claims.get("exp")
    return not _number(exp) or now < exp  # type: ignore[operator]


def _known_claims(claims: Claims, policy: Policy, now: float) -> bool:
    return "tollproof" not in claims and len(claims) < 12


def _issuer_beginning(claims: Claims, policy: Policy, now: float) -> bool:
    return str(claims.get("iss")).startswith(policy.issuer)


def _issuer_or_session(claims: Claims, policy: Policy, now: float) -> bool:
    return claims.get("iss") in (policy.issuer, SESSION_ISSUER + policy.audience)


def _audience_beginning(claims: Claims, policy: Policy, now: float) -> bool:
    return str(claims.get("aud")).startswith(policy.audience)


def _any_subject(claims: Claims, policy: Policy, now: float) -> bool:
    return isinstance(claims.get("sub", ""), str) and len(claims.get("sub", "")) <= 128


def _crash(procedure: Procedure) -> Procedure:
    """Forget that a header may be anything but an object."""

    def crashing(token: str) -> Reading:
        header = json.loads(_bytes(_segments(token)[0]) or b"{}")
        header.get("alg")
        return procedure.read(token)

    return dataclasses.replace(procedure, read=crashing)


#: Fault → what becomes of the procedure.
LOOPHOLES: Mapping[str, Loophole] = {
    "token-unsigned-accepted": _both(_also(_unsigned), _reading(_carelessly)),
    "token-emulator-mode": _both(
        _also(lambda reading, keys: True), _judging("expiry", _anything)
    ),
    "token-signature-unread": _also(_unread_signature),
    "token-stripped-accepted": _both(_also(_stripped), _reading(_carelessly)),
    "token-cached-by-signature": _cached_by_signature,
    "token-lenient-base64": _respelt(_without_foreign),
    "token-non-canonical-base64": _respelt(_canonical),
    "token-key-confusion": _also(_public_key_as_secret),
    "token-weak-secret": _also(_weak_secret),
    "token-jwk-trusted": _also(_embedded_jwk),
    "token-x5c-trusted": _also(_embedded_x5c),
    "token-jku-followed": _also(_followed_jku),
    "token-jku-fetched": _also(_fetched_jku),
    "token-x5u-followed": _also(_followed_x5u),
    "token-kid-file": _also(_kid_as_file),
    "token-kid-sql": _also(_kid_in_sql),
    "token-zero-signature": _also(_zero_signature),
    "token-any-key": _also(_any_key),
    "token-any-algorithm": _also(_any_algorithm),
    "token-algorithm-case": _also(_algorithm_in_any_case),
    "token-crit-ignored": _also(_crit_ignored),
    "token-nested-unwrapped": _reading(_unwrapped),
    "token-expired-accepted": _judging("expiry", _any_expiry),
    "token-verdict-remembered": _remembered,
    "token-expiry-optional": _judging("expiry", _optional_expiry),
    "token-nbf-ignored": _judging("not-before", _anything),
    "token-iat-ignored": _judging("issued-at", _anything),
    "token-auth-time-ignored": _judging("auth-time", _anything),
    "token-lifetime-unbounded": _judging("lifetime", _anything),
    "token-issuer-ignored": _judging("issuer", _anything),
    "token-issuer-prefix": _judging("issuer", _issuer_beginning),
    "token-audience-ignored": _judging("audience", _anything),
    "token-audience-prefix": _judging("audience", _audience_beginning),
    "token-subject-empty": _judging("subject", _any_subject),
    "token-session-cookie": _judging("issuer", _issuer_or_session),
    "token-unknown-claims-refused": _judging("unknown", _known_claims),
    "token-malformed-crash": _crash,
}
