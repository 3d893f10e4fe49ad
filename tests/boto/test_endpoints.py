"""Tests of what a process remembers about endpoints."""

import pytest

from metaflow_extensions.fasts3.boto import endpoints


@pytest.fixture
def url(request):
    """An endpoint that no other test uses."""
    return f"https://{request.node.name}.example"


def test_endpoints_are_remembered_for_this_process_only(url, monkeypatch):
    assert not endpoints.has_responded(url)
    endpoints.note_response(url)
    assert endpoints.has_responded(url)
    monkeypatch.setattr(endpoints.os, "getpid", lambda: -1)
    assert not endpoints.has_responded(url)


def test_buckets_are_remembered_for_this_process_only(url, monkeypatch):
    endpoints.note_bucket(url, "bucket")
    assert endpoints.knows_bucket(url, "bucket")
    assert not endpoints.knows_bucket(url, "other")
    monkeypatch.setattr(endpoints.os, "getpid", lambda: -1)
    assert not endpoints.knows_bucket(url, "bucket")
