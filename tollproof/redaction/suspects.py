"""Texts in an answer that may be a credential which nobody has pointed to.

Knows JSON and what keys look like. Errs on the side of silence: an id that is hidden
costs a reader little, a key that works and is written down costs its owner much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: Texts of one answer that are taken for credentials, and the length of the longest.
MOST, LONGEST = 50, 4096
_TEXT = re.compile(r"[!-~]{12,4096}")
_RANDOM = re.compile(r"[A-Za-z0-9_\-+/=.~]{20,4096}")
_PIECE = re.compile(r"[A-Za-z0-9_\-+/=.~]{12,4096}")
_NAMED = re.compile(r"key|secret|token|credential|passw|value", re.IGNORECASE)


def suspects(body: bytes, prefix: str = "") -> tuple[str, ...]:
    """Return the texts of an answer that may be a credential, each once.

    Args:
        prefix: the beginning that keys share, when one is promised.
    """
    text = body.decode("utf-8", "replace")
    try:
        pairs = list(_texts(json.loads(text)))
    except (ValueError, RecursionError):
        pairs = [("", item) for item in _PIECE.findall(text)]
    found = dict.fromkeys(
        value for name, value in pairs if _may_be_one(name, value, prefix)
    )
    return tuple(found)[:MOST]


def _may_be_one(name: str, value: str, prefix: str) -> bool:
    if not _TEXT.fullmatch(value) or "://" in value:
        return False
    if prefix and value.startswith(prefix):
        return True
    if _NAMED.search(name):
        return True
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return bool(_RANDOM.fullmatch(value)) and mixed and len(set(value)) >= 8


def _texts(document: Any) -> Iterator[tuple[str, str]]:
    """Yield every text of a document with the name of its member."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, str):
            yield name, item
        elif isinstance(item, dict):
            waiting += [(str(key), one) for key, one in item.items()]
        elif isinstance(item, list):
            waiting += [(name, one) for one in item]
