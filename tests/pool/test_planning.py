"""Tests of the cutting of large work, over all sizes that S3 takes."""

from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.pool.planning import MAX_OBJECT, MAX_PARTS, PART_SIZE, Piece, part_size, pieces


def test_a_range_header_includes_both_ends():
    assert Piece(0, 1).byte_range == "bytes=0-0"
    assert Piece(500, 100).byte_range == "bytes=500-599"


@given(st.integers(1, MAX_OBJECT))
def test_parts_respect_the_limits_of_s3(size):
    step = part_size(size)
    assert step >= PART_SIZE
    assert step <= 5 * 2**30
    assert -(-size // step) <= MAX_PARTS
    assert step % 2**20 == 0


def test_parts_grow_only_when_they_have_to():
    assert part_size(1) == PART_SIZE
    assert part_size(PART_SIZE * MAX_PARTS) == PART_SIZE
    assert part_size(PART_SIZE * MAX_PARTS + 1) > PART_SIZE


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(10**3, 10**6))
def test_pieces_cover_exactly(first, length, step):
    cut = list(pieces(first, first + length, step))
    assert sum(piece.length for piece in cut) == length
    position = first
    for piece in cut:
        assert piece.first == position
        assert 1 <= piece.length <= step
        position += piece.length
    assert all(piece.length == step for piece in cut[:-1])
