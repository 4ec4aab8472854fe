"""The report as one HTML file: no other file, no request, no script but our own.

Knows how the page is put together. Must not know what it looks like: templates, style
and script are in reports/. Every value that a template prints is made inert and then
escaped, by the environment and not by the template: none can forget it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tollproof.model import Run, Severity
from tollproof.reporting import compliance
from tollproof.reporting.charts import Chart, charts_of
from tollproof.reporting.compare import compare
from tollproof.reporting.evidence import Evidence, lay_out
from tollproof.reporting.summary import (
    Case,
    Group,
    State,
    Summary,
    count,
    grouped,
    summarise,
)
from tollproof.reporting.text import clip, visible, visible_json
from tollproof.resources import bundled

__all__ = ["render"]

#: The most results that a page lists, and of a check with their evidence at the top.
MAX_ROWS, MAX_CARDS = 10_000, 50
_TEXT_BUDGET = 3_000_000
_GLYPH = {
    State.FAILED: "✕",
    State.INCONCLUSIVE: "?",
    State.WAIVED: "◇",
    State.PASSED: "✓",
    State.NOT_APPLICABLE: "–",
}


def render(run: Run, *, previous: Run | None = None) -> str:
    """Return the page.

    Args:
        run: what to report.
        previous: a former run of the same profile, to compare with.
    """
    summary = summarise(run)
    style, script = _asset("styles/report.css"), _asset("scripts/report.js")
    listed = _listed(summary)
    # The more results there are, the less of each: the page stays of one size.
    room = max(200, min(4_000, _TEXT_BUDGET // (len(listed) + 1)))
    shown = {case.number for case in listed}
    failed, unsure, waived = (
        grouped(case for case in listed if case.state is state)
        for state in (State.FAILED, State.INCONCLUSIVE, State.WAIVED)
    )
    cards = {
        case.number
        for group in (*failed, *unsure, *waived)
        for case in group.cases[:MAX_CARDS]
    }
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            about=run.about,
            summary=summary,
            comparison=compare(run, previous) if previous else None,
            failed=failed,
            unsure=unsure,
            waived=waived,
            inapplicable=grouped(summary.of(State.NOT_APPLICABLE)),
            suites=_suites(listed),
            unlisted=len(summary.cases) - len(listed),
            measured=_measured(listed),
            views=compliance.views(run),
            evidence=lay_out(listed, run.exchanges),
            shown=shown,
            cards=cards,
            room=room,
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=Markup(_hash(style)),  # noqa: S704 - base64
            script=Markup(script),  # noqa: S704 - our own file
            script_hash=Markup(_hash(script)),  # noqa: S704 - base64
        )
    )
    return page + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The listed cases of a suite, by check."""

    name: str
    groups: tuple[Group, ...]
    tally: Mapping[State, int]


def _listed(summary: Summary) -> tuple[Case, ...]:
    """Return at most MAX_ROWS cases, the weightiest, in the order of the run."""
    order = list(State)
    first = sorted(summary.cases, key=lambda case: order.index(case.state))[:MAX_ROWS]
    return tuple(sorted(first, key=lambda case: case.number))


def _suites(cases: tuple[Case, ...]) -> tuple[Suite, ...]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.spec.suite, []).append(case)
    return tuple(
        Suite(
            name=name,
            groups=grouped(of),
            tally={s: n for s in State if (n := sum(c.state is s for c in of))},
        )
        for name, of in sorted(found.items())
    )


def _measured(cases: tuple[Case, ...]) -> Mapping[int, tuple[Chart, ...]]:
    """Return case number → drawings; of many, those of the first 60 cases."""
    found: dict[int, tuple[Chart, ...]] = {}
    for case in cases:
        if len(found) < 60 and (charts := charts_of(case.verdict.measurements)):
            found[case.number] = charts
    return found


def _figures(case: Case) -> tuple[tuple[str, str], ...]:
    """Return what was measured and is not drawn, as pairs of text."""
    drawn = ("chart", "charts") if charts_of(case.verdict.measurements) else ()
    pairs = []
    for key, value in case.verdict.measurements.items():
        if key in drawn:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            text = json.dumps(visible_json(value), ensure_ascii=False, default=str)
        else:
            text = f"{value:,}" if isinstance(value, int) else str(value)
        pairs.append((clip(str(key).replace("_", " "), 100), clip(text, 1_000)))
    return tuple(pairs[:40])


@cache
def _asset(name: str) -> str:
    text = (bundled("reports") / name).read_text(encoding="utf-8")
    # The hash is of the text as a browser sees it: with plain newlines.
    return text.replace("\r\n", "\n")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(bundled("reports") / "templates", encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clip": clip,
        "figures": _figures,
        "glyph": _GLYPH.__getitem__,
        "moment": _moment,
        "prose": _prose,
        "web": _web,
    }
    environment.globals |= {
        "State": State,
        "Severity": Severity,
        "Evidence": Evidence,
        "count": count,
        "span": _span,
        "MAX_CARDS": MAX_CARDS,
    }
    return environment


def _inert(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


def _prose(text: str) -> Markup:
    """Return a sentence with what stands between backticks set as code."""
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:  # a backtick without a partner is only a backtick
        return escape("`".join(parts))
    code = Markup("<code>{}</code>")
    return Markup("").join(
        code.format(part) if place % 2 and part else part
        for place, part in enumerate(parts)
    )


def _web(url: str) -> str:
    """Return the URL where it is a plain web address, else nothing."""
    plain = re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[\x21-\x7e]*)?", url, re.ASCII)
    return url if plain else ""


def _moment(text: str) -> str:
    """Return `14 January 2027, 09:30:12 UTC`, or the text itself when it is no time."""
    when = _time(text)
    return f"{when.day} {when:%B %Y, %H:%M:%S} UTC" if when else clip(text, 60)


def _span(start: str, end: str) -> str:
    """Return how long it took, or nothing when that is not known."""
    begun, ended = _time(start), _time(end)
    if not begun or not ended or ended < begun:
        return ""
    seconds = (ended - begun).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _time(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
