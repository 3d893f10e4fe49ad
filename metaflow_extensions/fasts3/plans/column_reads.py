"""Predicts which bytes of a Parquet file its reader needs next: the same columns in the following row groups.

pyarrow reads a Python file one column chunk at a time, and each costs a round trip to S3. The footer says where the
chunks are. pyarrow itself parses it, so nothing is predicted where pyarrow is not imported.
"""

import io
import sys
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.plans.read_window import BUFFER

# The last bytes of a file: the length of the footer, in 4 bytes, and these (https://parquet.apache.org/docs/file-format).
MAGIC = b"PAR1"
TRAILER = 8  # bytes
LARGEST_FOOTER = 16 * 2**20  # bytes; parsing takes time
MOST_GROUPS_AHEAD = 16  # row groups of a column
# Row groups between those that are read at a time: pyarrow's 8 threads compete for the file, and one may wait for long.
DISORDER = 32
MOST_EXPECTED = 64  # ranges

Range = tuple[int, int]  # offsets of the first byte, and after the last one


class ColumnReads:
    """The columns that the reader of one file reads, and what follows from them.

    As many row groups of a column are expected as were read. A single one counts only if it is the first of the file:
    such a reader usually reads all of them, but a task of a parallel job reads a single one.

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
        self._columns: dict[int, _Column] = {}  # by their first column
        self._current: Optional[_Column] = None
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
            self._current = self._column_at(chunks, position)
        column = self._current
        if column is None:
            return None
        last = chunks.last_before(end - BUFFER, column.group, column.last)  # `io.BufferedReader` reads whole buffers
        if is_sequential and last == column.last:
            return None
        column.expect(chunks, last)
        expected = sorted(item for one in self._columns.values() for item in one.expected.items())
        return [one for _, one in expected[:MOST_EXPECTED]]

    def _column_at(self, chunks: "_Chunks", position: int) -> "Optional[_Column]":
        """Return the column whose chunk a read begins to read; None if it begins elsewhere."""
        place = chunks.at(position)
        if place is None:
            return None
        group, number = place
        # Others are not read any more.
        self._columns = {key: one for key, one in self._columns.items() if abs(one.latest - group) <= DISORDER}
        column = self._columns.setdefault(number, _Column(number, group))
        column.note(group)
        return column


class _Column:
    """What was read of a column, and of those after it that are read with it."""

    def __init__(self, number: int, group: int) -> None:
        self.first = self.last = number
        self.group = self.earliest = self.latest = group  # the current row group, and the limits of `groups`
        self.groups: set[int] = set()  # the row groups that were read
        self.expected: dict[int, Range] = {}  # by row group

    def note(self, group: int) -> None:
        """Note a read of a row group."""
        self.group = group
        self.earliest, self.latest = min(self.earliest, group), max(self.latest, group)
        self.groups.add(group)

    def expect(self, chunks: "_Chunks", last: int) -> None:
        """Determine what to expect, with the columns up to `last`."""
        known = self.expected if last == self.last else {}
        expected, count, nearest = set(self.expected), len(self.groups), self.latest - DISORDER
        if 2 * count > self.latest - self.earliest + 1:  # otherwise, the reader jumps
            ahead = min(count if self.earliest == 0 else count - 1, MOST_GROUPS_AHEAD)
            expected.update(range(max(self.earliest, nearest), min(self.latest + ahead + 1, chunks.groups)))
        self.last = last
        self.expected = {
            group: known.get(group) or self._range(chunks, group)
            for group in expected - self.groups
            if group >= nearest
        }

    def _range(self, chunks: "_Chunks", group: int) -> Range:
        return chunks.range_of(group, self.first)[0], chunks.range_of(group, self.last)[1] + BUFFER


class _Chunks:
    """Where the column chunks of a file are, by pyarrow's `FileMetaData`; chunks are in the order of their numbers."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata
        self.groups: int = metadata.num_row_groups

    def range_of(self, group: int, column: int) -> Range:
        """Return the range of a chunk. It begins with its dictionary page, if it has one."""
        chunk = self._metadata.row_group(group).column(column)
        first: int = chunk.dictionary_page_offset or chunk.data_page_offset
        return first, first + chunk.total_compressed_size

    def at(self, position: int) -> Optional[tuple[int, int]]:
        """Return the row group and the column of the chunk that begins at a position, or less than a buffer before.

        The beginning of a chunk may be in the buffer of `io.BufferedReader` already.
        """
        group = _last_before(position + 1, 0, self.groups, lambda number: self.range_of(number, 0)[0])
        column = self.last_before(position + 1, group, 0)
        first, end = self.range_of(group, column)
        return (group, column) if first <= position <= first + BUFFER and position < end else None

    def last_before(self, offset: int, group: int, least: int) -> int:
        """Return the last column whose chunk of a row group begins before an offset; `least` if there is none."""
        columns: int = self._metadata.num_columns
        return _last_before(offset, least, columns, lambda number: self.range_of(group, number)[0])


def _last_before(offset: int, least: int, count: int, first_of: Callable[[int], int]) -> int:
    """Bisect; the function `bisect` has no `key` before Python 3.10."""
    low, high = least + 1, count
    while low < high:
        middle = (low + high) // 2
        if first_of(middle) < offset:
            low = middle + 1
        else:
            high = middle
    return low - 1
