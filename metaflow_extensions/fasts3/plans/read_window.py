"""Which bytes of an object the reader of a file requests and keeps. Pure: no clock, no threads.

A read requests what it needs. The third read in a row that begins where the one before ended is the first for which
more is requested: as many bytes ahead as twice those read so far, up to a limit. From the beginning of the object, it
is four times as many, as soon as the reads are longer than a buffer: such a reader usually reads everything. Only a
first read of more than a piece may be all that it needs. A jump ends that, so random reads request nothing in vain.
Some pieces that were read stay, because many formats read their directory again and again.

Pieces that are read ahead end at multiples of their usual size, a power of two. Servers store objects in blocks or
parts of such sizes, and a range that crosses a boundary costs more: SeaweedFS needs a quarter more processor time.
"""

import bisect
from collections.abc import Iterator
from typing import Optional, Union

from metaflow_extensions.fasts3.plans.pieces import Piece

# Bytes requested after those that a read needs: `io.BufferedReader` reads whole buffers directly and then fills its
# buffer with what follows, which would be another request.
BUFFER = 64 * 1024
# Bytes at the end of an object that are requested together: formats such as Parquet and ZIP have their directory there,
# and read it in several steps.
TAIL = 128 * 1024
IN_A_ROW = 3  # reads; a read of whole buffers and the buffer after it are two
GROWTH = 2  # bytes ahead for each that was read in a row; those behind a member of a ZIP are requested in vain
GROWTH_FROM_START = 4  # the same, if the row began at the beginning of the object
SIDE_BY_SIDE = 8  # requests for one window of bytes
FEWEST = 6  # requests for a full window: larger pieces are worth more than more of them, because servers work on each
LEAST_PIECE = 2**20  # bytes; with fewer, the requests cost more than they gain
KEPT = 4 * 2**20  # bytes of pieces that were read, or were requested in vain
WASTE = 16  # memory of a dropped piece is used for another piece if this is longer than 15/16 of it


class Held:
    """A piece that was requested, and the memory for its bytes."""

    __slots__ = ("is_here", "memory", "piece", "used")

    def __init__(self, piece: Piece, memory: Union[bytes, bytearray], used: int, is_here: bool) -> None:
        self.piece = piece
        self.memory = memory  # its bytes at the beginning
        self.used = used  # number of the read that used it last
        self.is_here = is_here  # the memory holds its bytes

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.piece.first + self.piece.length

    def view(self, position: int, end: int) -> memoryview:
        """Return the memory for the bytes from `position` on, at most up to `end`."""
        first = self.piece.first
        return memoryview(self.memory)[position - first : min(end, self.end) - first]


class ReadWindow:
    """The pieces of one object that a reader has requested.

    Parameters
    ----------
    size : int
        Bytes of the object.
    look_ahead : int
        Maximum bytes ahead of the reader.
    step : int
        Usual maximum bytes of a piece, rounded down to a power of two; one that would leave a short rest is larger.
    """

    def __init__(self, size: int, look_ahead: int, step: int) -> None:
        self._size = size
        self._look_ahead = look_ahead
        self._step = 1 << (max(1, min(step, look_ahead // FEWEST)).bit_length() - 1)
        self._held: dict[int, Held] = {}  # by offset
        self._firsts: list[int] = []  # sorted: their offsets
        self._spare: list[bytearray] = []  # memory of dropped pieces
        self.memory = 0  # bytes of all these
        self._solid = (0, 0)  # offsets between which everything was requested, as far as known
        self._reads = 0
        self._in_a_row = 0
        self._row_began = 0
        self._next = -1  # where the last read ended
        self._needed = 0  # where the current read will end

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
        horizon, required = self._horizon(position), self._needed
        first, end = self._solid
        # Ahead of the read, only whole steps: the window moves on by a few bytes at a time.
        enough = horizon <= end or self._size > horizon < end + self._step_to(position, horizon)
        if first <= position and required <= end and enough:
            return []
        if self._gaps(position, required):
            required = min(self._size, required + BUFFER)
            horizon = max(horizon, min(required, position + self._look_ahead))
        self._solid = (0, 0)  # until all is requested: Ctrl-C or a lack of memory may interrupt what follows
        self._trim(position, horizon)
        step = self._step_to(position, horizon)
        requested: list[Piece] = []
        for first, end in self._gaps(position, horizon):
            origin = 0 if self._ahead() else first
            requested += _cut(first, end, step, required if end == horizon < self._size else end, origin)
        if len(requested) == 1:
            requested = [self._with_the_tail(requested[0])]
        for number, piece in enumerate(requested):
            if self._is_full(piece):  # what was requested before a jump is still under way
                if piece.first >= required:
                    del requested[number:]
                    break
                requested[number] = Piece(piece.first, min(piece.length, required - piece.first))
            self.add(requested[number])
        self._solid = (position, next((first for first, _ in self._gaps(position, horizon)), horizon))
        return requested

    def add(self, piece: Piece, body: Optional[bytes] = None) -> None:
        """Add a piece: one that is requested, or that is here."""
        memory = self._new_memory(piece.length) if body is None else body
        self._held[piece.first] = Held(piece, memory, self._reads, body is not None)
        self._firsts = sorted(self._held)
        self.memory += len(memory)

    def memory_of(self, piece: Piece) -> memoryview:
        """Return the memory for the bytes of a piece that was requested."""
        return self._held[piece.first].view(piece.first, piece.first + piece.length)

    def arrived(self, piece: Piece) -> None:
        """Note that the bytes of a piece are in its memory."""
        held = self._held.get(piece.first)
        if held is not None and held.piece == piece:
            held.is_here = True

    def forget(self, piece: Piece) -> None:
        """Forget a piece that will not arrive."""
        held = self._held.get(piece.first)
        if held is not None and held.piece == piece and not held.is_here:
            self._drop(piece.first)
            self._solid = (0, 0)

    def needs(self, piece: Piece) -> bool:
        """Whether the reader still wants a piece that it has requested."""
        end = self._needed + max(BUFFER, self._ahead())
        return piece.first < end and piece.first + piece.length > self._row_began

    def _ahead(self) -> int:
        """Return the bytes to have behind those that the current read needs."""
        length = self._needed - self._row_began
        if self._row_began == 0:
            is_row = length > BUFFER and (self._in_a_row > 1 or length <= LEAST_PIECE)
            return GROWTH_FROM_START * length if is_row else 0
        return max(BUFFER, GROWTH * length) if self._in_a_row >= IN_A_ROW else 0

    def _horizon(self, position: int) -> int:
        return min(self._size, self._needed + self._ahead(), position + self._look_ahead)

    def _step_to(self, position: int, horizon: int) -> int:
        step = max(LEAST_PIECE, (horizon - position) // SIDE_BY_SIDE)
        return min(self._step, 1 << (step - 1).bit_length() if self._ahead() else step)

    def _gaps(self, first: int, end: int) -> "list[tuple[int, int]]":
        """Return the ranges that were not requested."""
        gaps = []
        while first < end:
            held = self.at(first)
            if held is not None:
                first = held.end
                continue
            index = bisect.bisect_right(self._firsts, first)
            stop = min(end, self._firsts[index]) if index < len(self._firsts) else end
            gaps.append((first, stop))
            first = stop
        return gaps

    def _with_the_tail(self, piece: Piece) -> Piece:
        """A piece that begins near the end of the object, with all bytes from there on and some before."""
        start = max(0, self._size - TAIL)
        index = bisect.bisect_right(self._firsts, piece.first) - 1
        if index >= 0:
            start = max(start, self._held[self._firsts[index]].end)
        if piece.first < start or index + 1 < len(self._firsts):
            return piece
        return Piece(start, self._size - start)

    def _trim(self, position: int, horizon: int) -> None:
        """Drop pieces outside the window: large ones, and those that were not used for the longest time."""
        outside = [
            held
            for held in self._held.values()
            if held.is_here and (held.end <= position or held.piece.first >= horizon)
        ]
        kept = 0
        for held in sorted(outside, key=lambda one: -one.used):
            if kept + held.piece.length > KEPT:
                self._drop(held.piece.first)
            else:
                kept += held.piece.length

    def _is_full(self, piece: Piece) -> bool:
        held = self.memory - sum(map(len, self._spare))
        return held + piece.length > self._look_ahead + KEPT

    def _drop(self, first: int) -> None:
        # In this order: Ctrl-C may interrupt it, and what is in the list must be in the dict.
        self._firsts = [one for one in self._firsts if one != first]
        held = self._held.pop(first)
        # A request may still write to the memory of a piece that is not here.
        if held.is_here and isinstance(held.memory, bytearray):
            self._spare.append(held.memory)
        else:
            self.memory -= len(held.memory)

    def _new_memory(self, length: int) -> bytearray:
        """Return memory for a piece: if possible that of a dropped one, because new memory is slow."""
        for index, memory in enumerate(self._spare):
            if length <= len(memory) <= length + length // WASTE:
                self.memory -= len(memory)
                return self._spare.pop(index)
        while self._spare and self.memory + length > self._look_ahead + KEPT:
            self.memory -= len(self._spare.pop(0))
        return bytearray(length)


def _cut(first: int, end: int, step: int, required: int, origin: int) -> Iterator[Piece]:
    """Divide a gap at multiples of a step after an origin.

    No piece is short, and a rest that begins after `required` is left.
    """
    short = min(step, max(LEAST_PIECE, step // 2))
    while first < end:
        stop = first + step - (first - origin) % step
        if stop - first < short:
            stop += step
        if stop > end and first >= required:
            return
        if stop > end or (stop < required and end - stop < short):
            stop = end
        yield Piece(first, stop - first)
        first = stop
