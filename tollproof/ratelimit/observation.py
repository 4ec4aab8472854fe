"""What was seen: one record per request, kept in columns, read and written as a file.

A request occupies the interval [sent, received]; the target decided somewhere in it.
Records are 44 bytes each: header values are kept once per distinct *set* of them,
so a flood of refusals costs next to nothing beyond its times. Knows bytes, arrays and
files. Must not know what a header means or which requests were planned.

The file (little-endian) is a magic, a version, then chunks of
`kind: 1 byte, length: 4 bytes, CRC-32: 4 bytes, payload`. A writer may be killed at
any moment: a tail that is cut short or does not match its checksum is ignored.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: The header values recorded of each answer, by what they mean; which header each is
#: read from is the promise's affair. `ratelimit` and `policy` are the IETF's fields.
ROLES = (
    "limit",
    "remaining",
    "reset",
    "retry_after",
    "date",
    "ratelimit",
    "policy",
    "age",
)
_NONE: tuple[bytes | None, ...] = (None,) * len(ROLES)

MAGIC = b"TPOBS"
VERSION = 1

#: Bounds on what a hostile target can make us keep.
VALUE_LIMIT = 256
SETS_LIMIT = 1 << 20

_ROW = struct.Struct("<qqqIIIHHHHHH")
_CHUNK = struct.Struct("<BII")
_LABEL, _SET, _ROWS, _ANCHOR, _NOTE, _GAP, _BREAK = range(1, 8)
_ROWS_PER_CHUNK = 512

Headers = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One request and what came of it.

    Attributes:
        key: label of the identity whose credential was sent.
        phase: the phase of the schedule it belongs to.
        shot: number of the shot in the schedule; requests of one burst share it.
        sent: monotonic ns, taken no later than the first byte that matters was sent.
        received: monotonic ns, no earlier than the answer's head was read; for an
            unknown outcome, when the request was given up.
        status: the answer's; 0 when there was none: the outcome is unknown.
        headers: raw values in the order of :data:`ROLES`.
        connection: number of the connection, unique for its worker.
        lateness: ns after its scheduled time that it was sent.
        wall: Unix time at sending, from the nearest anchor.
    """

    key: str
    phase: str
    operation: str
    variant: str
    worker: str
    shot: int
    sent: int
    received: int
    status: int
    headers: Headers = (None,) * len(ROLES)
    connection: int = 0
    lateness: int = 0
    wall: float = 0.0

    def header(self, role: str) -> str | None:
        """Return the raw value recorded for one of :data:`ROLES`."""
        return self.headers[ROLES.index(role)]


class Trace:
    """Observations of one clock, in columns of equal length.

    Attributes:
        host: names the monotonic clock (one per boot of one machine).
        labels: texts that `key`, `phase`, `operation`, `variant`, `worker` index.
        sets: distinct header values that `headers` indexes; the first is empty.
        anchors: (monotonic ns, Unix seconds) pairs, taken together now and then.
        gaps: (start, end) monotonic ns in which the harness did not attend.
        breaks: monotonic ns at which the target refused a connection, or ended one
            that was in use.
        notes: whatever the recorder had to say, as (name, value) pairs.
    """

    __slots__ = (
        "_label_ids",
        "_set_ids",
        "anchors",
        "breaks",
        "connection",
        "gaps",
        "headers",
        "host",
        "key",
        "labels",
        "lateness",
        "notes",
        "operation",
        "phase",
        "received",
        "sent",
        "sets",
        "shot",
        "status",
        "variant",
        "worker",
    )

    def __init__(self, *, host: str = "") -> None:
        self.host = host
        self.labels: list[str] = []
        self.sets: list[Headers] = [(None,) * len(ROLES)]
        self.anchors: list[tuple[int, float]] = []
        self.gaps: list[tuple[int, int]] = []
        self.breaks: list[int] = []
        self.notes: list[tuple[str, str]] = []
        self._label_ids: dict[str, int] = {}
        self._set_ids: dict[tuple[bytes | None, ...], int] = {_NONE: 0}
        self.sent, self.received = array("q"), array("q")
        self.lateness = array("q")
        self.headers, self.connection, self.shot = array("I"), array("I"), array("I")
        self.key, self.phase, self.operation = array("H"), array("H"), array("H")
        self.variant, self.worker, self.status = array("H"), array("H"), array("H")

    def __len__(self) -> int:
        return len(self.sent)

    def label(self, text: str) -> int:
        """Return the number of a label, giving it one when it is new.

        Raises:
            OverflowError: there are more than 65,536 labels.
        """
        number = self._label_ids.get(text)
        if number is None:
            number = len(self.labels)
            if number > 0xFFFF:
                raise OverflowError("too many labels")
            self._label_ids[text] = number
            self.labels.append(text)
        return number

    def header_set(self, values: Sequence[bytes | None]) -> int:
        """Return the number of a set of raw values in the order of :data:`ROLES`.

        Values are cut at :data:`VALUE_LIMIT` bytes. Past :data:`SETS_LIMIT` distinct
        sets every new one is kept as the empty set.
        """
        asked = tuple(values)
        number = self._set_ids.get(asked)
        if number is None:
            if len(asked) != len(ROLES):
                raise ValueError(f"{len(asked)} values for {len(ROLES)} roles")
            if len(self._set_ids) >= SETS_LIMIT:
                return 0
            cut = tuple(None if v is None else v[:VALUE_LIMIT] for v in asked)
            number = self._set_ids.get(cut, len(self.sets))
            if number == len(self.sets):
                self._set_ids[cut] = number
                self.sets.append(_decoded(cut))
            # The uncut key is not remembered: it may be large.
        return number

    def append(
        self,
        *,
        key: int,
        phase: int,
        operation: int,
        variant: int,
        worker: int,
        shot: int,
        sent: int,
        received: int,
        status: int,
        headers: int = 0,
        connection: int = 0,
        lateness: int = 0,
    ) -> None:
        """Add one observation; texts and header sets by their numbers."""
        self.sent.append(sent)
        self.received.append(received)
        self.lateness.append(lateness)
        self.headers.append(headers)
        self.connection.append(connection)
        self.shot.append(shot)
        self.key.append(key)
        self.phase.append(phase)
        self.operation.append(operation)
        self.variant.append(variant)
        self.worker.append(worker)
        self.status.append(status)

    def __iter__(self) -> Iterator[Observation]:
        return map(self.observation, range(len(self)))

    def observation(self, row: int) -> Observation:
        """Return one row as a value."""
        labels = self.labels
        return Observation(
            key=labels[self.key[row]],
            phase=labels[self.phase[row]],
            operation=labels[self.operation[row]],
            variant=labels[self.variant[row]],
            worker=labels[self.worker[row]],
            shot=self.shot[row],
            sent=self.sent[row],
            received=self.received[row],
            status=self.status[row],
            headers=self.sets[self.headers[row]],
            connection=self.connection[row],
            lateness=self.lateness[row],
            wall=self.wall(self.sent[row]),
        )

    def wall(self, at: int) -> float:
        """Return the Unix time of a monotonic instant, from the nearest anchor."""
        if not self.anchors:
            return 0.0
        mono, unix = min(self.anchors, key=lambda anchor: abs(anchor[0] - at))
        return unix + (at - mono) / 1e9

    def merge(self, other: Trace) -> None:
        """Add all observations of another trace.

        A trace of another host is moved to this one's clock by the wall clocks of
        both, so its times are only as good as the two hosts' synchronisation.

        Raises:
            ValueError: the clocks differ and one of the traces has no anchor.
        """
        shift = 0
        if other.host != self.host and len(other):
            if not (self.anchors and other.anchors):
                raise ValueError("traces of two clocks, without anchors")
            mono, unix = other.anchors[0]
            mine, my_unix = self.anchors[0]
            shift = mine + round((unix - my_unix) * 1e9) - mono
            self.notes.append(("merged-clock", other.host))
        label = [self.label(text) for text in other.labels]
        sets = [self.header_set(_encoded(values)) for values in other.sets]
        self.sent.extend(array("q", [at + shift for at in other.sent]))
        self.received.extend(array("q", [at + shift for at in other.received]))
        self.lateness.extend(other.lateness)
        self.headers.extend(array("I", [sets[number] for number in other.headers]))
        self.connection.extend(other.connection)
        self.shot.extend(other.shot)
        for mine_column, theirs in (
            (self.key, other.key),
            (self.phase, other.phase),
            (self.operation, other.operation),
            (self.variant, other.variant),
            (self.worker, other.worker),
        ):
            mine_column.extend(array("H", [label[number] for number in theirs]))
        self.status.extend(other.status)
        self.gaps.extend((start + shift, end + shift) for start, end in other.gaps)
        self.breaks.extend(at + shift for at in other.breaks)
        self.anchors.extend((mono + shift, unix) for mono, unix in other.anchors)
        self.notes.extend(other.notes)


class TraceWriter:
    """Appends observations to a file as they happen; keeps none of them.

    Used as a context manager. What :meth:`flush` has written survives the writer.
    """

    def __init__(self, path: Path, *, host: str = "") -> None:
        """Begin a new file.

        Raises:
            OSError: the file exists already or cannot be written.
        """
        self._file: BinaryIO = path.open("xb")
        self._table = Trace(host=host)
        self._rows = bytearray()
        self._labels = 0
        self._sets = 1
        self._file.write(MAGIC + bytes((VERSION,)))
        self.note("host", host)

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def label(self, text: str) -> int:
        """As :meth:`Trace.label`."""
        return self._table.label(text)

    def header_set(self, values: Sequence[bytes | None]) -> int:
        """As :meth:`Trace.header_set`."""
        return self._table.header_set(values)

    def append(
        self,
        key: int,
        phase: int,
        operation: int,
        variant: int,
        worker: int,
        shot: int,
        sent: int,
        received: int,
        status: int,
        headers: int = 0,
        connection: int = 0,
        lateness: int = 0,
    ) -> None:
        """Add one observation; written when some hundreds are together."""
        self._rows += _ROW.pack(
            sent,
            received,
            lateness,
            headers,
            connection,
            shot,
            key,
            phase,
            operation,
            variant,
            worker,
            status,
        )
        if len(self._rows) >= _ROWS_PER_CHUNK * _ROW.size:
            self.flush()

    def anchor(self, monotonic_ns: int, unix: float) -> None:
        """Note what both clocks say now: at the start, every second, at the end."""
        self._write(_ANCHOR, struct.pack("<qd", monotonic_ns, unix))

    def gap(self, start: int, end: int) -> None:
        """Note that the harness attended to nothing between two monotonic instants."""
        self._write(_GAP, struct.pack("<qq", start, end))

    def broke(self, at: int) -> None:
        """Note that the target refused or ended a connection at a monotonic instant."""
        self._write(_BREAK, struct.pack("<q", at))

    def note(self, name: str, value: str) -> None:
        """Keep a pair of texts with the observations."""
        self._write(_NOTE, json.dumps([name, value]).encode())

    def flush(self) -> None:
        """Write what is held back."""
        table = self._table
        for text in table.labels[self._labels :]:
            self._write(_LABEL, text.encode())
        self._labels = len(table.labels)
        for values in table.sets[self._sets :]:
            self._write(_SET, json.dumps(values).encode())
        self._sets = len(table.sets)
        if self._rows:
            self._write(_ROWS, bytes(self._rows))
            self._rows.clear()
        self._file.flush()

    def close(self) -> None:
        """Write the rest and close the file; may be called again."""
        if not self._file.closed:
            self.flush()
            self._file.close()

    def _write(self, kind: int, payload: bytes) -> None:
        self._file.write(_CHUNK.pack(kind, len(payload), zlib.crc32(payload)) + payload)


def write_trace(trace: Trace, path: Path) -> None:
    """Write a whole trace to a new file.

    Raises:
        OSError: the file exists already or cannot be written.
    """
    with TraceWriter(path, host=trace.host) as writer:
        for text in trace.labels:
            writer.label(text)
        for values in trace.sets:
            writer.header_set(_encoded(values))
        for mono, unix in trace.anchors:
            writer.anchor(mono, unix)
        for start, end in trace.gaps:
            writer.gap(start, end)
        for at in trace.breaks:
            writer.broke(at)
        for name, value in trace.notes:
            writer.note(name, value)
        for row in zip(
            trace.key,
            trace.phase,
            trace.operation,
            trace.variant,
            trace.worker,
            trace.shot,
            trace.sent,
            trace.received,
            trace.status,
            trace.headers,
            trace.connection,
            trace.lateness,
            strict=True,
        ):
            writer.append(*row)


def read_trace(path: Path) -> Trace:
    """Read a file back, as far as it is whole.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file, or of another version.
    """
    with path.open("rb") as file:
        trace = Trace()
        for part in _parts(file):
            trace = part
        return trace


def read_pieces(path: Path) -> Iterator[Trace]:
    """Read a file piece by piece, a few hundred observations at a time.

    The same trace is yielded again and again with its columns emptied in between:
    labels, header sets, anchors, gaps and breaks accumulate. For files longer than
    memory.
    """
    with path.open("rb") as file:
        for trace in _parts(file):
            if len(trace):
                yield trace
                _empty(trace)


def _parts(file: BinaryIO) -> Iterator[Trace]:
    """Yield the growing trace after each chunk of rows, and once at the end."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("not a file of observations")
    if (version := file.read(1)) != bytes((VERSION,)):
        raise ValueError(f"observations of version {version.hex() or 'none'}")
    trace = Trace()
    while chunk := _chunk(file):
        kind, payload = chunk
        if kind == _LABEL:
            trace.label(payload.decode())
        elif kind == _SET:
            trace.header_set(_encoded(json.loads(payload)))
        elif kind == _ANCHOR:
            mono, unix = struct.unpack("<qd", payload)
            trace.anchors.append((mono, unix))
        elif kind == _GAP:
            start, end = struct.unpack("<qq", payload)
            trace.gaps.append((start, end))
        elif kind == _BREAK:
            trace.breaks.extend(struct.unpack("<q", payload))
        elif kind == _NOTE:
            name, value = json.loads(payload)
            if name == "host":
                trace.host = value
            else:
                trace.notes.append((name, value))
        elif kind == _ROWS:
            _extend(trace, payload)
            yield trace
    yield trace


def _chunk(file: BinaryIO) -> tuple[int, bytes] | None:
    head = file.read(_CHUNK.size)
    if len(head) < _CHUNK.size:
        return None
    kind, length, checksum = _CHUNK.unpack(head)
    if length > 1 << 24:
        return None
    payload = file.read(length)
    if len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    return kind, payload


def _columns(trace: Trace) -> tuple[array[int], ...]:
    """The columns in the order of a row in the file."""
    return (
        trace.sent,
        trace.received,
        trace.lateness,
        trace.headers,
        trace.connection,
        trace.shot,
        trace.key,
        trace.phase,
        trace.operation,
        trace.variant,
        trace.worker,
        trace.status,
    )


def _extend(trace: Trace, payload: bytes) -> None:
    whole = len(payload) - len(payload) % _ROW.size
    rows = zip(*_ROW.iter_unpack(payload[:whole]), strict=True)
    for column, values in zip(_columns(trace), rows, strict=True):
        column.extend(values)


def _empty(trace: Trace) -> None:
    for column in _columns(trace):
        del column[:]


def _decoded(values: Sequence[bytes | None]) -> Headers:
    return tuple(None if v is None else v.decode("latin-1") for v in values)


def _encoded(values: Sequence[str | None]) -> tuple[bytes | None, ...]:
    return tuple(None if v is None else v.encode("latin-1") for v in values)
