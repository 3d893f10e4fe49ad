"""Tests of what a process knows of endpoints."""

import pytest

from metaflow_extensions.fasts3.control import presence


@pytest.fixture
def url(request):
    """An endpoint that no other test knows."""
    return f"https://{request.node.name}.example"


def test_answers_are_remembered_for_this_process_only(url, monkeypatch):
    assert not presence.has_answered(url)
    presence.note_answer(url)
    assert presence.has_answered(url)
    monkeypatch.setattr(presence.os, "getpid", lambda: -1)
    assert not presence.has_answered(url)


def test_buckets_are_remembered_for_this_process_only(url, monkeypatch):
    presence.note_bucket(url, "bucket")
    assert presence.knows_bucket(url, "bucket")
    assert not presence.knows_bucket(url, "other")
    monkeypatch.setattr(presence.os, "getpid", lambda: -1)
    assert not presence.knows_bucket(url, "bucket")
