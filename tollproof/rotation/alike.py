"""Whether one refusal says what another does not, beside what every answer changes.

Knows that request ids, times and the like differ from answer to answer: two answers to
the same request show which parts these are. Must not know what was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from tollproof.model import Exchange

_WORD = re.compile(r"[^\s<>\"'=,;]+")


def difference(
    answer: Exchange, usual: Exchange, again: Exchange
) -> tuple[str, str] | None:
    """Return how an answer differs from two others that were asked alike.

    Returns:
        What it says and what they say instead; None when nothing tells it from them.
    """
    mine, other, third = _parts(answer), _parts(usual), _parts(again)
    steady = {place for place in other if other[place] == third.get(place)}
    unsteady = (set(other) | set(third)) - steady
    missing = (set(other) & set(third)) - set(mine)
    for place in [*steady, *missing, *(set(mine) - steady - unsteady)]:
        if mine.get(place) != other.get(place):
            return mine.get(place, "nothing"), other.get(place, "nothing")
    return None


def _parts(exchange: Exchange) -> Mapping[str, str]:
    """Return what an answer consists of, by where it stands."""
    response = exchange.response
    body = response.body if response else ""
    try:
        parts = dict(_leaves("", json.loads(body)))
    except (ValueError, RecursionError):
        parts = {str(n): word for n, word in enumerate(_WORD.findall(body))}
    challenge = response.header("WWW-Authenticate") if response else None
    return {"status": str(exchange.status), "challenge": challenge or "", **parts}


def _leaves(place: str, value: object) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[str, object]] = [(place, value)]
    while waiting:
        where, item = waiting.pop()
        if isinstance(item, dict):
            yield where, "{}"
            waiting += [(f"{where}/{name}", one) for name, one in item.items()]
        elif isinstance(item, list):
            yield where, "[]"
            waiting += [(f"{where}/{number}", one) for number, one in enumerate(item)]
        else:
            yield where, str(item)
