"""Range requests and their responses (RFC 9110 section 14). Pure."""

import re
from typing import Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, malformed

# As many digits as Content-Length; int() also accepts signs, underscores and spaces.
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})\Z")


def length_in(header: Optional[str]) -> Optional[int]:
    """Return the length of a range, from Content-Range alone; None without one."""
    match = _CONTENT_RANGE.match(header or "")
    return int(match[2]) - int(match[1]) + 1 if match else None


def span(header: Optional[str], requested: Optional[str], length: Optional[int]) -> "tuple[int, Optional[int]]":
    """Return the first byte received and the size of the whole object, None if unknown.

    Checks that the response has the requested range: servers may ignore Range (RFC 9110 section 14.2).

    Parameters
    ----------
    header : str or None
        Content-Range, e.g. `bytes 0-99/1234` (RFC 9110 section 14.4); the whole object without it.
    requested : str or None
        The request's Range header.
    length : int or None
        Length of the body; None if unknown.

    Raises
    ------
    TransferError
        MALFORMED: the headers contradict each other, or a range arrived that was not requested. REJECTED: the range
        differs from the requested one, or the length of one is unknown.
    """
    if length is None:
        if requested is not None:
            message = f"requested {requested}; the server sent the whole object, without its length"
            raise TransferError(Failure(Code.REJECTED, message))
        return 0, None
    first, total = 0, length
    if header:
        match = _CONTENT_RANGE.match(header)
        first, last, total = map(int, match.groups()) if match else (0, 0, 0)
        if last - first + 1 != length or last >= total:
            raise malformed(f"Content-Range {header!r} does not match a length of {length} bytes")
    if requested is None:
        if length != total:
            raise malformed(f"received {length} of {total} bytes without requesting a range")
        return first, total
    start, _, end = requested.partition("=")[2].partition("-")
    begin = int(start) if start else max(0, total - int(end))
    last = total - 1 if not (start and end) else min(int(end), total - 1)
    if (first, length) != (begin, last - begin + 1):
        message = f"requested {requested}, received {length} bytes from {first} of {total}"
        raise TransferError(Failure(Code.REJECTED, message))
    return first, total


MOST_SHARE = 8  # times the limit at most that one response reads, so that it does not take longer than the others


def most_of(length: Optional[int], limit: Optional[int], in_memory: bool, ways: int = 0) -> Optional[int]:
    """Return the number of bytes to read of a body; None to read a body of unknown length to its end.

    Bodies up to 1.5 times the limit are read to the end: another request would cost more, and the connection can be
    reused only after the last byte. With `ways`, the limit is the share of each of these responses, in whole limits.
    Bodies of unknown length are always written to a file completely.
    """
    if length is None:
        return limit if in_memory else None
    if limit and ways:
        limit *= max(1, min(length // limit // ways, MOST_SHARE))
    return length if limit is None or length <= limit + limit // 2 else limit
