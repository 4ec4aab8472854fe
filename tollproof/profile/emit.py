"""Plain values as TOML text, which `tomllib` does not write.

Knows the syntax. Must not know what a profile is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def toml_value(value: Any) -> str:
    """Write a value on one line.

    Raises:
        ValueError: TOML has no such value: null, a number that is not finite, an
            object that is not plain JSON.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 1 << 63:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        pairs = ", ".join(
            f"{toml_key(str(key))} = {toml_value(item)}" for key, item in value.items()
        )
        return f"{{ {pairs} }}" if pairs else "{}"
    raise ValueError("TOML has no such value")


def toml_string(text: str) -> str:
    """Write a text in quotes; lone surrogates, which UTF-8 has not, are replaced."""
    text = text.encode("utf-8", "replace").decode()
    return '"' + "".join(_escaped(character) for character in text) + '"'


def toml_key(key: str) -> str:
    """Write a key, in quotes where it must."""
    return key if _BARE.fullmatch(key) else toml_string(key)


def comment(text: str) -> str:
    """Make a text of any origin fit for one comment line; without the `#`."""
    text = text.encode("utf-8", "replace").decode()
    shown = "".join(ch if ch.isprintable() else " " for ch in text)
    return " ".join(shown.split())


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character in _SHORT:
        return _SHORT[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"
