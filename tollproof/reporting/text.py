"""Strings from a hostile target, made inert and of bounded length.

Knows which characters act on a reader's screen instead of being read. Must not know
any report format: each escapes its own mark-up on top of what is done here.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["clip", "laid_out", "one_line", "plain_json", "visible", "visible_json"]

# C0 and C1 controls but tab and newline; soft hyphen; zero-width, bidirectional and
# other invisible format characters; line and paragraph separators; variation
# selectors' supplement and tags; lone surrogates; noncharacters (XML refuses
# U+FFFE and U+FFFF, and no other has a meaning in text).
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\ud800-\udfff\ufdd0-\ufdef\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
    + "".join(
        f"{chr((plane << 16) | 0xFFFE)}-{chr((plane << 16) | 0xFFFF)}"
        for plane in range(1, 17)
    )
    + "]"
)
# More combining marks than any script stacks: they would paint over other lines.
_STACKED = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def visible(text: str) -> str:
    r"""Return the text with every acting character spelt out, as `\x1b` or `\u202e`.

    Tab and newline stay: who cannot have them calls :func:`one_line`.
    """
    if text.isascii() and text.isprintable():  # as nearly all of a report's texts are
        return text
    return _STACKED.sub(r"\1…", _ACTING.sub(_spelt, text))


def one_line(text: str) -> str:
    r"""As :func:`visible`, with tab and newline spelt out too."""
    return visible(text).replace("\n", r"\n").replace("\t", r"\t")


def clip(text: str, limit: int) -> str:
    """Return at most `limit` characters, saying how many were left off."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [{len(text) - limit:,} more characters]"


def plain_json(value: Any) -> Any:
    """Return the value with what JSON cannot say replaced.

    Not-a-number and the infinities become their names as text, lone surrogates are
    spelt out, keys become text: every strict parser can read what comes out.
    """
    return _walk(value, lambda text: _SURROGATE.sub(_spelt, text))


def visible_json(value: Any) -> Any:
    """As :func:`plain_json`, with every string made :func:`visible` as well."""
    return _walk(value, visible)


def laid_out(document: dict[str, Any]) -> str:
    """Return the document as JSON, a member a line and of a long list an item a line.

    Fit to be read and compared line by line, as `indent` would make it; but `indent`
    is written in Python, and takes ten times as long for the thousands of results.

    Raises:
        ValueError: a figure in it is one that JSON has no word for.
    """
    return _members(document) + "\n"


def _members(value: dict[str, Any]) -> str:
    lines = (f"{json.dumps(key)}: {_member(item)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + "\n}"


def _member(value: Any) -> str:
    if isinstance(value, dict) and value:
        return _members(value)
    if isinstance(value, list) and value:
        items = (json.dumps(item, allow_nan=False) for item in value)
        return "[\n" + ",\n".join(items) + "\n]"
    return json.dumps(value, allow_nan=False)


_SURROGATE = re.compile("[\ud800-\udfff]")


def _walk(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {change(str(key)): _walk(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, change) for item in value]
    return value


def _spelt(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0x0D:
        return r"\r"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
