"""Attacks on the signature that need no key but one of ours.

Unsigned tokens, stripped, wrong and re-encoded signatures, and genuine signatures over
something else. A changed claim under an old signature tests the signature.
"""

from __future__ import annotations

from collections.abc import Callable

from tollproof.identity import attack as a
from tollproof.identity.attack import REMOVE, Attack, Material, Needs, Unsuited

__all__ = ["EMULATOR", "SIGNATURE_ATTACKS"]

Form = Callable[[str], str]


def _third(change: Callable[[str], str]) -> Form:
    def form(token: str) -> str:
        head, _, signature = token.rpartition(".")
        new = change(signature)
        if new == signature:
            raise Unsuited("the genuine signature has no place for it")
        return f"{head}.{new}"

    return form


def _without_third(token: str) -> str:
    return token.rpartition(".")[0]


# -- no signature --------------------------------------------------------------------

_NONES = ("none", "None", "NONE", "nOnE", "nonE", "none ", "")

_UNSIGNED = (
    *(
        Attack(
            name=f'alg "{spelling}"',
            group="unsigned",
            wrong=f'that says alg "{spelling}" and has no signature',
            header={"alg": spelling},
            signature=a.empty,
        )
        for spelling in _NONES
    ),
    Attack(
        name="alg none over the old signature",
        group="unsigned",
        wrong="that says alg none and keeps a signature",
        header={"alg": "none"},
    ),
    Attack(
        name="alg none without the last dot",
        group="unsigned",
        wrong="that says alg none and has two segments",
        header={"alg": "none"},
        signature=a.empty,
        form=_without_third,
    ),
    Attack(
        name="alg absent",
        group="unsigned",
        wrong="whose header has no alg, unsigned",
        header={"alg": REMOVE},
        signature=a.empty,
    ),
    Attack(
        name="alg null",
        group="unsigned",
        wrong="whose alg is null, unsigned",
        header={"alg": None},
        signature=a.empty,
    ),
)

#: What the Firebase Auth emulator issues: no signature, no key id.
EMULATOR = Attack(
    name="an emulator's token",
    group="emulator-mode",
    wrong="as the Firebase Auth emulator issues it: alg none, no kid, no signature",
    header={"alg": "none", "kid": REMOVE},
    signature=a.empty,
)

_STRIPPED = (
    Attack(
        name="empty signature",
        group="stripped-signature",
        wrong="with the signature taken out",
        signature=a.empty,
    ),
    Attack(
        name="no third segment",
        group="stripped-signature",
        wrong="with the signature and its dot taken out",
        signature=a.empty,
        form=_without_third,
    ),
)

# -- a wrong signature ---------------------------------------------------------------


def _flip(place: int) -> Callable[[bytes], bytes]:
    def change(signature: bytes) -> bytes:
        data = bytearray(signature)
        data[place] ^= 0x01
        return bytes(data)

    return change


_WRONG_SIGNATURES: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("first bit changed", _flip(0)),
    ("last byte changed", _flip(-1)),
    ("cut to half", lambda signature: signature[: len(signature) // 2]),
    ("cut short by a byte", lambda signature: signature[:-1]),
    ("lengthened by a byte", lambda signature: signature + b"\x01"),
    ("all zero bytes", lambda signature: bytes(len(signature))),
    ("reversed", lambda signature: signature[::-1]),
)

_SIGNATURE = (
    *(
        Attack(
            name=f"signature {name}",
            group="signature",
            wrong=f"whose signature is {name}",
            signature=a.changed(change),
        )
        for name, change in _WRONG_SIGNATURES
    ),
    Attack(
        name="signature of an unknown key",
        group="signature",
        wrong="signed by a key that is not the issuer's, under the issuer's kid",
        needs=Needs.OWN_KEY,
        signature=a.own,
    ),
)


def _other_subject(material: Material) -> str:
    return f"{material.claims.get('sub', 'somebody')}-else"


def _later(material: Material) -> int:
    exp = material.claims.get("exp")
    return (int(exp) if isinstance(exp, int | float) else int(material.now)) + 1


_BOUND = (
    Attack(
        name="another subject under the old signature",
        group="payload-bound",
        wrong="whose sub was changed after it was signed",
        claims={"sub": _other_subject},
    ),
    Attack(
        name="a claim added under the old signature",
        group="payload-bound",
        wrong="to which a claim was added after it was signed",
        claims={"admin": True},
    ),
    Attack(
        name="a later expiry under the old signature",
        group="payload-bound",
        wrong="whose life was prolonged by a second after it was signed",
        claims={"exp": _later},
    ),
    Attack(
        name="a header member added under the old signature",
        group="payload-bound",
        wrong="to whose header a member was added after it was signed",
        header={"tollproof": "added"},
    ),
)

# -- the right signature in another encoding -----------------------------------------


def _non_canonical(signature: str) -> str:
    """Set the bits of the last character that stand for nothing."""
    unused = {2: 4, 3: 2}.get(len(signature) % 4, 0)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if not signature or not unused:
        raise Unsuited("a signature of this length has no unused bits")
    last = alphabet.index(signature[-1])
    return signature[:-1] + alphabet[last ^ 1]


def _standard(signature: str) -> str:
    return signature.replace("-", "+").replace("_", "/")


_ENCODING = (
    Attack(
        name="padded signature",
        group="encoding",
        wrong="whose signature is padded with =",
        form=_third(lambda text: text + "=" * (-len(text) % 4)),
    ),
    Attack(
        name="overlong padding",
        group="encoding",
        wrong="whose signature is followed by ====",
        form=_third(lambda text: text + "===="),
    ),
    Attack(
        name="standard alphabet",
        group="encoding",
        wrong="whose signature is written with + and /",
        form=_third(_standard),
    ),
    Attack(
        name="a foreign character",
        group="encoding",
        wrong="with a character inside its signature that is not base64url",
        form=_third(lambda text: f"{text[:8]}~{text[8:]}"),
    ),
    Attack(
        name="unused bits set",
        group="canonical-encoding",
        wrong="whose signature is encoded in another way with the same bytes",
        form=_third(_non_canonical),
    ),
)

SIGNATURE_ATTACKS = (*_UNSIGNED, *_STRIPPED, *_SIGNATURE, *_BOUND, *_ENCODING)
