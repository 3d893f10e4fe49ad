"""Values of headers: ranges, lengths, dates, waits, checksums."""

import re

from metaflow_extensions.fasts3.wire.checksums import ALGORITHMS, full_object_checksum
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.http11 import Head, ProtocolError, content_length
from metaflow_extensions.fasts3.wire.ranges import span
from metaflow_extensions.fasts3.wire.s3_errors import seconds_of

TOKENS = [
    *(b"bytes 0-4/5", b"bytes ", b"-", b"/", b"*", b"5", b"0", b"+", b"_", b" ", b", ", b"9" * 20, b"\xb2", b"=="),
    *(b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"GMT", b":"),
    *(b"0000", b"9999", b"99", b"Feb", b"Dec", b"+2400", b"-9999", b"EST", b"1994-11-06T08:49:37Z", b"(", b")", b'"'),
]


def check(data: bytes) -> bool:
    """Take it for the value of each header; whether any of them can be that."""
    value = data.decode("latin-1")
    return any([_is_range(value), _is_length(value), _is_date(value), _is_wait(value), _is_checksum(value)])


def _is_range(value):
    length = 5
    try:
        first, total = span(value, f"bytes=-{length}", length)
    except TransferError:
        return False
    assert 0 <= first <= total - length
    assert not value or re.fullmatch(f"bytes 0*{first}-0*{first + length - 1}/0*{total}", value)
    return bool(value)


def _is_length(value):
    try:
        length = content_length(Head(200, "", {"content-length": value}, True))
    except ProtocolError:
        return False
    assert length is not None
    assert 0 <= length < 10**19
    return True


def _is_date(value):
    http_timestamp.cache_clear()
    timestamp = http_timestamp(value)
    assert timestamp is None or type(timestamp) is int
    return timestamp is not None


def _is_wait(value):
    seconds = seconds_of(value)
    assert 0 <= seconds < 10**6
    return seconds > 0


def _is_checksum(value):
    checksum = full_object_checksum({"x-amz-checksum-sha256": value})
    assert checksum is None or (checksum.value == value and checksum.algorithm in ALGORITHMS)
    return checksum is not None
