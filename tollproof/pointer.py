"""JSON pointers (RFC 6901) into parsed documents."""

from __future__ import annotations

from typing import Any, Final


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: What :func:`resolve` returns where there is nothing: not even null.
MISSING: Final = _Missing()


def resolve(document: Any, pointer: str) -> Any:
    """Return what a pointer points at, or MISSING."""
    value = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value
