"""What a report shows of a load: its figures, a drawing, a sentence.

Knows a summary. Must not know how the load was made, nor what was promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollproof.load.summary import Summary

#: Statuses that are drawn; more would be unreadable.
DRAWN = 5
#: Percentiles that a terminal shows.
SHOWN = ("p50", "p95", "p99", "p100")


def figures(summary: Summary) -> Mapping[str, Any]:
    """Return throughput and latency by status; durations in ms."""
    return {
        "planned": summary.planned,
        "sent": summary.sent,
        "seconds": round(summary.seconds, 3),
        "per_second": round(summary.per_second, 1),
        "statuses": dict(summary.statuses),
        "latency_ms": {
            name: {at: round(value / 1000, 2) for at, value in found.items()}
            for name, found in summary.latency.items()
        },
        "lateness_ms": {
            at: round(value / 1000, 2) for at, value in summary.lateness.items()
        },
    }


def charts(summary: Summary) -> tuple[Mapping[str, object], ...]:
    """Return a drawing of requests and answers over time."""
    moments = summary.timeline
    names = sorted({name for moment in moments for name in moment.statuses})[:DRAWN]
    series: list[dict[str, object]] = [
        {"name": "due", "points": [[one.second, one.due] for one in moments]},
    ]
    series += [
        {
            "name": "no answer" if name == "0" else name,
            "points": [[one.second, one.statuses.get(name, 0)] for one in moments],
        }
        for name in names
    ]
    return (
        {
            "title": "Requests due and answers received",
            "x_label": "seconds into the load",
            "y_label": "a second",
            "series": series,
        },
    )


def sentence(summary: Summary) -> str:
    """Return the figures that matter most, in words."""
    statuses = ", ".join(
        f"{number} × {status if status != '0' else 'no answer'}"
        for status, number in sorted(summary.statuses.items())
    )
    good = summary.latency.get("ok", {})
    latency = ", ".join(
        f"{name} {good[name] / 1000:.4g} ms"
        for name in ("p50", "p95", "p99")
        if name in good
    )
    return (
        f"{summary.sent} of {summary.planned} requests in {summary.seconds:.1f} s "
        f"({statuses or 'none answered'}), {summary.per_second:.1f} answers a second"
        + (f", latency {latency}" if latency else "")
    )


def table(measured: Mapping[str, Any]) -> str:
    """Return the :func:`figures` of a record as a table for a terminal."""
    lines = [
        f"Load: {measured['sent']} of {measured['planned']} requests in "
        f"{measured['seconds']:.1f} s, {measured['per_second']:.1f} answers a second",
        f"{'ms from due to answered':<24}"
        + "".join(f"{name:>10}" for name in ("number", *SHOWN)),
    ]
    for status, number in sorted(measured["statuses"].items()):
        found = measured["latency_ms"].get(status, {})
        name = f"status {status}" if status != "0" else "no answer"
        cells = "".join(f"{found[at]:>10.1f}" if at in found else "" for at in SHOWN)
        lines.append(f"  {name:<22}{number:>10}{cells}")
    if late := measured["lateness_ms"].get("p99"):
        lines.append(f"99 % of them left within {late:g} ms of when they were due.")
    return "\n".join(lines)
