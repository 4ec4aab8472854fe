"""Whether a list goes on elsewhere, and where.

Knows Link fields (RFC 8288) and the members by which APIs say that there is more. Must
not know what is listed.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

#: Pages that are followed.
MOST_PAGES = 50
_LINK = re.compile(r"<([^<>]{1,2000})>\s*((?:;[^,<>]{1,200})*)")
_NEXT = re.compile(r";\s*rel\s*=\s*\"?(?:[\w-]+\s+)*next\b", re.IGNORECASE)
#: Members that name the next page, and members that say whether there is one.
_NAMES = re.compile(
    r"next|next_?(?:page|cursor|token|url|link|href|page_?token|marker)"
    r"|continuation_?token",
    re.IGNORECASE,
)
_FLAGS = re.compile(
    r"has_?(?:more|next|next_?page)|is_?truncated|more|incomplete(?:_results)?",
    re.IGNORECASE,
)


def next_query(fields: str | None, url: str) -> str | None:
    """Return the query of the next page, as Link fields tell it.

    Args:
        url: of this page; a next one at another path is not followed.
    """
    for match in _LINK.finditer(fields or ""):
        if _NEXT.search(match[2]):
            found = urlsplit(urljoin(url, match[1]))
            here = urlsplit(url)
            if found._replace(query="", fragment="") == here._replace(query=""):
                return str(found.query)
    return None


def goes_on(document: object) -> bool:
    """Whether a document says that there are further pages.

    Looked for at its top, and in objects there (`pagination`, `meta`, `links`).
    """
    if not isinstance(document, dict):
        return False
    inner = [item for item in document.values() if isinstance(item, dict)]
    return any(
        (bool(_NAMES.fullmatch(name)) and isinstance(value, str | int) and bool(value))
        or (bool(_FLAGS.fullmatch(name)) and value is True)
        or (name == "next" and isinstance(value, dict) and bool(value))
        for item in (document, *inner)
        for name, value in item.items()
        if isinstance(name, str)
    )
