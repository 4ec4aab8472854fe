r"""A request as a shell line that sends it again.

Knows curl's options and bash's quoting. Must not know a secret: where one was
redacted to `[redacted:alpha]`, the line reads `$ALPHA_KEY` from the environment.

Whatever the request holds, bash sees one simple command: every argument is quoted,
`$'\x1b'` for what cannot be typed, and no argument is read as an option or a file.
"""

from __future__ import annotations

import re

from tollproof.model import Request

__all__ = ["curl", "placeholder"]

_MARK = re.compile(r"\[redacted:([^\]\n]{1,200})\]")
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What curl writes itself, and would write twice or wrongly if told to.
_OWN = frozenset({"content-length", "transfer-encoding", "connection"})


def curl(request: Request, *, limit: int = 8_000) -> str:
    """Return one line of bash, or a comment line saying why there is none.

    Args:
        request: as recorded, redacted.
        limit: characters; a longer line is not given, since it could not be pasted.
    """
    if "\x00" in request.url + request.method + request.body:
        return "# No curl line: the request holds a NUL, which no argument can."
    words = ["curl", "--include", "--path-as-is", "--globoff", "--max-time", "30"]
    if request.method == "HEAD" and not request.body:
        words.append("--head")
    elif request.method != ("POST" if request.body else "GET"):
        words += ["--request", request.method]
    host = request.url.partition("://")[2].partition("/")[0]
    notes = ["sent byte by byte; curl may put it right"] if request.raw else []
    for name, value in request.headers:
        if name.lower() in _OWN or (name.lower(), value) == ("host", host):
            continue
        if not _TOKEN.fullmatch(name) or "\x00" in value:
            notes.append("without a header that curl cannot send")
            continue
        # `Name:` would remove the header; `Name;` is how curl sends it empty.
        words += ["--header", f"{name}: {value}" if value.strip() else f"{name};"]
    if request.body:
        words += ["--data-raw", request.body]
        if len(request.body.encode("utf-8", "replace")) < request.body_bytes:
            notes.append("with the recorded part of the body only")
    words += ["--url", request.url]
    line = " ".join(_quoted(word) for word in words)
    if len(line) > limit:
        return (
            "# No curl line: the request is too long to paste; see the evidence file."
        )
    return line + "".join(f"  # {note}" for note in dict.fromkeys(notes))


def placeholder(label: str) -> str:
    """Return the name of the variable that stands for a credential: `ALPHA_KEY`."""
    name = re.sub(r"[^A-Z0-9]+", "_", label.upper()).strip("_") or "REDACTED"
    return f"_{name}_KEY" if name[0].isdigit() else f"{name}_KEY"


def _quoted(word: str) -> str:
    """Quote for bash; redaction marks become variables in double quotes."""
    parts = _MARK.split(word)
    if len(parts) == 1:
        return _literal(word)
    out = []
    for place, part in enumerate(parts):
        if place % 2:
            out.append(f'"${placeholder(part)}"')
        elif part:
            out.append(_literal(part))
    return "".join(out)


def _literal(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "'\\''") + "'"
    return "$'" + "".join(_ansi_c(char) for char in text) + "'"


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char.isprintable():
        return char
    # Octal takes at most three digits, so that what follows cannot join in.
    data = char.encode("utf-8", "replace")
    return "".join(f"\\{byte:03o}" for byte in data)
