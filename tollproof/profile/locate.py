"""Where each key of a TOML document stands, which `tomllib` does not tell.

Knows the syntax of a document that `tomllib` has already accepted, and no more: it
records line numbers and leaves values alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping

Path = tuple[str | int, ...]

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_LEAF = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|[^,\]}#\n]+",  # numbers, booleans, dates
    re.DOTALL,
)


def locate(text: str) -> Mapping[Path, int]:
    """Return the 1-based line of every table, key and array item by its path.

    A path is made of keys and array indices: `("waivers", 0, "check")`.
    """
    reader = _Reader(text.replace("\r\n", "\n"))
    reader.document()
    return reader.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of the longest known beginning of a path, or 0."""
    for length in range(len(path), 0, -1):
        if found := lines.get(path[:length]):
            return found
    return 0


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.tables: dict[Path, int] = {}  # arrays of tables -> index of the last

    def document(self) -> None:
        here: Path = ()
        while self._skip() < len(self.text):
            if self.text.startswith("[[", self.at):
                here = self._header(2)
            elif self.text.startswith("[", self.at):
                here = self._header(1)
            else:
                self._pair(here)

    def _header(self, brackets: int) -> Path:
        line = self._line()
        self.at += brackets
        keys = self._keys()
        self._skip()
        self.at += brackets
        path: Path = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            if number == len(keys) and brackets == 2:
                self.tables[path] = self.tables.get(path, -1) + 1
            self.lines.setdefault(path, line)  # a table may be there by its children
            if path in self.tables:
                path = (*path, self.tables[path])
        self.lines[path] = line
        return path

    def _pair(self, here: Path) -> None:
        line = self._line()
        for key in self._keys():
            here = (*here, key)
            self.lines.setdefault(here, line)
        self._skip()
        self.at += 1  # the equals sign
        self._value(here)

    def _value(self, here: Path) -> None:
        self._skip()
        opening = self.text[self.at : self.at + 1]
        if opening == "{":
            self._items("}", lambda number: self._pair(here))
        elif opening == "[":
            self._items("]", lambda number: self._item((*here, number)))
        elif match := _LEAF.match(self.text, self.at):
            self.at = match.end()

    def _item(self, here: Path) -> None:
        self.lines[here] = self._line()
        self._value(here)

    def _items(self, closing: str, read: Callable[[int], None]) -> None:
        self.at += 1
        number = 0
        while self._skip() < len(self.text) and self.text[self.at] != closing:
            if self.text[self.at] == ",":
                self.at += 1
                continue
            read(number)
            number += 1
        self.at += 1

    def _keys(self) -> list[str]:
        keys = []
        self._skip()
        while match := _KEY.match(self.text, self.at):
            keys.append(_unquoted(match[0]))
            self.at = match.end()
            if not (dot := _DOT.match(self.text, self.at)):
                break
            self.at = dot.end()
        return keys

    def _skip(self) -> int:
        gap = _GAP.match(self.text, self.at)
        self.at = gap.end() if gap else self.at
        return self.at

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1


def _unquoted(key: str) -> str:
    # Escapes are many; the parser that accepted the document knows them all.
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[0] in "\"'" else key
