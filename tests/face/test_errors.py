"""Tests of what users are told."""

import pytest
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.face import errors
from metaflow_extensions.fasts3.face.errors import exception_of
from metaflow_extensions.fasts3.wire.failures import Code, Failure

TABLE = {
    Code.NOT_FOUND: errors.MetaflowS3NotFound,
    Code.NO_BUCKET: errors.MetaflowS3NotFound,
    Code.ACCESS_DENIED: errors.MetaflowS3AccessDenied,
    Code.EXPIRED: errors.MetaflowS3AccessDenied,
    Code.SKEWED: errors.MetaflowS3AccessDenied,
    Code.INVALID_RANGE: errors.MetaflowS3InvalidRange,
    Code.DISK_FULL: errors.MetaflowS3InsufficientDiskSpace,
    Code.NO_FILE: errors.MetaflowS3NotFound,
    Code.CHANGED: errors.MetaflowS3InvalidObject,
    Code.STALE: errors.MetaflowS3PreconditionFailed,
}


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_one_exception(code):
    error = exception_of("get", "s3://b/k", Failure(code, "why"), "AKIA")
    assert type(error) is TABLE.get(code, errors.MetaflowS3Exception)
    assert isinstance(error, MetaflowException)
    assert "GetObject of s3://b/k failed: why" in str(error)


def test_a_message_holds_all_that_helps():
    failure = Failure(Code.ACCESS_DENIED, "No.", "AccessDenied", 403, "R3QU3ST", 4, 2.54)
    error = exception_of("head", "s3://b/k", failure, "AKIA")
    for part in ("HeadObject", "s3://b/k", "AccessDenied: No", "HTTP 403", "R3QU3ST", "AKIA", "4 tries in 2.5 s"):
        assert part in str(error)
    assert "s3:ListBucket" in str(error)
    assert (error.url, error.s3_code, error.status, error.request_id) == ("s3://b/k", "AccessDenied", 403, "R3QU3ST")


@pytest.mark.parametrize(
    "exception", sorted({errors.MetaflowS3URLException, *TABLE.values()}, key=lambda exception: exception.__name__)
)
def test_where_no_request_failed_the_facts_are_empty(exception):
    error = exception("why")
    assert (error.url, error.s3_code, error.status, error.request_id) == ("", "", 0, "")
    assert isinstance(error, MetaflowException)


def test_an_object_that_has_been_changed_is_an_error_for_who_knows_no_other():
    assert issubclass(errors.MetaflowS3PreconditionFailed, errors.MetaflowS3Exception)


@pytest.mark.parametrize("code", errors.REMEDIES)
def test_remedies_are_whole_sentences(code):
    told = str(exception_of("get", "s3://b/k", Failure(code, "why"), "AKIA"))
    assert told.endswith(errors.REMEDIES[code])
    assert errors.REMEDIES[code].endswith(".")
