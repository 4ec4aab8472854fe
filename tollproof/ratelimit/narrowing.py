"""A trace with less in it: some requests, or some fields, left out.

Knows columns. Must not know why something is left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence

from tollproof.ratelimit.observation import ROLES, Trace

_COLUMNS = (
    *("sent", "received", "lateness", "headers", "connection", "shot"),
    *("key", "phase", "operation", "variant", "worker", "status"),
)


def plain_only(trace: Trace) -> Trace:
    """Return a trace without the requests of another form."""
    plain = {number for number, text in enumerate(trace.labels) if text == "plain"}
    rows = [row for row, variant in enumerate(trace.variant) if variant in plain]
    return only(trace, rows)


def without_phases(trace: Trace, names: Collection[str]) -> Trace:
    """Return a trace without some phases, each named by how its parts begin."""
    return _by_phase(trace, names, kept=False)


def phases_only(trace: Trace, name: str) -> Trace:
    """Return a trace of one phase, named by how its parts begin."""
    return _by_phase(trace, (name,), kept=True)


def _by_phase(trace: Trace, names: Collection[str], *, kept: bool) -> Trace:
    chosen = {
        number
        for number, text in enumerate(trace.labels)
        if text.partition(".")[0] in names
    }
    rows = [row for row, phase in enumerate(trace.phase) if (phase in chosen) is kept]
    return trace if len(rows) == len(trace) else only(trace, rows)


def joined(trace: Trace, phase: str, key: str, variant: str) -> Trace:
    """Return a trace in which the requests of a phase are another key's.

    Args:
        variant: what they are called then.
    """
    rows = [row for row, one in enumerate(trace.phase) if trace.labels[one] == phase]
    if not rows:
        return trace
    other = only(trace, range(len(trace)))
    other.labels = [*trace.labels, variant]
    owner, name = other.labels.index(key), other.labels.index(variant)
    for row in rows:
        other.key[row], other.variant[row] = owner, name
    return other


def as_one(trace: Trace) -> Trace:
    """Return a trace in which all requests are of the first one's key."""
    other = only(trace, range(len(trace)))
    if len(trace):
        other.key = array(trace.key.typecode, [trace.key[0]] * len(trace))
    return other


def only(trace: Trace, rows: Sequence[int]) -> Trace:
    """Return a trace of some rows."""
    other = _alike(trace)
    for name in _COLUMNS:
        column: array[int] = getattr(trace, name)
        kept = array(column.typecode, [column[row] for row in rows])
        setattr(other, name, kept)
    return other


def without_fields(trace: Trace, roles: Collection[str]) -> Trace:
    """Return a trace in which some fields were never received."""
    other = _alike(trace)
    for name in _COLUMNS:
        setattr(other, name, getattr(trace, name))
    gone = {ROLES.index(role) for role in roles}
    other.sets = [
        tuple(None if at in gone else value for at, value in enumerate(values))
        for values in trace.sets
    ]
    return other


def _alike(trace: Trace) -> Trace:
    other = Trace(host=trace.host)
    other.labels, other.sets = trace.labels, trace.sets
    other.anchors, other.gaps, other.notes = trace.anchors, trace.gaps, trace.notes
    other.breaks = trace.breaks
    return other
