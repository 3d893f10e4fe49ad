"""Tests of splitting large objects, for all sizes that S3 supports."""

from hypothesis import given
from hypothesis import strategies as st
from plans.sizes import LARGEST_PART, MIB, SMALLEST_PART, covers, sizes

from metaflow_extensions.fasts3.plans.pieces import MAX_PARTS, PART_SIZE, Piece, part_size, pieces


def test_a_range_header_includes_both_ends():
    assert Piece(0, 1).byte_range == "bytes=0-0"
    assert Piece(500, 100).byte_range == "bytes=500-599"


@given(sizes, st.integers(SMALLEST_PART // MIB, 5 * 2**10).map(lambda mib: mib * MIB))
def test_parts_respect_the_limits_of_s3(size, smallest):
    for step in (part_size(size), part_size(size, smallest)):
        assert SMALLEST_PART <= step <= LARGEST_PART
        assert -(-size // step) <= MAX_PARTS
        assert step % MIB == 0
    assert part_size(size) >= PART_SIZE
    assert part_size(size, smallest) >= smallest


def test_parts_grow_only_when_they_have_to():
    assert part_size(1) == PART_SIZE
    assert part_size(PART_SIZE * MAX_PARTS) == PART_SIZE
    assert part_size(PART_SIZE * MAX_PARTS + 1) > PART_SIZE


@given(sizes)
def test_parts_are_the_object_once_and_in_order(size):
    cut = list(pieces(0, size, part_size(size)))  # 10,000 at the most
    assert len(cut) <= MAX_PARTS
    assert covers(cut, 0, size)
    assert {piece.length for piece in cut[:-1]} <= {part_size(size)}


@given(sizes, sizes, st.integers(1, 2000))
def test_pieces_cover_exactly(first, end, many):
    first, end = sorted((first, end))
    step = max(1, (end - first) // many)
    cut = list(pieces(first, end, step))
    assert covers(cut, first, end)
    assert all(piece.length == step for piece in cut[:-1])
    assert not cut or cut[-1].length <= step


@given(sizes.filter(bool), st.data())
def test_pieces_of_the_largest_objects_are_not_made_all_at_once(size, data):
    first = data.draw(st.integers(0, size - 1))
    assert next(pieces(first, size, PART_SIZE)) == Piece(first, min(PART_SIZE, size - first))
