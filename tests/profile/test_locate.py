"""The locator agrees with `tomllib` on what is there, and with the eye on where."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.profile.examples import FULL
from tollproof.profile.emit import toml_key, toml_value
from tollproof.profile.locate import Path, line_of, locate

TRICKY = '''\
# [not.a.table]
top = 1 # = 2
"quoted key" = 'a # b'
a.b . "c.d" = [ # [x]
  1, "]", # comment ]
  { deep = [ { er = 2 } ] },
  """
[fake]
key = 3
\\""" still """"",
]
date = 1979-05-27 07:32:00
[ table . sub ]
text = """
[[also.fake]]
"""
literal = \'\'\'
x = 1\'\'\'
[[list]]
one = 1
[list.inner]
two = 2
[[list.more]]
three = 3
[[list]]
one = 4
inner = { two = 5 }
"\\u00e9\\U0001F511" = true
'''


def paths(data: Any, here: Path = ()) -> set[Path]:
    """Every path of parsed data."""
    if isinstance(data, dict):
        found = {(*here, key) for key in data}
        return found.union(*(paths(item, (*here, key)) for key, item in data.items()))
    if isinstance(data, list):
        found = {(*here, number) for number in range(len(data))}
        return found.union(*(paths(v, (*here, n)) for n, v in enumerate(data)))
    return set()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TRICKY, id="tricky"),
        pytest.param(TRICKY.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(FULL, id="full"),
        pytest.param("", id="empty"),
        pytest.param("a=1", id="least"),
    ],
)
def test_every_key_and_nothing_else_is_located(text: str) -> None:
    assert set(locate(text)) == paths(tomllib.loads(text))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("a", "b", "c.d"), 4),
        (("a", "b", "c.d", 1), 5),
        (("a", "b", "c.d", 2, "deep", 0, "er"), 6),
        (("a", "b", "c.d", 3), 7),
        (("date",), 12),
        (("table", "sub"), 13),
        (("table", "sub", "literal"), 17),
        (("list", 0, "one"), 20),
        (("list", 0, "inner", "two"), 22),
        (("list", 0, "more", 0, "three"), 24),
        (("list", 1), 25),
        (("list", 1, "inner", "two"), 27),
        (("list", 1, "é🔑"), 28),
    ],
)
def test_lines_are_those_one_would_point_at(path: Path, line: int) -> None:
    assert locate(TRICKY)[path] == line


def test_an_unknown_key_is_sought_near_its_table() -> None:
    lines = locate(TRICKY)
    assert line_of(lines, ("list", 0, "inner", "absent", "more")) == 21
    assert line_of(lines, ("absent",)) == 0


words = st.text(min_size=1, max_size=6)
leaves = st.booleans() | st.integers(-9, 9) | st.text(max_size=12) | st.floats(-9, 9)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(words, st.dictionaries(words, trees, max_size=4), max_size=4))
def test_whatever_is_written_is_read_back_and_located(data: dict[str, Any]) -> None:
    lines: list[str] = []
    expected: dict[Path, int] = {}
    for table, items in data.items():
        lines.append(f"[{toml_key(table)}]")
        expected[(table,)] = len(lines)
        for key, value in items.items():
            lines += ["# x = 1", f"{toml_key(key)} = {toml_value(value)}"]
            expected[table, key] = len(lines)
    text = "\n".join(lines)
    assert tomllib.loads(text) == data
    found = locate(text)
    assert set(found) == paths(data)
    assert {path: found[path] for path in expected} == expected
