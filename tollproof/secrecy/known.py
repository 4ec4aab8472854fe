"""Finds the run's own credentials, and texts of the promised format, in bytes.

Knows the redactor, which knows every encoding, and the format of keys. Takes time
linear in the bytes: long lines, binary data and escapes cost no more than others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tollproof.model import Leak
from tollproof.redaction import Redactor
from tollproof.secrecy.finding import Finding

#: Bytes looked at in one go, and how far two goes overlap: longer than any form of a
#: credential, so that none is cut in two.
PIECE, OVERLAP = 1 << 20, 1 << 13
#: A text of the promised format with fewer different characters is an example.
_VARIED = 10
#: How the kind of a finding ends that is not the whole credential.
_PART = ", in part)"
#: Findings of one place after which it is looked at no further.
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is looked for.

    Attributes:
        format: what a key looks like, searched anywhere; None to look for known ones.
        beside: labels that are redacted to be safe, and judged by nobody.
    """

    redactor: Redactor = field(repr=False)
    format: re.Pattern[bytes] | None = None
    beside: frozenset[str] = frozenset()

    def find(self, data: bytes, where: str) -> tuple[Finding, ...]:
        """Return what is in the data, each with its line, counted from 1."""
        found: dict[Finding, None] = {}
        start, line = 0, 1
        while start < len(data):
            piece = data[start : start + PIECE + OVERLAP]
            for finding in self._find(piece, where, line):
                found[finding] = None
            if len(found) >= MOST:
                break
            line += data.count(b"\n", start, start + PIECE)
            start += PIECE
        # Where a piece ends it may hold a part of what the next one holds whole.
        return tuple(
            item
            for item in found
            if not item.kind.endswith(_PART)
            or Finding(where=item.where, kind=item.kind.replace(_PART, ")"))
            not in found
        )

    def leaks(self, data: bytes) -> tuple[Leak, ...]:
        """Return what data of a moderate size gives away."""
        found = self.redactor.find(data, "")
        return tuple(leak for leak in found if leak.credential not in self.beside)

    def _find(self, piece: bytes, where: str, line: int) -> Iterator[Finding]:
        leaks = self.leaks(piece)
        own = self._format_only(piece) if self.format else []
        if not leaks and not own:
            return
        # Only a piece with something in it is looked at line by line.
        seen: set[tuple[str, str]] = set()
        for number, text in enumerate(piece.split(b"\n"), line):
            for leak in self.leaks(text) if leaks else ():
                seen.add((leak.credential, leak.encoding))
                yield Finding(where=f"{where}:{number}", kind=_kind(leak))
            for _ in self._format_only(text) if own else ():
                yield Finding(
                    where=f"{where}:{number}", kind="a text of the promised key format"
                )
        for leak in leaks:
            # Found across lines only: a key broken in two.
            if (leak.credential, leak.encoding) not in seen:
                yield Finding(where=where, kind=_kind(leak))

    def _format_only(self, text: bytes) -> list[bytes]:
        """Return texts of the format that are not credentials of the run."""
        if self.format is None:
            return []
        found = [match[0] for match in self.format.finditer(text)]
        return [
            item for item in found if len(set(item)) >= _VARIED and not self.leaks(item)
        ]


def _kind(leak: Leak) -> str:
    return f"{leak.credential} ({leak.encoding}{')' if leak.complete else _PART}"


def anywhere(pattern: str | None) -> re.Pattern[bytes] | None:
    """Return a promised format, which is about a whole key, as one to search for.

    A format that begins with no literal text would match half of every file; it is
    not searched for.
    """
    if not pattern:
        return None
    bare = pattern.removeprefix("^").removesuffix("$")
    if not re.match(r"[A-Za-z0-9]{2,}[_-]|[A-Za-z]{4,}", bare):
        return None
    return re.compile(rb"(?<![A-Za-z0-9_-])(?:" + bare.encode() + rb")(?![A-Za-z0-9])")
