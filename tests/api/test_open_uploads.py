"""Tests of the message about multipart uploads that a call left open."""

import pytest

from metaflow_extensions.fasts3.api.open_uploads import MOST_NAMED, open_uploads_message
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.workers.cleanup import Undone

REFUSED = Failure(Code.ACCESS_DENIED, "Access Denied.", "AccessDenied", 403)


def undone(key, bucket="b", upload_id="id"):
    return Undone(Job(0, "abort_upload", bucket, key, {"upload_id": upload_id}), REFUSED)


def test_without_open_uploads_there_is_no_message():
    assert open_uploads_message([], []) == ""


def test_the_message_has_count_names_and_reason():
    message = open_uploads_message([undone("data/a", upload_id="A1\x1b[2J"), undone("data/b")], ["s3://b/data/c"])
    assert message.startswith("2 multipart uploads could not be aborted (AccessDenied: Access Denied): s3://b/data/a ")
    assert "(upload id A1\\x1b[2J)" in message
    assert "1 multipart upload may have been opened at the end: s3://b/data/c." in message
    assert "`metaflow fasts3 uploads s3://b/data/`" in message


def test_a_great_many_are_counted():
    message = open_uploads_message([undone(f"k{number}") for number in range(1000)], [])
    assert f"and {1000 - MOST_NAMED} more" in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("urls", "place"),
    [
        (["s3://b/k"], "s3://b/k"),
        (["s3://b/k", "s3://b/k"], "s3://b/k"),
        (["s3://b/d/k", "s3://b/d/k2"], "s3://b/d/"),
        (["s3://b/d/k", "s3://b/e/k"], "s3://b/"),
        (["s3://b/d/k", "s3://b2/d/k", "s3://b/d/x/y"], "s3://b/d/"),
    ],
)
def test_the_suggested_url_has_the_whole_bucket(urls, place):
    assert f"uploads {place}`" in open_uploads_message([], urls)


@pytest.mark.parametrize(
    ("urls", "remedy"),
    [
        (["s3://b/d/k", "s3://b/d/l"], "s3://b/d/`, and remove them with `--abort --older-than 1h`."),
        (["s3://b/d/k", "s3://b/e/k"], "s3://b/`, and remove them with `--abort --older-than 1h` and a prefix in the"),
        (["s3://b/a b/k"], "'s3://b/a b/k'`, and remove them"),
    ],
)
def test_the_command_can_be_pasted_and_is_not_refused(urls, remedy):
    """The uploads of a whole bucket are not aborted."""
    assert f"metaflow fasts3 uploads {remedy}" in open_uploads_message([], urls)
