"""What an OpenAPI document says, as plain values: both processes speak of it in these.

Must not import what reads documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A request that the document's author wrote, but for values of the path.

    Attributes:
        values: of the path's parameters, by name, as texts.
        wanting: names of those that the author gives no value.
        query: encoded, without `?`.
        body: in base64.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    wanting: tuple[str, ...] = ()
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An operation as the document describes it.

    Attributes:
        open: the document asks no credential for it.
        media_type: of the request body, JSON if there is a choice; empty for none.
        parameters: names of those in the path.
        line: of the document's text, 0 when it was not found.
        written: a request; None where some of it is to be made up, or it is long.
    """

    method: str
    path: str
    open: bool
    media_type: str
    parameters: tuple[str, ...]
    line: int
    written: Written | None = None


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
