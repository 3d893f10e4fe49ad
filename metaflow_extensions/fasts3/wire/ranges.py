"""Range requests and what servers make of them (RFC 9110 section 14). Pure."""

from typing import Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError


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
        BROKEN: the two contradict one another.
    """
    if not header:
        return 0, length
    try:
        unit, _, rest = header.partition(" ")
        span, _, total = rest.partition("/")
        first, _, last = span.partition("-")
        if unit == "bytes" and int(last) - int(first) + 1 == length <= int(total):
            return int(first), int(total)
    except ValueError:
        pass
    raise TransferError(Failure(Code.BROKEN, f"Content-Range {header!r} does not go with {length} bytes"))


def check_range(asked: Optional[str], first: int, length: int, total: int) -> None:
    """A server may ignore a Range header, or answer another range (RFC 9110 section 14.2); bytes would be mixed up.

    Raises
    ------
    TransferError
        REJECTED: what came is not what was asked for. BROKEN: a range came, and none was.
    """
    if asked is None:
        if length != total:
            raise TransferError(Failure(Code.BROKEN, f"{length} bytes came of {total}, and no range was asked for"))
        return
    start, _, end = asked.partition("=")[2].partition("-")
    begin = int(start) if start else max(0, total - int(end))
    last = total - 1 if not (start and end) else min(int(end), total - 1)
    if (first, length) != (begin, last - begin + 1):
        told = f"{asked} was asked for, and {length} bytes from {first} of {total} came"
        raise TransferError(Failure(Code.REJECTED, told))
