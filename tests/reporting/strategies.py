"""Hypothesis builds any run at all, every string of it hostile.

Knows the model by its type hints alone, so that a field added to it is covered by the
tests of every format from the same day.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Any

from hypothesis import strategies as st

from tollproof.model import Request, Run

__all__ = ["HOSTILE", "LONG", "hostile_text", "requests", "runs"]

#: What a hostile target would like to see in a report, a log or a terminal.
HOSTILE = (
    "<script>window.pwned=1</script>",
    "</script><img src=x onerror=window.pwned=1>",
    "</style><svg onload=window.pwned=1>",
    "\"><a href='javascript:window.pwned=1'>x</a>",
    "--><!--",
    "]]><failure/>",
    "]]>&x;<?php ?>",
    "{{ 7*7 }}{% raw %}${7*7}",
    "\x00",
    "\ud800 \udfff",
    "\x1b[31m\x1b]0;owned\x07\x9b2J",
    "\u202egnp.exe\u2066\u061c",
    "```\n# heading\n```",
    "| a | b |\n|---|---|",
    "`x` **b** _i_ ~~s~~ [t](http://evil.example) ![i](http://evil.example/i.png)",
    "http://evil.example www.evil.example me@evil.example @admin #1 GH-1",
    "<https://evil.example> <details open>",
    "javascript:window.pwned=1",
    "data:text/html,<script>1</script>",
    "1. one\n- two\n> three\n    four\n***",
    "'; rm -rf / #$(id)`id`\"",
    "--output=/etc/passwd",
    "@/etc/passwd",
    "[redacted:alpha]",
    "%00%0d%0aSet-Cookie: a=b",
    "a\r\nb\tc\u2028d\u2029e\ufeff",
    "Z\u0341" + "\u0301" * 60,
    "\U000e0041\ufffe\uffff\U0010ffff",
    "👩‍👩‍👧 日本語 العربية",
    "",
    " ",
    ".",
    "9" * 300,
)
#: Lines too long for Hypothesis to print when a test fails.
LONG = ("9" * 5_000, "A" * 10_000, "<" * 4_000, "\u0301" * 5_000)

_ANY = st.text(st.characters(exclude_categories=()), max_size=20)
hostile_text = st.one_of(
    st.sampled_from(HOSTILE),
    _ANY,
    st.tuples(_ANY, st.sampled_from(HOSTILE), _ANY).map("".join),
)

_points = st.lists(
    st.lists(st.one_of(st.integers(-10, 10**20), st.floats()), min_size=2, max_size=2),
    max_size=4,
)
_chart = st.fixed_dictionaries(
    {
        "title": hostile_text,
        "series": st.lists(
            st.fixed_dictionaries(
                {"name": hostile_text, "points": _points},
                optional={"kind": st.sampled_from(["step", "line", "points"])},
            ),
            max_size=3,
        ),
    },
    optional={
        "x_label": hostile_text,
        "y_label": hostile_text,
        "promise": st.one_of(st.none(), st.floats(), hostile_text),
        "bands": st.lists(
            st.fixed_dictionaries(
                {
                    "from": st.floats(-5, 50),
                    "to": st.floats(-5, 50),
                    "label": hostile_text,
                }
            ),
            max_size=2,
        ),
        "marks": st.lists(
            st.fixed_dictionaries({"x": st.floats(-5, 50), "label": hostile_text}),
            max_size=2,
        ),
    },
)
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), hostile_text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(hostile_text, inner, max_size=2)
    ),
    max_leaves=4,
)
_measurements = st.one_of(
    st.dictionaries(hostile_text, _json, max_size=2),
    st.fixed_dictionaries({"chart": st.one_of(_chart, _json)}),
    st.fixed_dictionaries({"charts": st.lists(_chart, max_size=2)}),
)


def _of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a type of the model."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(_of(arg) for arg in args))
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(_of(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(_of(arg) for arg in args))
    if origin is not None and issubclass(origin, Mapping):
        if args[1] is Any:
            return _measurements
        return st.dictionaries(_of(args[0]), _of(args[1]), max_size=2)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return st.builds(
            kind,
            **{item.name: _of(hints[item.name]) for item in dataclasses.fields(kind)},
        )
    if issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: hostile_text,
        bool: st.booleans(),
        int: st.integers(-(2**40), 2**40),
        float: st.floats(allow_nan=False, allow_infinity=False),
        date: st.dates(),
        types.NoneType: st.none(),
    }
    return simple[kind]


requests: st.SearchStrategy[Request] = _of(Request)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Draw a run whose results refer to its checks and exchanges."""
    run: Run = draw(_of(Run))
    checks = [spec.id for spec in run.checks]
    seen = [item.id for item in run.exchanges]
    results = []
    for result in run.results:
        check = draw(st.sampled_from([result.check, *checks]))
        result = replace(result, check=check)
        if seen:
            cited = draw(st.lists(st.sampled_from(seen), max_size=3))
            result = replace(
                result, verdict=replace(result.verdict, exchanges=tuple(cited))
            )
        results.append(result)
    return replace(run, results=tuple(results))
