"""Which bytes of an object the reader of a file requests and keeps. Pure: no clock, no threads.

A read requests what it needs. The third read in a row that begins where the one before ended is the first for which
more is requested: as many bytes ahead as twice those read so far, up to a limit. A jump ends that, so random reads
request nothing in vain. Some pieces that were read stay, because many formats read their directory again and again.
"""

import bisect
from collections.abc import Iterator
from typing import Optional

from metaflow_extensions.fasts3.plans.pieces import Piece, pieces

# Bytes requested after those that a read needs: `io.BufferedReader` reads whole buffers directly and then fills its
# buffer with what follows, which would be another request.
BUFFER = 64 * 1024
# Bytes at the end of an object that are requested together: formats such as Parquet and ZIP have their directory there,
# and read it in several steps.
TAIL = 128 * 1024
IN_A_ROW = 3  # reads; a read of whole buffers and the buffer after it are two
SIDE_BY_SIDE = 8  # requests for one window of bytes
LEAST_PIECE = 2**20  # bytes; with fewer, the requests cost more than they gain
KEPT = 4 * 2**20  # bytes of pieces that were read, or were requested in vain


class Held:
    """A piece that was requested."""

    __slots__ = ("body", "piece", "used")

    def __init__(self, piece: Piece, used: int) -> None:
        self.piece = piece
        self.body: Optional[bytes] = None  # None: not here yet
        self.used = used  # number of the read that used it last

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.piece.first + self.piece.length


class ReadWindow:
    """The pieces of one object that a reader has requested.

    Parameters
    ----------
    size : int
        Bytes of the object.
    look_ahead : int
        Maximum bytes ahead of the reader.
    step : int
        Maximum bytes of a piece.
    """

    def __init__(self, size: int, look_ahead: int, step: int) -> None:
        self._size = size
        self._look_ahead = look_ahead
        self._step = max(1, min(step, look_ahead // SIDE_BY_SIDE))
        self._held: dict[int, Held] = {}  # by offset
        self._firsts: list[int] = []  # sorted: their offsets
        self._reads = 0
        self._in_a_row = 0
        self._row_began = 0
        self._next = -1  # where the last read ended
        self._needed = 0  # where the current read will end

    @property
    def held(self) -> int:
        """Bytes that are here or under way."""
        return sum(one.piece.length for one in self._held.values())

    def begin(self, position: int, end: int) -> None:
        """Begin a read of the bytes from `position` up to `end`, exclusive."""
        self._reads += 1
        if position != self._next:
            self._in_a_row, self._row_began = 0, position
        self._in_a_row += 1
        self._needed = self._next = end

    def at(self, position: int) -> Optional[Held]:
        """Return the piece with this byte, if it was requested."""
        index = bisect.bisect_right(self._firsts, position) - 1
        if index < 0:
            return None
        held = self._held[self._firsts[index]]
        if position >= held.end:
            return None
        held.used = self._reads
        return held

    def request(self, position: int) -> "list[Piece]":
        """Return the pieces to request now, in order, when the current read has come to `position`."""
        required = self._needed
        if any(self._gaps(position, self._needed)):
            required = min(self._size, required + BUFFER)
        horizon = max(min(required, position + self._look_ahead), position + self._ahead(position))
        horizon = min(self._size, horizon)
        self._trim(position, horizon)
        step = min(self._step, max(LEAST_PIECE, (horizon - position) // SIDE_BY_SIDE))
        requested: list[Piece] = []
        for first, end in self._gaps(position, horizon):
            for piece in pieces(first, end, step):
                last = piece.first + piece.length
                # Ahead of the read, only whole pieces: the window moves on a few bytes with each read.
                if piece.first < required or piece.length == step or last == self._size:
                    requested.append(piece)
        if len(requested) == 1:
            requested = [self._with_the_tail(requested[0])]
        for piece in requested:
            self.add(piece)
        return requested

    def add(self, piece: Piece, body: Optional[bytes] = None) -> None:
        """Add a piece: one that is requested, or that is here."""
        self._held[piece.first] = held = Held(piece, self._reads)
        held.body = body
        bisect.insort(self._firsts, piece.first)

    def arrived(self, piece: Piece, body: bytes) -> None:
        """Take the bytes of a piece."""
        held = self._held.get(piece.first)
        if held is not None and held.piece == piece:
            held.body = body

    def forget(self, piece: Piece) -> None:
        """Forget a piece that will not arrive."""
        held = self._held.get(piece.first)
        if held is not None and held.piece == piece and held.body is None:
            self._drop(piece.first)

    def needs(self, piece: Piece) -> bool:
        """Whether the reader still wants a piece that it has requested."""
        return piece.first < self._needed + max(BUFFER, self._ahead(self._needed)) and (
            piece.first + piece.length > self._row_began
        )

    def _ahead(self, position: int) -> int:
        if self._in_a_row < IN_A_ROW:
            return 0
        return min(self._look_ahead, max(BUFFER, 2 * (position - self._row_began)))

    def _gaps(self, first: int, end: int) -> "Iterator[tuple[int, int]]":
        """Yield the ranges that were not requested."""
        while first < end:
            held = self.at(first)
            if held is not None:
                first = held.end
                continue
            index = bisect.bisect_right(self._firsts, first)
            stop = min(end, self._firsts[index]) if index < len(self._firsts) else end
            yield first, stop
            first = stop

    def _with_the_tail(self, piece: Piece) -> Piece:
        """A piece that begins near the end of the object, with all bytes from there on and some before."""
        start = max(0, self._size - TAIL)
        index = bisect.bisect_right(self._firsts, piece.first) - 1
        if index >= 0:
            start = max(start, self._held[self._firsts[index]].end)
        if piece.first < start or index + 1 < len(self._firsts):
            return piece
        return Piece(start, self._size - start)

    def _drop(self, first: int) -> None:
        del self._held[first]
        self._firsts.remove(first)

    def _trim(self, position: int, horizon: int) -> None:
        """Drop pieces outside the window: large ones, and those that were not used for the longest time."""
        outside = [
            held
            for held in self._held.values()
            if held.body is not None and (held.end <= position or held.piece.first >= horizon)
        ]
        kept = 0
        for held in sorted(outside, key=lambda one: -one.used):
            if kept + held.piece.length > KEPT:
                self._drop(held.piece.first)
            else:
                kept += held.piece.length
