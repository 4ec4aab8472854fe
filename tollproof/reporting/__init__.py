"""Reports: pure functions from a run to text.

Knows which formats there are and what their files are called. Must not know where
they are written: the caller writes, after it has made sure that no credential is in
what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tollproof.model import Run
from tollproof.reporting import har, jsonreport, junit, markdown, sarif

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of report.

    Attributes:
        file: the name its file has in the folder of a run.
        about: what it is for, in a few words.
        render: (run, former run or None) → the text, to be written as UTF-8.
    """

    file: str
    about: str
    render: Callable[[Run, Run | None], str]


def _page(run: Run, former: Run | None) -> str:
    # Every command imports this module; only one that writes a page needs jinja2.
    from tollproof.reporting import html

    return html.render(run, previous=former)


#: Name, as in `--format NAME` → format.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "html": Format(
            file="index.html",
            about="one page for people, evidence included",
            render=_page,
        ),
        "junit": Format(
            file="junit.xml",
            about="for a CI server's test view",
            render=lambda run, former: junit.render(run),
        ),
        "sarif": Format(
            file="results.sarif",
            about="for code scanning: failures at the line of the promise",
            render=lambda run, former: sarif.render(run),
        ),
        "markdown": Format(
            file="summary.md",
            about="for a step summary or a pull request",
            render=lambda run, former: markdown.render(run, previous=former),
        ),
        "json": Format(
            file="results.json",
            about="for programs; the schema is published",
            render=lambda run, former: jsonreport.render(run),
        ),
        "har": Format(
            file="evidence.har",
            about="the exchanges, for a HAR viewer",
            render=lambda run, former: har.render(
                run.exchanges, tool=run.about.tool, comment=run.about.deployment
            ),
        ),
    }
)
