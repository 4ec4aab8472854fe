"""pydantic's errors as problems a profile's author can act on.

Knows every error type that the models can produce and says it in plain English, with
the line and a remedy. Must never put a value of the profile into a message.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tollproof.errors import Problem
from tollproof.profile.literals import names_a_secret
from tollproof.profile.locate import Path, line_of
from tollproof.profile.schema import known_keys, tables_knowing
from tollproof.profile.values import Flaw

_KINDS = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false, without quotes",
    "tuple_type": "a list in [brackets]",
    "mapping_type": "a table",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def problems(
    error: ValidationError, data: Mapping[str, Any], lines: Mapping[Path, int]
) -> Iterator[Problem]:
    """Turn a validation error into problems, the values left out.

    Args:
        data: the parsed document that was validated.
        lines: where its keys stand, from :func:`tollproof.profile.locate.locate`.
    """
    for item in error.errors(include_input=False, include_url=False):
        path = _real_path(item, data)
        for flaw in _flaws(item, path, data):
            whole = (*path, *(flaw.key.split(".") if flaw.key else ()))
            yield Problem(
                where=dotted(whole),
                line=line_of(lines, whole),
                message=flaw.message,
                remedy=flaw.remedy,
            )


def in_order(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems by line and keep the first of each place."""
    kept: dict[str, Problem] = {}
    for problem in found:
        kept.setdefault(problem.where, problem)
    return tuple(sorted(kept.values(), key=lambda problem: problem.line))


def dotted(path: Path) -> str:
    """Write a path as people do: `waivers[0].check`; a key that tells is left out."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = "…" if names_a_secret(part) else part
            plain = shown.replace("_", "").replace("-", "").isalnum() or shown == "…"
            text += f".{shown}" if plain else f'."{shown}"'
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word most like `word`, or ""."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def _flaws(item: ErrorDetails, path: Path, data: Mapping[str, Any]) -> list[Flaw]:
    kind, context = item["type"], item.get("ctx", {})
    match kind:
        case "flaws":
            return list(context["flaws"])
        case "missing":
            return [Flaw("", "is missing", "add it")]
        case "extra_forbidden":
            return [_unknown(path)]
        case "literal_error":
            return [_not_one_of(str(context["expected"]), _at(data, path))]
        case "string_too_short" | "too_short":
            return [Flaw("", "is empty", "fill it in or leave it out")]
        case "finite_number":
            return [Flaw("", "is not a finite number", "write a number")]
    if kind in _KINDS:
        return [Flaw("", "is of the wrong type", f"write {_KINDS[kind]}")]
    bounds = {
        "greater_than": ("gt", "more than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        return [Flaw("", "is out of range", f"write {words} {context[key]}")]
    # pydantic's own words never hold the value for the types left over.
    return [Flaw("", item["msg"][:1].lower() + item["msg"][1:])]


def _unknown(path: Path) -> Flaw:
    key, parent = str(path[-1]), path[:-1]
    known = known_keys(parent)
    if near := nearest(key, known):
        return Flaw("", "is not known here", f"did you mean {near}?")
    if tables := tables_knowing(key):
        places = " or ".join(f"[{table}]" if table else "the top" for table in tables)
        return Flaw("", "is not known here", f"it belongs to {places}")
    listed = ", ".join(known)
    return Flaw("", "is not known here", f"known here: {listed}" if listed else "")


def _not_one_of(expected: str, value: Any) -> Flaw:
    choices = [word for word in expected.split("'")[1::2] if word]
    near = nearest(value, choices) if isinstance(value, str) else ""
    hint = f"; did you mean '{near}'?" if near else ""
    return Flaw("", "is none of the values known", f"write {expected}{hint}")


def _real_path(item: ErrorDetails, data: Mapping[str, Any]) -> Path:
    """Drop what pydantic adds to a location: names of union members, `[key]`."""
    path: Path = ()
    here: Any = data
    for number, part in enumerate(item["loc"]):
        if _has(here, part):
            here, path = here[part], (*path, part)
        elif item["type"] == "missing" and number == len(item["loc"]) - 1:
            path = (*path, part)
    return path


def _has(here: Any, part: str | int) -> bool:
    if isinstance(here, list):
        return isinstance(part, int) and part < len(here)
    return isinstance(here, Mapping) and part in here


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data
