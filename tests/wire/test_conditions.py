"""Tests of the conditions of uploads."""

import pytest

from metaflow_extensions.fasts3.wire.conditions import ABSENT, condition_headers, same_etag


@pytest.mark.parametrize(
    ("condition", "headers"),
    [(None, {}), (ABSENT, {"if-none-match": "*"}), ('"etag-2"', {"if-match": '"etag-2"'})],
)
def test_a_condition_is_one_header(condition, headers):
    assert condition_headers(condition) == headers


def test_no_etag_is_taken_for_another_condition():
    assert condition_headers(f'"{ABSENT}"') == {"if-match": f'"{ABSENT}"'}


def test_etags_are_equal_with_quotes_and_without():
    assert same_etag('"a"', "a")
    assert same_etag("a", "a")
    assert not same_etag('"a"', '"b"')
    assert not same_etag('W/"a"', '"a"')
    assert not same_etag("", '"a"')
