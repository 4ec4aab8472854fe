"""Credentials of the run in its answers, as they were found before being redacted.

Knows in which part of an answer a leak stands, and the one answer that may hold a key:
the one that creates it.
"""

from __future__ import annotations

from enum import StrEnum

from tollproof.deployment import CREATED
from tollproof.lifecycle import UNREAD
from tollproof.model import Exchange, Leak
from tollproof.target import Target

#: Fields whose value is a URL that somebody is to follow.
_URLS = frozenset({"location", "refresh", "link", "content-location"})
#: What is loaded as part of a page; the checks of pages look at that.
_PAGE = ("text/html", "javascript", "text/css", "source-map", "ecmascript")


class Where(StrEnum):
    """A part of an answer."""

    ANSWER = "answer"
    ERROR = "error"
    HEADER = "header"
    REDIRECT = "redirect"


def leaks_in(target: Target, exchange: Exchange, where: Where) -> list[Leak] | None:
    """Return the credentials in one part of an answer; None when it has none."""
    response = exchange.response
    if response is None:
        return None
    # What was only redacted to be safe need not be a credential.
    leaks = [leak for leak in exchange.leaks if leak.credential != UNREAD]
    if where in (Where.ANSWER, Where.ERROR):
        is_error = exchange.status >= 400
        kind = (response.header("Content-Type") or "").lower()
        page = any(name in kind for name in _PAGE) and not is_error
        if is_error is (where is Where.ANSWER) or page or not response.body_bytes:
            return None
        found = [leak for leak in leaks if leak.place == "body"]
        return [leak for leak in found if not _is_handed_out(target, exchange, leak)]
    return [
        leak
        for leak in leaks
        if leak.place.startswith("header")
        and (_field(leak) in _URLS) is (where is Where.REDIRECT)
    ]


def _field(leak: Leak) -> str:
    return leak.place.removeprefix("header ").lower()


def _is_handed_out(target: Target, exchange: Exchange, leak: Leak) -> bool:
    """Whether a leak is a key in the answer that creates it: shown once, and plain.

    So is the secret of a client.
    """
    if leak.encoding != "plain" or not leak.credential.startswith(CREATED):
        return False
    lives = (target.profile.lifecycle, target.profile.client_lifecycle)
    path = exchange.request.url.partition("?")[0].lower()
    return 200 <= exchange.status < 300 and any(
        exchange.request.method == one.create.method
        and (one.create.path or "").lower().strip("/") in path
        for one in lives
        if one is not None
    )
