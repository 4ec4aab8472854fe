from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.ratelimit.observation import (
    ROLES,
    VALUE_LIMIT,
    Trace,
    TraceWriter,
    read_pieces,
    read_trace,
    write_trace,
)

NOTHING: list[bytes | None] = [None] * len(ROLES)
NANOSECONDS = st.integers(0, 1 << 60)
VALUE = st.none() | st.binary(max_size=20)
ROWS = st.lists(
    st.tuples(
        NANOSECONDS,
        NANOSECONDS,
        st.integers(0, 999),
        st.lists(VALUE, min_size=len(ROLES), max_size=len(ROLES)),
        st.sampled_from(["alpha", "beta"]),
    ),
    max_size=40,
)


def filled(rows: list[tuple[int, int, int, list[bytes | None], str]]) -> Trace:
    trace = Trace(host="here")
    trace.anchors.append((5, 1000.5))
    trace.gaps.append((1, 2))
    trace.breaks.append(3)
    trace.notes.append(("a", "b"))
    for number, (sent, received, status, values, key) in enumerate(rows):
        trace.append(
            key=trace.label(key),
            phase=trace.label("cap"),
            operation=trace.label("GET /x"),
            variant=trace.label("plain"),
            worker=trace.label("w1"),
            shot=number,
            sent=sent,
            received=received,
            status=status,
            headers=trace.header_set(values),
            connection=number,
            lateness=number - 3,
        )
    return trace


@given(ROWS)
def test_a_file_gives_back_what_was_written(
    rows: list[tuple[int, int, int, list[bytes | None], str]],
) -> None:
    trace = filled(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        write_trace(trace, path)
        again = read_trace(path)
    assert list(again) == list(trace)
    assert (again.host, again.anchors, again.gaps, again.breaks, again.notes) == (
        trace.host,
        trace.anchors,
        trace.gaps,
        trace.breaks,
        trace.notes,
    )


@given(st.integers(0, 3000))
def test_a_tail_that_was_cut_off_is_ignored(cut: int) -> None:
    trace = filled([(n, n + 1, 200, NOTHING, "alpha") for n in range(30)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        with TraceWriter(path) as writer:
            for text in trace.labels:
                writer.label(text)
            for one in trace:
                writer.append(0, 1, 2, 3, 4, one.shot, one.sent, one.received, 200)
                if one.shot % 10 == 9:
                    writer.flush()
        whole = path.read_bytes()
        path.write_bytes(whole[: max(6, len(whole) - cut)])
        again = read_trace(path)
    assert len(again) % 10 == 0
    assert list(again.sent) == list(trace.sent)[: len(again)]


def test_a_changed_byte_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    write_trace(filled([(1, 2, 200, NOTHING, "alpha")] * 5), path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF
    path.write_bytes(data)
    assert len(read_trace(path)) == 0


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"TPOBS\x63")
    with pytest.raises(ValueError, match="version"):
        read_trace(path)


def test_hostile_values_are_cut_and_counted_once() -> None:
    trace = Trace()
    long = [b"x" * 10_000, *[None] * (len(ROLES) - 1)]
    first = trace.header_set(long)
    assert trace.header_set(long) == first
    assert len(trace.sets) == 2
    assert len(trace.sets[first][0] or "") == VALUE_LIMIT


def test_pieces_hold_few_rows_and_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    rows = [(n, n + 1, 200, NOTHING, "alpha") for n in range(2000)]
    write_trace(filled(rows), path)
    seen: list[int] = []
    for piece in read_pieces(path):
        assert len(piece) <= 512
        seen += piece.sent
    assert seen == list(range(2000))


def test_traces_of_two_clocks_are_merged_by_the_wall_clock() -> None:
    here, there = Trace(host="a"), Trace(host="b")
    here.anchors.append((1_000_000_000, 50.0))
    there.anchors.append((7_000_000_000, 51.0))
    names = {
        name: there.label("x")
        for name in ("key", "phase", "operation", "variant", "worker")
    }
    there.append(
        **names, shot=0, sent=7_500_000_000, received=7_600_000_000, status=200
    )
    here.merge(there)
    assert here.sent[0] == 2_500_000_000
    assert here.observation(0).wall == pytest.approx(51.5)


def test_traces_of_two_clocks_without_anchors_are_refused() -> None:
    other = filled([(1, 2, 200, NOTHING, "alpha")])
    with pytest.raises(ValueError, match="clocks"):
        Trace(host="elsewhere").merge(other)
