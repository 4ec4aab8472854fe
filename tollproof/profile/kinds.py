"""Which responses a promise about headers means.

Knows the words of `on = […]`. Must not know how a response was obtained.
"""

from __future__ import annotations

from collections.abc import Iterable

from tollproof.profile.values import label_matches


def covers(
    kinds: Iterable[str],
    *,
    status: int,
    authenticated: bool,
    public: bool = False,
    operation: str = "",
) -> bool:
    """Tell whether a response is one of the kinds.

    Args:
        kinds: words as in `promises.headers[].on`, any of which suffices; one that
            begins with `!` takes its responses out again.
        status: status of the response.
        authenticated: whether the request carried a credential that is accepted.
        public: whether the operation needs no credential.
        operation: its label, `"GET /things/{id}"`, or empty when it is none.
    """
    words = {
        "all": True,
        "success": status < 400,
        "error": status >= 400,
        "authenticated": authenticated,
        "unauthenticated": not authenticated,
        "public": public,
        str(status): True,
        f"{status // 100}xx": True,
    }

    def means(kind: str) -> bool:
        if kind.partition(" ")[2]:
            return label_matches(kind, operation)
        return words.get(kind, False)

    named = tuple(kinds)
    return any(means(kind) for kind in named if not kind.startswith("!")) and not any(
        means(kind[1:]) for kind in named if kind.startswith("!")
    )
