"""Splits large objects: ranges of a download, parts of an upload. Pure arithmetic.

Limits from https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, and the size of an object from
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingObjects.html (before December 2025, it was 5 TiB).
"""

from collections.abc import Iterator
from typing import NamedTuple

PART_SIZE = 8 * 2**20  # bytes; large enough to make a request's overhead negligible, small enough for parallelism
CARRIED = 4 * PART_SIZE  # maximum bytes of a part in memory, which may be sent to a worker through a pipe
MAX_PARTS = 10_000  # per multipart upload
LEAST_PART, MOST_PART = 5 * 2**20, 5 * 2**30  # bytes; the last part may be smaller. A PUT has the same maximum
MAX_OBJECT = MAX_PARTS * MOST_PART  # bytes: 48.8 TiB


class Piece(NamedTuple):
    """A section of bytes."""

    first: int  # offset of the first byte
    length: int  # bytes, at least 1

    @property
    def byte_range(self) -> str:
        """Return its Range header; both ends are inclusive (RFC 9110 section 14.1.2)."""
        return f"bytes={self.first}-{self.first + self.length - 1}"


def part_size(size: int, smallest: int = PART_SIZE) -> int:
    """Return the size in bytes of an object's parts, at most 10,000 of them.

    Whole MiBs, because servers store aligned parts efficiently.
    """
    if size <= smallest * MAX_PARTS:
        return smallest
    mib = 2**20
    return -(-size // (MAX_PARTS * mib)) * mib


def pieces(first: int, end: int, step: int) -> Iterator[Piece]:
    """Split the bytes from `first` up to `end`, exclusive, into sections of `step` bytes; the last may be shorter."""
    for start in range(first, end, step):
        yield Piece(start, min(step, end - start))
