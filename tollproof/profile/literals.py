"""Which text in a profile is a secret that should have been named, not written.

Knows the forms of well-known credentials and what a random string looks like. It
errs towards silence for ids, digests and patterns: hexadecimal text is never taken
for a secret, since object ids, key ids and fingerprints are written that way.
Must not put a value it has looked at into anything it returns.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tollproof.errors import Problem
from tollproof.profile.locate import Path

_FORMS = re.compile(
    r"(?P<key>\b(?:sk|rk|pk)_(?:live|test)_(?P<tail>[A-Za-z0-9]{8,}))"
    r"|\bsk-[A-Za-z0-9_-]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{20,}|\bnpm_[A-Za-z0-9]{30,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}"
    r"|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(?:Bearer|Basic|Token) +(?P<sent>[\w.~+/=-]{16,})",
    re.ASCII,
)
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#:@]*:[^/\s?#@]+@", re.IGNORECASE)
_TELLING_KEY = re.compile(
    r"(?:^|[_-])(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|cookie"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|authorization)$"
)
_SAYS_IT_IS_NONE = re.compile(
    r"(?:example|dummy|fake|placeholder|changeme|change-me|invalid|wrong|redacted"
    r"|not-a-|your[-_ ]|string$|password$|secret$|token$|test$|x{3,}|\*+|<.*>$"
    r"|\$\{.*\}$|\.{3}|…).*",
    re.IGNORECASE | re.DOTALL,
)
_FILES = ("iVBOR", "/9j/", "R0lGOD", "JVBER", "UEsDB", "H4sI", "UklGR")

# Text under these is a pattern, a schema or a place: only well-known forms count.
_PATTERNS = (
    ("promises", "keys"),
    ("promises", "errors"),
    ("promises", "headers"),
    ("lifecycle", "*", "key"),
    ("lifecycle", "*", "id"),
    ("client_lifecycle", "*", "id"),
    ("client_lifecycle", "*", "secret"),
    ("places",),
    ("waivers",),
    ("target", "openapi"),
    ("target", "tls"),
    ("sdk", "environment"),
)
# Ids may be long and random: Firebase user ids, nano ids, opaque object names.
_IDS = (
    ("target", "path_parameters"),
    ("identities", "*", "owns"),
    ("identities", "*", "subject"),
    ("identities", "*", "key_id"),
    ("identities", "*", "organisation"),
)

REMEDY = (
    "take it out, revoke it if it was real, and name where it is kept: "
    '{ env = "NAME" }, { file = "path" } or { command = […] }'
)


def literal_secrets(data: Mapping[str, Any]) -> Iterator[tuple[Path, Problem]]:
    """Find the secrets written into a parsed profile; yields path and problem."""
    promised = _promised_key(data)
    for path, text in _texts(data, ()):
        if what := _suspicion(path, text, promised):
            yield path, Problem(where="", message=what, remedy=_remedy(path))


def names_a_secret(text: str) -> bool:
    """Tell whether a text has the form of a well-known credential."""
    return _well_known(text)


def _remedy(path: Path) -> str:
    if path[:1] == ("identities",):
        return REMEDY
    return (
        "take it out, and revoke it if it was real: credentials belong to an identity, "
        'by name; an example value may say that it is one: "example-…"'
    )


def _suspicion(path: Path, text: str, promised: re.Pattern[str] | None) -> str:
    if _well_known(text):
        return "holds what looks like a credential"
    if _USERINFO.search(text):
        return "carries a password in a URL"
    if path[-1:] == ("env",) and _looks_random(text, least=20):
        return "names no variable but holds a long random text, as secrets are"
    if _under(path, _PATTERNS) or _names_a_place(path):
        return ""
    if promised and promised.search(text):
        return "holds a text of the form promised for keys"
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    if _TELLING_KEY.search(key.lower()) and not _SAYS_IT_IS_NONE.match(text):
        return "is written out, and its name says that it is a secret" if text else ""
    if _looks_random(text, least=44 if _under(path, _IDS) else 32):
        return "holds a long random text, as secrets are"
    return ""


def _well_known(text: str) -> bool:
    for match in _FORMS.finditer(text):
        random_part = match["tail"] or match["sent"]
        # `sk_live_xxxxxxxx` and `Bearer ................` are placeholders.
        if random_part is None or len(set(random_part)) >= 5:
            return True
    return False


def _looks_random(text: str, *, least: int) -> bool:
    if not least <= len(text) <= 200 or not re.fullmatch(r"[\w+/=.~-]+", text, re.A):
        return False
    if text.startswith((*_FILES, "/")) or re.fullmatch(r"[0-9A-Fa-f-]+", text):
        return False
    if sum(map(len, re.findall(r"[a-z]{3,}", text))) > 0.45 * len(text):
        return False  # made of words
    if re.search(r"[a-z]", text) is None or re.search(r"[A-Z]", text) is None:
        return False
    if len(re.findall(r"\d+", text)) < 3 or _bits_per_character(text) < 4.0:
        return False
    return not _is_encoded_text(text)


def _is_encoded_text(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).decode().isprintable()
    except (binascii.Error, ValueError):
        return False


def _bits_per_character(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _promised_key(data: Mapping[str, Any]) -> re.Pattern[str] | None:
    promises = data.get("promises")
    keys = promises.get("keys") if isinstance(promises, Mapping) else None
    prefix = keys.get("prefix") if isinstance(keys, Mapping) else None
    if not isinstance(prefix, str) or len(prefix) < 3:
        return None
    return re.compile(rf"{re.escape(prefix)}(?=[A-Za-z_-]*\d)[\w-]{{12,}}", re.ASCII)


def _names_a_place(path: Path) -> bool:
    return path[-1:] in {("env",), ("file",)} or "command" in path


def _under(path: Path, beginnings: tuple[tuple[str, ...], ...]) -> bool:
    return any(
        len(path) >= len(beginning)
        and all(b in ("*", p) for b, p in zip(beginning, path, strict=False))
        for beginning in beginnings
    )


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, (*path, number))
