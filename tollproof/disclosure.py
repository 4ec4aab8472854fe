"""What an error tells about the inside of a deployment.

Knows the marks of stack traces, queries, paths, versions and hosts. Must not flag what
was sent by the caller's own hand: paths of the API, words such as "select" in prose.
Pure: text in, first finding out. `tests/test_disclosure.py` holds the tables of what
must and must not be flagged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One thing that should not have been told.

    Attributes:
        kind: what it is, in words that follow "an error with".
        excerpt: the telling part, at most 160 characters.
    """

    kind: str
    excerpt: str


#: Kind → pattern; the first that matches is reported.
_MARKS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, flags))
    for kind, pattern, flags in (
        (
            "a Python stack trace",
            r"Traceback \(most recent call last\)"
            r"|File \\?\"[^\"\n]+\.py\\?\", line \d+",
            0,
        ),
        (
            "a Java stack trace",
            r"\bat (?:[\w$]{1,80}\.){1,20}[\w$<>]{1,80}"
            r"\([\w$]{1,80}\.(?:java|kt|scala):\d+\)"
            r"|\b(?:java|javax|org\.springframework)\.[\w.]{1,200}(?:Exception|Error)\b",
            0,
        ),
        (
            "a .NET stack trace",
            r"\bat [\w.<>`]{1,200}\([^)\n]{0,200}\) in [^\n]{1,200}:line \d+"
            r"|\bSystem\.\w{1,80}Exception\b",
            0,
        ),
        (
            "a JavaScript stack trace",
            r"\bat (?:[\w.<>$ \[\]]{1,120} \()?(?:file://|/|[A-Z]:\\|node:)"
            r"[^\s)]{1,200}:\d+:\d+\)?",
            0,
        ),
        (
            "a Go stack trace",
            r"\bgoroutine \d+ \[[^\]]+\]:|\bpanic: runtime error",
            0,
        ),
        (
            "a PHP stack trace",
            r"#\d+ /[^\s(]{1,200}\.php\(\d+\)|\bon line <b>\d+</b>",
            0,
        ),
        ("a Ruby stack trace", r"\.rb:\d+:in [`']", 0),
        (
            "a database error",
            r"\bSQLSTATE\[?\w|\bORA-\d{5}\b|\bpsycopg2?\.|\bsqlite3?\.\w*Error"
            r"|\b(?:SQLITE_[A-Z]{4,}|PG::\w+Error|MySqlException)\b"
            r"|syntax error at or near \""
            r"|You have an error in your SQL syntax|no such (?:table|column): \w"
            r"|relation \"[^\"]+\" does not exist|UNIQUE constraint failed: \w",
            re.IGNORECASE,
        ),
        (
            "an SQL statement",
            r"\bSELECT\s+[\w*\"`.,\s()]{1,300}?\s+FROM\s+[\w\"`.]{1,100}"
            r"(?:\s+WHERE\b|\s*;|\s+LIMIT\b)"
            r"|\bINSERT\s+INTO\s+[\w\"`.]+\s*\(|\bUPDATE\s+[\w\"`.]+\s+SET\s+\w+\s*="
            r"|\bDELETE\s+FROM\s+[\w\"`.]+\s+WHERE\b",
            re.IGNORECASE,
        ),
        (
            "a path of the server's file system",
            r"(?<![\w/.:])/(?:usr|var|home|opt|srv|app|root|etc|tmp)/"
            r"(?:[\w.@+-]{1,80}/){1,20}[\w.@+-]{1,80}\.\w{1,5}\b"
            r"|\b[A-Z]:\\(?:[\w .-]{1,80}\\){1,20}[\w .-]{1,80}",
            0,
        ),
        (
            "the name of a class or function inside",
            r"<(?:class|function|module|bound method) ['\w][^>]{2,80}>"
            r"|\w object at 0x[0-9a-f]{6,16}\b",
            0,
        ),
        (
            "a version of the software behind it",
            r"\b(?:nginx|Apache|openresty|Werkzeug|gunicorn|uvicorn|Express|PHP|Tomcat|"
            r"Jetty|IIS|Python|Django|Flask|Rails|PostgreSQL|MySQL|Redis|Kestrel)"
            r"[/ ]v?\d+\.\d+",
            0,
        ),
        (
            "a private address or host",
            r"\b(?:10\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.\d{1,3}\b"
            r"(?::\d+)?|(?<=\w)\.(?:internal|cluster\.local)\b",
            0,
        ),
    )
)

#: Characters around a mark that are shown.
_AROUND = 40
#: Characters of a body that are searched.
_SEARCHED = 65_536


def find_disclosure(text: str) -> Disclosure | None:
    """Return the first thing in a body that should not have been told, or None."""
    for kind, pattern in _MARKS:
        found = pattern.search(text, 0, _SEARCHED)
        if found is not None:
            start = max(found.start() - _AROUND, 0)
            end = min(found.end() + _AROUND, start + 160)
            return Disclosure(kind=kind, excerpt=" ".join(text[start:end].split()))
    return None
