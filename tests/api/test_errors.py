"""Tests of exceptions and their messages."""

from types import SimpleNamespace

import pytest
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api import errors
from metaflow_extensions.fasts3.boto.credentials import ANONYMOUS, NO_IDENTITY
from metaflow_extensions.fasts3.wire.connection_errors import NO_TLS
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


def exception_of(operation, url, failure, identity, endpoint_url="", requester_pays=False):
    client = SimpleNamespace(identity=identity, endpoint_url=endpoint_url, proxy=None, requester_pays=requester_pays)
    return errors.exception_of(operation, url, failure, client)


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.DEFECT])
def test_every_code_is_one_exception(code):
    error = exception_of("get", "s3://b/k", Failure(code, "why"), "AKIA")
    assert type(error) is TABLE.get(code, errors.MetaflowS3Exception)
    assert isinstance(error, MetaflowException)
    assert "GetObject of s3://b/k failed: why" in str(error)


@pytest.mark.parametrize(("operation", "name"), [("head", "HeadObject"), ("get", "GetObject")])
def test_a_message_holds_all_that_helps(operation, name):
    failure = Failure(Code.ACCESS_DENIED, "No.", "AccessDenied", 403, "R3QU3ST", 4, 2.54)
    error = exception_of(operation, "s3://b/k", failure, "AKIA")
    for part in (name, "s3://b/k", "AccessDenied: No", "HTTP 403", "R3QU3ST", "AKIA", "4 tries in 2.5 s"):
        assert part in str(error)
    assert "s3:ListBucket" in str(error)
    assert (error.url, error.s3_code, error.status, error.request_id) == ("s3://b/k", "AccessDenied", 403, "R3QU3ST")


@pytest.mark.parametrize(
    "exception", sorted({errors.MetaflowS3URLException, *TABLE.values()}, key=lambda exception: exception.__name__)
)
def test_without_a_failed_request_the_attributes_are_empty(exception):
    error = exception("why")
    assert (error.url, error.s3_code, error.status, error.request_id) == ("", "", 0, "")
    assert isinstance(error, MetaflowException)


def test_precondition_failed_is_a_metaflow_s3_exception():
    assert issubclass(errors.MetaflowS3PreconditionFailed, errors.MetaflowS3Exception)


@pytest.mark.parametrize("s3_code", errors.REMEDIES_OF_S3_CODES)
@pytest.mark.parametrize("operation", ["get", "head"])
def test_the_error_for_an_unknown_identity_has_a_remedy(s3_code, operation):
    message = str(exception_of(operation, "s3://b/k", Failure(Code.ACCESS_DENIED, "why", s3_code, 403), "AKIA"))
    assert message.endswith(f" {errors.REMEDIES_OF_S3_CODES[s3_code]}")


@pytest.mark.parametrize("s3_code", sorted(errors.DENIED))
@pytest.mark.parametrize("operation", ["get", "head", "list_page", "put", "create_upload", "delete"])
def test_a_refusal_mentions_buckets_whose_requester_pays(operation, s3_code):
    failure = Failure(Code.ACCESS_DENIED, "why", s3_code, 403)
    assert str(exception_of(operation, "s3://b/k", failure, "AKIA")).endswith(errors.MAY_CHARGE)
    message = str(exception_of(operation, "s3://b/k", failure, "AKIA", requester_pays=True))
    assert errors.MAY_CHARGE not in message
    assert (errors.MAY_BE_MISSING in message) is (operation in ("get", "head"))
    assert str(exception_of(operation, "s3://b/k", failure, ANONYMOUS)).endswith(errors.NOT_PUBLIC)


def test_the_error_without_credentials_has_no_access_key_id():
    message = str(exception_of("get", "s3://b/k", Failure(Code.NO_CREDENTIALS, "why"), NO_IDENTITY))
    assert "failed: why (1 try in 0.0 s)." in message


@pytest.mark.parametrize(
    ("endpoint_url", "is_asked"),
    [
        ("http://127.0.0.1:9", True),
        ("http://localhost:9", True),
        ("http://[::1]:9", True),
        ("http://10.0.0.1:9", False),
        ("https://s3.amazonaws.com", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_the_error_names_a_stopped_local_server(endpoint_url, is_asked):
    message = str(exception_of("get", "s3://b/k", Failure(Code.UNREACHABLE, "why"), "AKIA", endpoint_url))
    assert ("metaflow fasts3 serve" in message) is is_asked
    assert errors.REMEDIES[Code.UNREACHABLE] in message
    message = str(exception_of("get", "s3://b/k", Failure(Code.BUSY, "why"), "AKIA", endpoint_url))
    assert "metaflow fasts3 serve" not in message


@pytest.mark.parametrize("code", errors.REMEDIES)
def test_remedies_are_whole_sentences(code):
    message = str(exception_of("get", "s3://b/k", Failure(code, "why"), "AKIA"))
    assert message.endswith(errors.REMEDIES[code])
    assert errors.REMEDIES[code].endswith(".")


WHEN_REQUIRED = "AWS_REQUEST_CHECKSUM_CALCULATION=when_required and AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"


@pytest.mark.parametrize(
    ("operation", "url", "failure", "remedy"),
    [
        ("get", "s3://b/k", Failure(Code.NOT_FOUND, "why", "NoSuchKey", 404), "return_missing=True"),
        ("head", "s3://b/k", Failure(Code.NOT_FOUND, "why", "404", 404), "list_paths()"),
        ("get", "s3://b/k", Failure(Code.INVALID_RANGE, "why", "InvalidRange", 416), "info() returns its size"),
        ("put", "s3://b/a/../k", Failure(Code.REJECTED, "why", "InvalidRequest", 400), "between slashes"),
        ("get", "s3://b/.", Failure(Code.REJECTED, "why", "InvalidRequest", 400), "between slashes"),
        ("get", "s3://b/k", Failure(Code.UNREACHABLE, "why", remedy=NO_TLS), "write http:// in the endpoint"),
        ("get", "s3://b/k", Failure(Code.NO_CREDENTIALS, "why"), "metaflow fasts3 serve"),
        (
            "put",
            "s3://b/k",
            Failure(Code.REJECTED, "Unsupported header 'x-amz-checksum-crc32'", "", 400),
            WHEN_REQUIRED,
        ),
        ("get", "s3://b/k", Failure(Code.REJECTED, "Unsupported header 'x-amz-checksum-mode'", "", 400), WHEN_REQUIRED),
        (
            "put",
            "s3://b/k",
            Failure(Code.REJECTED, "aws-chunked is unknown", "MissingContentLength", 411),
            WHEN_REQUIRED,
        ),
        ("create_upload", "s3://b/k", Failure(Code.NOT_IMPLEMENTED, "", "NotImplemented", 501), WHEN_REQUIRED),
        ("put", "s3://b/k", Failure(Code.NOT_S3, "why"), "is not S3"),
    ],
)
def test_common_errors_have_a_remedy(operation, url, failure, remedy):
    assert remedy in str(exception_of(operation, url, failure, NO_IDENTITY))


def test_a_key_with_dots_in_it_is_like_others():
    message = str(exception_of("get", "s3://b/a..b/.c", Failure(Code.REJECTED, "why", "", 400), NO_IDENTITY))
    assert "between slashes" not in message
