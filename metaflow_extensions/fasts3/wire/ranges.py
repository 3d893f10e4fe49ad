"""Range requests and what servers make of them (RFC 9110 section 14). Pure."""

import re
from typing import Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError

# As many digits as Content-Length; int takes signs, underscores and spaces besides.
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})\Z")


def content_range(header: Optional[str], length: int) -> "tuple[int, int]":
    """First byte and total size, of `bytes 0-99/1234` (RFC 9110 section 14.4); the whole object without it.

    Parameters
    ----------
    header : str or None
        Content-Range.
    length : int
        Content-Length.

    Raises
    ------
    TransferError
        MALFORMED: the two contradict one another.
    """
    if not header:
        return 0, length
    told = _CONTENT_RANGE.match(header)
    if told:
        first, last, total = map(int, told.groups())
        if last - first + 1 == length and last < total:
            return first, total
    raise TransferError(Failure(Code.MALFORMED, f"Content-Range {header!r} does not go with {length} bytes"))


def length_in(header: Optional[str]) -> Optional[int]:
    """The bytes of a range, by its Content-Range alone; None where that does not say."""
    told = _CONTENT_RANGE.match(header or "")
    return int(told[2]) - int(told[1]) + 1 if told else None


def span(header: Optional[str], asked: Optional[str], length: Optional[int]) -> "tuple[int, Optional[int]]":
    """First byte of what came and size of the whole object, None where it was not told.

    Parameters
    ----------
    header : str or None
        Content-Range.
    asked : str or None
        The Range header of the request.
    length : int or None
        Bytes of the body; None where they were not told.

    Raises
    ------
    TransferError
        As `content_range` and `check_range` do; REJECTED where neither range nor length was told of a range asked for.
    """
    if length is None:
        if asked is not None:
            told = f"{asked} was asked for, and the server sends the whole object, without its length"
            raise TransferError(Failure(Code.REJECTED, told))
        return 0, None
    first, total = content_range(header, length)
    check_range(asked, first, length, total)
    return first, total


MOST_SHARE = 8  # times the limit that a response brings of an object with others: none of these is waited for alone


def most_of(length: Optional[int], limit: Optional[int], in_memory: bool, ways: int = 0) -> Optional[int]:
    """Bytes of a body that are wanted; None for all of one whose length was not told, which into a file comes whole.

    Up to half as much again as the limit is read to its end: another request would cost more, and the connection, which
    can be used again only after the last byte, is kept. With `ways`, the limit is the share of each of so many
    responses, in whole limits.
    """
    if length is None:
        return limit if in_memory else None
    if limit and ways:
        limit *= max(1, min(length // limit // ways, MOST_SHARE))
    return length if limit is None or length <= limit + limit // 2 else limit


def check_range(asked: Optional[str], first: int, length: int, total: int) -> None:
    """A server may ignore a Range header, or answer another range (RFC 9110 section 14.2); bytes would be mixed up.

    Raises
    ------
    TransferError
        REJECTED: what came is not what was asked for. MALFORMED: a range came, and none was.
    """
    if asked is None:
        if length != total:
            raise TransferError(Failure(Code.MALFORMED, f"{length} bytes came of {total}, and no range was asked for"))
        return
    start, _, end = asked.partition("=")[2].partition("-")
    begin = int(start) if start else max(0, total - int(end))
    last = total - 1 if not (start and end) else min(int(end), total - 1)
    if (first, length) != (begin, last - begin + 1):
        told = f"{asked} was asked for, and {length} bytes from {first} of {total} came"
        raise TransferError(Failure(Code.REJECTED, told))
