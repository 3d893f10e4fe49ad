"""Tests of what a download of several responses knows."""

import pytest

from metaflow_extensions.fasts3.plans.download import Downloaded, LargeObject, path_of_restart
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/t/1-2-k.parquet", "/t/1-2-k.1.parquet"), ("/t/1-2-k", "/t/1-2-k.1"), ("/t.d/data-0f", "/t.d/data-0f.1")],
)
def test_a_restarted_download_keeps_the_extension(path, expected):
    assert path_of_restart(path, 1) == expected


@pytest.mark.parametrize(
    ("etag", "modified", "is_same"), [('"e"', 1, True), ('"e"', 2, True), ("", 1, True), ("", 2, False)]
)
def test_without_etags_times_show_that_an_object_has_changed(etag, modified, is_same):
    first, later = (
        GetResponse(ObjectInfo(9, etag, None, {}, time, None), 0, 9, 9, None, None) for time in (1, modified)
    )
    assert LargeObject(Downloaded(None, first)).is_of(later) is is_same
