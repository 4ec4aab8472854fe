"""Observations on their way from the process that made them to the one that keeps them.

Locust's messages can be lost (a reconnect, a full queue) and repeated. Here pieces are
numbered and checked, sent again until acknowledged, and kept once, in order: either
all of them arrive or it is known which did not. Knows numbers, bytes and the
files they lie in. Must not know what carries the messages, nor what is in them.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tollproof.load.recorder import file_name

#: Pieces under way at once; the rest wait, so that no queue of Locust's overflows.
WINDOW = 16
#: Seconds after which a piece that nobody acknowledged is sent again.
AGAIN = 3.0
#: Bytes in a piece.
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A numbered piece of one share's observations.

    Attributes:
        number: from 0, through all parts.
        part: the file it belongs to.
    """

    share: int
    part: int
    number: int
    data: bytes
    check: int


class Outbox:
    """The sending end for one share."""

    def __init__(self, share: int, send: Callable[[Piece], None]) -> None:
        self.share = share
        self.pieces = 0
        self._send = send
        self._waiting: deque[Piece] = deque()
        self._under_way: OrderedDict[int, tuple[Piece, float]] = OrderedDict()

    @property
    def empty(self) -> bool:
        """Whether everything put in was acknowledged."""
        return not (self._waiting or self._under_way)

    def put(self, part: int, data: bytes) -> None:
        """Take over bytes of a part; empty ones are nothing."""
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self._waiting.append(
                Piece(
                    share=self.share,
                    part=part,
                    number=self.pieces,
                    data=piece,
                    check=zlib.crc32(piece),
                )
            )
            self.pieces += 1

    def acknowledge(self, number: int) -> None:
        """Forget a piece that arrived; may be told more than once."""
        self._under_way.pop(number, None)

    def push(self, now: float) -> None:
        """Send what may be sent at `now` (seconds of any steady clock)."""
        for number, (piece, sent) in list(self._under_way.items()):
            if now - sent >= AGAIN:
                self._under_way[number] = (piece, now)
                self._send(piece)
        while self._waiting and len(self._under_way) < WINDOW:
            piece = self._waiting.popleft()
            self._under_way[piece.number] = (piece, now)
            self._send(piece)


class Inbox:
    """The receiving end for one share: keeps pieces in order, each once.

    Attributes:
        pieces: how many were kept.
    """

    def __init__(self, share: int, keep: Callable[[int, bytes], None]) -> None:
        """Hand each piece to `keep`, with the part it belongs to."""
        self.share = share
        self.pieces = 0
        self._keep = keep
        self._early: dict[int, Piece] = {}

    def take(self, piece: Piece) -> bool:
        """Keep a piece; return whether to acknowledge it.

        A damaged one is not acknowledged, nor one further ahead than a sender goes.
        """
        if piece.share != self.share or zlib.crc32(piece.data) != piece.check:
            return False
        if piece.number >= self.pieces + 2 * WINDOW:
            return False
        if piece.number >= self.pieces:
            self._early[piece.number] = piece
            while (next_one := self._early.pop(self.pieces, None)) is not None:
                self._keep(next_one.part, next_one.data)
                self.pieces += 1
        return True


class Spool:
    """Reads what a share has written since the last time, file by file."""

    def __init__(self, folder: Path, share: int) -> None:
        self._folder = folder
        self._share = share
        self._part = 0
        self._offset = 0

    def fresh(self) -> Iterator[tuple[int, bytes]]:
        """Yield (part, bytes) of all that is new, a bounded piece at a time."""
        while (path := self._folder / file_name(self._share, self._part)).exists():
            following = self._folder / file_name(self._share, self._part + 1)
            complete = following.exists()
            with path.open("rb") as file:
                file.seek(self._offset)
                while data := file.read(PIECE):
                    self._offset += len(data)
                    yield self._part, data
            if not complete:
                return
            self._part, self._offset = self._part + 1, 0
