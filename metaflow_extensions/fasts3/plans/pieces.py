"""How large work is cut: ranges of a download, parts of an upload. Pure arithmetic.

Limits from https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
"""

from collections.abc import Iterator
from typing import NamedTuple

PART_SIZE = 8 * 2**20  # bytes; large enough that a request's own cost vanishes, small enough to spread over connections
CARRIED = 4 * PART_SIZE  # bytes of a part that is held in memory, and perhaps goes to a worker through a pipe, at most
MAX_PARTS = 10_000  # of one multipart upload
MAX_OBJECT = 5 * 2**40  # bytes: 5 TiB
LEAST_PART, MOST_PART = 5 * 2**20, 5 * 2**30  # bytes; the last part may be smaller. One PUT takes as much as a part


class Piece(NamedTuple):
    """A run of bytes."""

    first: int  # offset of the first byte
    length: int  # bytes, at least 1

    @property
    def byte_range(self) -> str:
        """The Range header that asks for it; both ends are inclusive (RFC 9110 section 14.1.2)."""
        return f"bytes={self.first}-{self.first + self.length - 1}"


def part_size(size: int, smallest: int = PART_SIZE) -> int:
    """Bytes of each part of an object, so that 10,000 parts are enough.

    Whole MiBs, because parts that begin on round offsets are what servers lay out best.
    """
    if size <= smallest * MAX_PARTS:
        return smallest
    mib = 2**20
    return -(-size // (MAX_PARTS * mib)) * mib


def pieces(first: int, end: int, step: int) -> Iterator[Piece]:
    """Cut the bytes from `first` to before `end` into runs of `step`, the last one shorter."""
    for start in range(first, end, step):
        yield Piece(start, min(step, end - start))
