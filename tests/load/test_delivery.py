"""Pieces arrive once each and in order, whatever the messages suffer."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tollproof.load.delivery import AGAIN, PIECE, WINDOW, Inbox, Outbox, Piece, Spool
from tollproof.load.recorder import file_name


@given(
    st.lists(st.binary(min_size=1, max_size=5), max_size=3 * WINDOW),
    st.randoms(use_true_random=False),
)
def test_losses_repeats_and_disorder_lose_nothing(
    data: list[bytes], chance: random.Random
) -> None:

    wire: list[Piece] = []
    kept: list[tuple[int, bytes]] = []
    outbox = Outbox(3, wire.append)
    inbox = Inbox(3, lambda part, piece: kept.append((part, piece)))
    for number, item in enumerate(data):
        outbox.put(number // 4, item)
    now = 0.0
    for _ in range(10_000):
        if outbox.empty:
            break
        outbox.push(now)
        assert len(wire) <= 3 * WINDOW
        now += AGAIN
        chance.shuffle(wire)
        arrived = [one for one in wire for _ in range(chance.choice((0, 1, 1, 2)))]
        wire.clear()
        for piece in arrived:
            if chance.random() < 0.1:
                piece = replace(piece, data=piece.data + b"!")
            if inbox.take(piece) and chance.random() < 0.8:
                outbox.acknowledge(piece.number)
    assert outbox.empty
    assert kept == [(number // 4, item) for number, item in enumerate(data)]
    assert inbox.pieces == outbox.pieces == len(data)


def test_no_more_than_a_window_is_under_way() -> None:
    wire: list[Piece] = []
    outbox = Outbox(0, wire.append)
    outbox.put(0, b"x" * PIECE * (WINDOW + 5))
    outbox.push(0.0)
    outbox.push(0.1)
    assert len(wire) == WINDOW
    outbox.acknowledge(0)
    outbox.push(0.2)
    assert len(wire) == WINDOW + 1


def test_another_share_and_the_far_future_are_not_taken() -> None:
    kept: list[bytes] = []
    inbox = Inbox(1, lambda _, data: kept.append(data))
    wire: list[Piece] = []
    Outbox(1, wire.append).put(0, b"ab")
    outbox = Outbox(1, wire.append)
    outbox.put(0, b"ab")
    outbox.push(0.0)
    assert not inbox.take(replace(wire[0], share=2))
    assert not inbox.take(replace(wire[0], number=10_000))
    assert not kept


def test_the_spool_reads_what_is_new_in_every_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 0)
    assert list(spool.fresh()) == []
    first, second = tmp_path / file_name(0, 0), tmp_path / file_name(0, 1)
    first.write_bytes(b"abc")
    assert list(spool.fresh()) == [(0, b"abc")]
    assert list(spool.fresh()) == []
    first.write_bytes(b"abcdef")
    second.write_bytes(b"xyz")
    assert list(spool.fresh()) == [(0, b"def"), (1, b"xyz")]
