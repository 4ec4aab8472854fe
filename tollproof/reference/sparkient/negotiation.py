"""Media types: what a caller accepts, and what it sends.

RFC 9110, 12.5.1 and 8.3. Knows header values and nothing else.
"""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*([^\s;/]+)/([^\s;/]+)\s*((?:;[^,]*)?)")
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def accepts(accept: bytes, media_type: str) -> bool:
    """Tell whether an Accept field allows a media type.

    The most specific range that covers the type decides, as the RFC says. A field that
    is absent, or in which no range can be read, allows everything.
    """
    if not accept or accept == b"*/*":
        return True
    wanted, _, subtype = media_type.partition("/")
    ranks: dict[int, float] = {}
    read = 0
    for part in accept.decode("latin-1").lower().split(","):
        if not (match := _RANGE.fullmatch(part)):
            continue
        read += 1
        quality = _QUALITY.search(match[3])
        rank = {
            (wanted, subtype): 2,
            (wanted, "*"): 1,
            ("*", "*"): 0,
        }.get((match[1], match[2]))
        if rank is not None:
            value = float(quality[1]) if quality else 1.0
            ranks[rank] = max(value, ranks.get(rank, 0.0))
    return not read or (bool(ranks) and ranks[max(ranks)] > 0)


def is_json(content_type: bytes) -> bool:
    """Tell whether a Content-Type is JSON in UTF-8 (RFC 8259, 8.1)."""
    kind, _, parameters = content_type.decode("latin-1").lower().partition(";")
    if kind.strip() != "application/json":
        return False
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters)
    return charset is None or charset[1] in ("utf-8", "utf8")
