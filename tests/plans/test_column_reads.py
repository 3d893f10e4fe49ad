"""Tests of the prediction of column chunks, with files of pyarrow."""

import io
import sys

import pytest

from metaflow_extensions.fasts3.plans.column_reads import (
    DISORDER,
    LARGEST_FOOTER,
    MOST_EXPECTED,
    MOST_GROUPS_AHEAD,
    ColumnReads,
)
from metaflow_extensions.fasts3.plans.read_window import BUFFER

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

COLUMNS, GROUPS = 12, 40
ROWS = 20_000  # of a row group: a chunk is larger than two buffers


@pytest.fixture(scope="module")
def blob():
    table = pyarrow.table({f"c{number}": list(range(number, number + GROUPS * ROWS)) for number in range(COLUMNS)})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, row_group_size=ROWS, compression="none", use_dictionary=["c5"])
    return buffer.getvalue()


@pytest.fixture(scope="module")
def chunks(blob):
    """The ranges of the chunks, by row group and column."""
    metadata = parquet.read_metadata(io.BytesIO(blob))
    ranges = []
    for group in range(GROUPS):
        of_group = [metadata.row_group(group).column(number) for number in range(COLUMNS)]
        firsts = [one.dictionary_page_offset or one.data_page_offset for one in of_group]
        ranges.append([(first, first + one.total_compressed_size) for first, one in zip(firsts, of_group)])
    return ranges


def reads_of(blob):
    return ColumnReads(len(blob), lambda first, end: blob[first:end])


@pytest.fixture
def reads(blob):
    return reads_of(blob)


def read(reads, chunks, group, column, last=None):
    """Read chunks as io.BufferedReader does: whole buffers, and a buffer with the rest and more."""
    first, end = chunks[group][column][0], chunks[group][column if last is None else last][1]
    middle = end - (end - first) % BUFFER
    expected = reads.expected_after(first, middle)
    return reads.expected_after(middle, middle + BUFFER) or expected


def with_buffer(*ranges):
    return [(first, end + BUFFER) for first, end in ranges]


def test_a_column_of_the_first_row_group_is_expected_in_the_following_ones(reads, chunks):
    for group in range(4):
        expected = [chunks[following][3] for following in range(group + 1, 2 * group + 2)]
        assert read(reads, chunks, group, 3) == with_buffer(*expected)


def test_a_chunk_with_a_dictionary_is_expected_from_its_dictionary_on(reads, chunks, blob):
    column = parquet.read_metadata(io.BytesIO(blob)).row_group(1).column(5)
    assert read(reads, chunks, 0, 5)[0][0] == column.dictionary_page_offset < column.data_page_offset


def test_of_a_later_row_group_alone_nothing_is_expected(reads, chunks):
    assert read(reads, chunks, 7, 3) == []
    assert read(reads, chunks, 8, 3) == with_buffer(chunks[9][3])
    assert read(reads, chunks, 9, 3) == with_buffer(chunks[10][3], chunks[11][3])


def test_columns_are_expected_in_the_order_of_the_file(reads, chunks):
    read(reads, chunks, 0, 3)
    assert read(reads, chunks, 0, 9) == with_buffer(chunks[1][3], chunks[1][9])
    read(reads, chunks, 1, 3)
    expected = [(2, 3), (2, 9), (3, 3), (3, 9)]
    assert read(reads, chunks, 1, 9) == with_buffer(*(chunks[group][column] for group, column in expected))


def test_adjacent_columns_are_one_range(reads, chunks):
    assert read(reads, chunks, 0, 3, last=6) == with_buffer((chunks[1][3][0], chunks[1][6][1]))


def test_columns_that_are_read_one_after_the_other_are_one_range(reads, chunks):
    first, end = chunks[0][3]
    reads.expected_after(first, end)
    assert reads.expected_after(end, chunks[0][4][1]) == with_buffer((chunks[1][3][0], chunks[1][4][1]))


def test_the_buffer_after_a_chunk_is_no_read_of_the_next_column(reads, chunks):
    first, end = chunks[0][3]
    expected = reads.expected_after(first, end)
    assert expected == with_buffer(chunks[1][3])
    assert reads.expected_after(end, end + BUFFER) is None


def test_the_beginning_of_a_chunk_may_be_in_the_buffer(reads, chunks):
    first, end = chunks[0][3]
    assert reads.expected_after(first + BUFFER, end) == with_buffer(chunks[1][3])


def test_pages_within_a_chunk_expect_nothing(reads, chunks):
    first, end = chunks[0][3]
    assert reads.expected_after(first + BUFFER + 1, end) is None


def test_a_second_read_of_a_chunk_changes_nothing(reads, chunks):
    assert read(reads, chunks, 0, 3) == read(reads, chunks, 0, 3)


def test_after_a_jump_to_a_distant_row_group_nothing_is_expected(reads, chunks):
    read(reads, chunks, 0, 3)
    read(reads, chunks, 0, 9)
    assert read(reads, chunks, DISORDER + 1, 4) == []
    assert read(reads, chunks, 0, 3) == with_buffer(chunks[1][3])


def test_threads_may_read_row_groups_in_another_order(reads, chunks):
    for group in (0, 4, 5, 6, 2, 1):
        expected = read(reads, chunks, group, 3)
    assert expected == with_buffer(*(chunks[group][3] for group in (3, *range(7, 13))))


def test_jumps_between_row_groups_expect_nothing(reads, chunks):
    for group in (7, 23, 14, 30, 3):
        assert read(reads, chunks, group, 3) == []


def test_nothing_follows_the_last_row_group(reads, chunks):
    for group in range(GROUPS - 1):
        assert read(reads, chunks, group, 3)
    assert read(reads, chunks, GROUPS - 1, 3) == []


def test_the_ranges_have_a_limit(reads, chunks):
    longest = 0
    for group in range(MOST_GROUPS_AHEAD + 2):
        for column in range(0, COLUMNS, 2):
            longest = max(longest, len(read(reads, chunks, group, column)))
    assert longest == MOST_EXPECTED < MOST_GROUPS_AHEAD * COLUMNS // 2


def test_sequential_reads_expect_nothing(reads, blob):
    assert {reads.expected_after(start, start + BUFFER) is None for start in range(0, len(blob), BUFFER)} == {True}


def test_without_pyarrow_nothing_is_expected(reads, chunks, monkeypatch):
    monkeypatch.delitem(sys.modules, "pyarrow.parquet")
    assert read(reads, chunks, 0, 3) is None


def test_the_footer_may_arrive_later_than_the_end(blob, chunks):
    here = [len(blob)]
    reads = ColumnReads(len(blob), lambda first, end: blob[first:end] if first >= here[0] else None)
    assert read(reads, chunks, 0, 3) is None
    here[0] -= 8
    assert read(reads, chunks, 0, 3) is None
    here[0] = chunks[-1][-1][1]
    assert read(reads, chunks, 0, 3) == with_buffer(chunks[1][3])


def damaged(blob):
    length = int.from_bytes(blob[-8:-4], "little")
    yield "encrypted footer", blob[:-4] + b"PARE"
    yield "footer of other bytes", blob[: -8 - length] + bytes(length) + blob[-8:]
    yield "footer that is cut", blob[:-1000] + blob[-8:]
    yield "footer longer than the file", blob[:-8] + (len(blob) + 1).to_bytes(4, "little") + b"PAR1"
    yield "footer without bytes", blob[:-8] + bytes(4) + b"PAR1"
    yield "only the end", blob[-8:]
    yield "shorter than the end", blob[-7:]
    yield "empty", b""


def test_other_files_expect_nothing_and_no_read_fails(blob, chunks):
    for name, other in damaged(blob):
        reads = reads_of(other)
        assert not read(reads, chunks, 0, 3), name
        assert read(reads, chunks, 1, 3) is None, name  # and the footer is not parsed again


def test_a_large_footer_is_not_parsed(monkeypatch, chunks):
    monkeypatch.setattr(parquet, "read_metadata", lambda source: pytest.fail("it was parsed"))
    end = (LARGEST_FOOTER + 1).to_bytes(4, "little") + b"PAR1"
    reads = ColumnReads(2 * LARGEST_FOOTER, lambda first, last: (bytes(last - first) + end)[-(last - first) :])
    assert read(reads, chunks, 0, 3) is None


def test_damaged_offsets_do_not_fail_a_read(blob, chunks, monkeypatch):
    reads = reads_of(blob)
    read(reads, chunks, 0, 3)
    monkeypatch.setattr(type(reads._chunks), "range_of", lambda *given: 1 // 0)
    assert read(reads, chunks, 1, 3) == []
    assert read(reads, chunks, 2, 3) is None
