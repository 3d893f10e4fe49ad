"""Sizes of objects, and the position of byte ranges in them."""

from hypothesis import strategies as st

from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, MAX_PARTS, PART_SIZE

MIB = 2**20
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: of each part but the last.
SMALLEST_PART, LARGEST_PART = 5 * MIB, 5 * 2**30
edges = st.sampled_from([0, PART_SIZE, 2 * PART_SIZE, PART_SIZE * MAX_PARTS, 9 * MIB * MAX_PARTS, MAX_OBJECT])
sizes = st.one_of(st.integers(0, MAX_OBJECT), st.builds(int.__add__, edges, st.integers(-2, 2))).map(
    lambda size: min(max(0, size), MAX_OBJECT)
)


def covers(cut, first, end):
    """Whether runs of bytes follow one another, without a gap, from `first` to before `end`."""
    for piece in cut:
        if piece.first != first or piece.length < 1:
            return False
        first += piece.length
    return first == end
