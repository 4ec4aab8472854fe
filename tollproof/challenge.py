"""`WWW-Authenticate` fields → challenges, by the grammar of RFC 9110, 11.3.

Knows the grammar and nothing of what a deployment promises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t !-~\x80-\xff])*"'
_PARAMETER = re.compile(rf"({_WORD})[ \t]*=[ \t]*({_WORD}|{_QUOTED})")
_VALUE68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_SCHEME = re.compile(_WORD)
_BLANKS = re.compile(r"[ \t]*")
_COMMAS = re.compile(r"[ \t,]*")


class ChallengeError(ValueError):
    """A field that does not follow the grammar; the text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One challenge.

    Attributes:
        scheme: as it was written.
        parameters: names in lower case, values without quotes.
        token68: the single value of schemes such as Negotiate; empty otherwise.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    token68: str = ""


def parse_challenges(text: str) -> tuple[Challenge, ...]:
    """Parse a field value, several field lines joined with commas.

    Raises:
        ChallengeError: it does not follow RFC 9110, 11.3 and 11.6.1.
    """
    challenges: list[Challenge] = []
    place = _COMMAS.match(text).end()  # type: ignore[union-attr]
    while place < len(text):
        scheme = _SCHEME.match(text, place)
        if scheme is None:
            raise ChallengeError(f"no scheme at {text[place : place + 20]!r}")
        parameters, token68, place = _rest(text, scheme.end())
        challenges.append(
            Challenge(scheme=scheme[0], parameters=parameters, token68=token68)
        )
    if not challenges:
        raise ChallengeError("no challenge at all")
    return tuple(challenges)


def _rest(text: str, place: int) -> tuple[dict[str, str], str, int]:
    """Read what follows a scheme, up to the next scheme or the end."""
    if place == len(text) or text[place] == ",":
        return {}, "", _skip(_COMMAS, text, place)
    if text[place] not in " \t":
        raise ChallengeError(f"{text[place]!r} after a scheme")
    place = _skip(_BLANKS, text, place)
    single = _VALUE68.match(text, place)
    alone = single and _skip(_BLANKS, text, single.end()) in _ends(text)
    if single and alone and not _PARAMETER.match(text, place):
        return {}, single[0], _skip(_COMMAS, text, single.end())
    parameters: dict[str, str] = {}
    while parameter := _PARAMETER.match(text, place):
        name = parameter[1].lower()
        if name in parameters:
            raise ChallengeError(f"parameter {name} stands twice")
        parameters[name] = _unquoted(parameter[2])
        end = _skip(_BLANKS, text, parameter.end())
        if end < len(text) and text[end] != ",":
            raise ChallengeError(f"{text[end : end + 10]!r} after parameter {name}")
        place = _skip(_COMMAS, text, end)
    if not parameters:
        raise ChallengeError(f"neither parameters nor a value at {text[place:][:20]!r}")
    return parameters, "", place


def _ends(text: str) -> set[int]:
    return {len(text), *(index for index, letter in enumerate(text) if letter == ",")}


def _skip(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return found.end() if found else place


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1])
