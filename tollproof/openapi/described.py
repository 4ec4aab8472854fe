"""What an OpenAPI document says, as plain values: both processes speak of it in these.

Must not import what reads documents.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An operation as the document describes it.

    Attributes:
        open: the document asks no credential for it.
        media_type: of the request body, JSON if there is a choice; empty for none.
        parameters: names of those in the path.
        line: of the document's text, 0 when it was not found.
    """

    method: str
    path: str
    open: bool
    media_type: str
    parameters: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An operation that the document describes in a way nobody can follow."""

    label: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What was read of a document.

    Attributes:
        prefix: the path part of the first server, without a slash at the end.
        unreadable: operations that had to be left out, and why.
    """

    operations: tuple[Described, ...]
    prefix: str
    unreadable: tuple[Unreadable, ...]
