"""Predicts which bytes of a Parquet file its reader needs next: the same columns in the following row groups.

pyarrow reads a Python file one column chunk at a time, and each costs a round trip to S3. The footer says where the
chunks are. pyarrow itself parses it, so nothing is predicted where pyarrow is not imported.
"""

import bisect
import io
import sys
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.plans.read_window import BUFFER

# The last bytes of a file: the length of the footer, in 4 bytes, and these (https://parquet.apache.org/docs/file-format).
MAGIC = b"PAR1"
TRAILER = 8  # bytes
LARGEST_FOOTER = 16 * 2**20  # bytes; parsing takes time
MOST_GROUPS_AHEAD = 16  # row groups of a column
MOST_EXPECTED = 64  # ranges

Range = tuple[int, int]  # offsets of the first byte, and after the last one


class ColumnReads:
    """The columns that the reader of one file reads, and what follows from them.

    A row is what the reader has read of a column in successive row groups. As many row groups are expected as are in
    the row. A row of a single row group counts only if it is the first of the file: such a reader usually reads all of
    them, but a task of a parallel job reads a single one.

    Parameters
    ----------
    size : int
        Bytes of the object.
    bytes_at : callable
        Returns the bytes of a range if they have been read, else None.
    """

    def __init__(self, size: int, bytes_at: Callable[[int, int], Optional[bytes]]) -> None:
        self._size = size
        self._bytes_at = bytes_at
        self._may_be_parquet = size > TRAILER
        self._chunks: Optional[_Chunks] = None
        self._rows: dict[int, _Row] = {}  # by their first column
        self._current: Optional[_Row] = None
        self._next = -1  # where the last read ended

    def expected_after(self, position: int, end: int) -> "Optional[list[Range]]":
        """Note a read, and return all ranges to expect, the next one first; None if they are the same as before."""
        is_sequential, self._next = position == self._next, end
        try:
            if self._may_be_parquet:
                self._find_footer()
            return self._note(self._chunks, position, end, is_sequential) if self._chunks else None
        except Exception:  # a guess must not fail a read, whatever pyarrow raises for a damaged or encrypted footer
            self._may_be_parquet, self._chunks = False, None
            return []

    def _find_footer(self) -> None:
        parquet: Any = sys.modules.get("pyarrow.parquet")
        trailer = self._bytes_at(self._size - TRAILER, self._size) if parquet else None
        if trailer is None:
            return
        length = int.from_bytes(trailer[:4], "little") + TRAILER
        self._may_be_parquet = trailer[4:] == MAGIC and length <= min(LARGEST_FOOTER, self._size)
        footer = self._bytes_at(self._size - length, self._size) if self._may_be_parquet else None
        if footer is not None:
            self._may_be_parquet = False
            self._chunks = _Chunks(parquet.read_metadata(io.BytesIO(footer)))

    def _note(self, chunks: "_Chunks", position: int, end: int, is_sequential: bool) -> "Optional[list[Range]]":
        if not is_sequential:
            self._current = self._row_at(chunks, position)
        row = self._current
        if row is None:
            return None
        last = chunks.last_before(end - BUFFER, row.group, row.last)  # `io.BufferedReader` reads whole buffers
        if is_sequential and last == row.last:
            return None
        row.last = last
        row.expect(chunks)
        return [one for _, one in sorted(one for row in self._rows.values() for one in row.expected)][:MOST_EXPECTED]

    def _row_at(self, chunks: "_Chunks", position: int) -> "Optional[_Row]":
        """Return the row that a read continues or begins; None if it does not begin at the beginning of a chunk."""
        place = chunks.at(position)
        if place is None:
            return None
        group, column = place
        row = self._rows.get(column)
        if row is None or group not in (row.group, row.group + 1):
            row = self._rows[column] = _Row(column, group)
        elif group > row.group:
            row.group, row.count = group, row.count + 1
        # Others are not read any more.
        self._rows = {column: one for column, one in self._rows.items() if abs(one.group - group) <= 1}
        return row


class _Row:
    """What was read of a column, and of those after it, in successive row groups."""

    def __init__(self, column: int, group: int) -> None:
        self.column = column
        self.last = column  # the last of the columns
        self.group = group  # the last one that was read
        self.count = 1 if group == 0 else 0  # of row groups to expect
        self.expected: list[tuple[int, Range]] = []  # with their row groups

    def expect(self, chunks: "_Chunks") -> None:
        groups = range(self.group + 1, min(self.group + 1 + min(self.count, MOST_GROUPS_AHEAD), chunks.groups))
        firsts = [chunks.range_of(group, self.column)[0] for group in groups]
        ends = [chunks.range_of(group, self.last)[1] + BUFFER for group in groups]
        self.expected = list(zip(groups, zip(firsts, ends)))


class _Chunks:
    """Where the column chunks of a file are, by pyarrow's `FileMetaData`."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata
        self.groups: int = metadata.num_row_groups
        self._firsts = [self.range_of(group, 0)[0] for group in range(self.groups)]

    def range_of(self, group: int, column: int) -> Range:
        """Return the range of a chunk. It begins with its dictionary page, if it has one."""
        chunk = self._metadata.row_group(group).column(column)
        first: int = chunk.dictionary_page_offset or chunk.data_page_offset
        return first, first + chunk.total_compressed_size

    def at(self, position: int) -> Optional[tuple[int, int]]:
        """Return the row group and the column of the chunk that begins at a position, or less than a buffer before.

        The beginning of a chunk may be in the buffer of `io.BufferedReader` already.
        """
        group = bisect.bisect_right(self._firsts, position) - 1
        if group < 0:
            return None
        column = self.last_before(position + 1, group, 0)
        first, end = self.range_of(group, column)
        return (group, column) if position <= first + BUFFER and position < end else None

    def last_before(self, offset: int, group: int, least: int) -> int:
        """Return the last column whose chunk of a row group begins before an offset; `least` if there is none."""
        low, high = least + 1, self._metadata.num_columns
        while low < high:
            middle = (low + high) // 2
            if self.range_of(group, middle)[0] < offset:
                low = middle + 1
            else:
                high = middle
        return low - 1
