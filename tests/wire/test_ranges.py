"""Tests of responses to a Range header."""

import pytest

from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.ranges import most_of, span


@pytest.mark.parametrize(
    ("header", "requested", "length", "expected"),
    [
        (None, None, 5, (0, 5)),
        ("", None, 5, (0, 5)),
        ("bytes 0-4/5", None, 5, (0, 5)),
        ("bytes 10-19/100", "bytes=10-19", 10, (10, 100)),
        (None, None, None, (0, None)),
    ],
)
def test_content_ranges(header, requested, length, expected):
    assert span(header, requested, length) == expected


@pytest.mark.parametrize(
    "header",
    [
        *("bytes 0-4/6x", "bytes 0-5/100", "bytes */100", "items 0-4/5", "bytes 0-4/4", "0-4", "bytes 0-4/*"),
        *("bytes 6-10/10", "bytes 0-4/-5", "bytes 5-0/5", "bytes -5--1/5", "bytes +0-4/5", "bytes 0_0-4/5"),
        *("bytes  0-4/5", "bytes 0- 4/5", "bytes 0-4/5\n", "bytes 0-4/5, 0-4/5", "bytes 0-4/" + "9" * 20),
    ],
)
def test_content_ranges_that_make_no_sense(header):
    with pytest.raises(TransferError) as failed:
        span(header, "bytes=0-4", 5)
    assert failed.value.failure.code is Code.MALFORMED


@pytest.mark.parametrize(
    ("requested", "first", "length", "total"),
    [
        (None, 0, 100, 100),
        ("bytes=0-9", 0, 10, 100),
        ("bytes=90-200", 90, 10, 100),
        ("bytes=90-", 90, 10, 100),
        ("bytes=-10", 90, 10, 100),
        ("bytes=-200", 0, 100, 100),
    ],
)
def test_a_response_with_the_requested_range(requested, first, length, total):
    assert span(f"bytes {first}-{first + length - 1}/{total}", requested, length) == (first, total)


@pytest.mark.parametrize(
    ("requested", "first", "length", "total"),
    [
        ("bytes=10-19", 0, 100, 100),  # Range was ignored
        ("bytes=10-19", 10, 5, 100),  # less than there is
        ("bytes=10-19", 11, 10, 100),
        ("bytes=90-", 0, 100, 100),
        ("bytes=-10", 0, 10, 100),
    ],
)
def test_a_response_with_another_range_is_an_error(requested, first, length, total):
    with pytest.raises(TransferError) as failed:
        span(f"bytes {first}-{first + length - 1}/{total}", requested, length)
    assert failed.value.failure.code is Code.REJECTED


def test_a_range_of_an_unknown_length_is_an_error():
    with pytest.raises(TransferError) as failed:
        span(None, "bytes=0-4", None)
    assert failed.value.failure.code is Code.REJECTED


def test_an_unrequested_range_is_an_error():
    with pytest.raises(TransferError) as failed:
        span("bytes 0-4/100", None, 5)
    assert failed.value.failure.code is Code.MALFORMED


@pytest.mark.parametrize(
    ("length", "limit", "ways", "most"),
    [
        (100, 10, 0, 10),
        (15, 10, 0, 15),
        (100, 10, 1, 100),  # 80, and half as much again
        (130, 10, 1, 80),
        (100, 10, 3, 30),  # whole limits
        (100, 10, 50, 10),
        (10_000, 10, 2, 80),  # no response is waited for alone
        (100, 0, 5, 0),
        (100, None, 5, 100),
    ],
)
def test_the_share_of_one_response(length, limit, ways, most):
    assert most_of(length, limit, False, ways) == most


def test_without_a_length_memory_is_limited_and_a_file_is_not():
    assert (most_of(None, 10, True, 4), most_of(None, 10, False, 4)) == (10, None)
