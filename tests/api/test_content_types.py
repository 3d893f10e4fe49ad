"""Tests of content types by file name."""

import pytest

from metaflow_extensions.fasts3.api.content_types import content_type_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "text/plain"),
        ("folder/page.HTML", "text/html"),
        ("folder.txt/name", None),
        ("no-suffix", None),
        ("", None),
        ("a.csv.gz", "application/gzip"),
        ("a.tar.bz2", "application/x-bzip2"),
        ("a.tar.xz", "application/x-xz"),
        ("data:text.json", "application/json"),
        ("http://host/a.txt?b=c.png", "image/png"),
    ],
)
def test_a_name_suggests_a_type(name, expected):
    assert content_type_of(name) == expected
