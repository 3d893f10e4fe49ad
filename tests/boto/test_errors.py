"""Tests of the table that maps exceptions to codes."""

import errno
import ssl
from unittest.mock import Mock

import botocore.exceptions as botocore_errors
import pytest
import urllib3.exceptions as urllib3_errors

from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError


def error_response(s3_code, status):
    return botocore_errors.ClientError(
        {
            "Error": {"Code": s3_code, "Message": "what S3 says"},
            "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "id"},
        },
        "GetObject",
    )


ANSWERS = [
    ("NoSuchKey", 404, Code.NOT_FOUND),
    ("404", 404, Code.NOT_FOUND),
    ("NoSuchBucket", 404, Code.NO_BUCKET),
    ("NoSuchUpload", 404, Code.NO_UPLOAD),
    ("AccessDenied", 403, Code.ACCESS_DENIED),
    ("403", 403, Code.ACCESS_DENIED),
    ("InvalidAccessKeyId", 403, Code.ACCESS_DENIED),
    ("SignatureDoesNotMatch", 403, Code.ACCESS_DENIED),
    ("ExpiredToken", 400, Code.EXPIRED),
    ("RequestTimeTooSkewed", 403, Code.SKEWED),
    ("InvalidObjectState", 403, Code.ARCHIVED),
    ("InvalidRange", 416, Code.INVALID_RANGE),
    ("PreconditionFailed", 412, Code.PRECONDITION),
    ("412", 412, Code.PRECONDITION),
    ("304", 304, Code.PRECONDITION),
    ("ConditionalRequestConflict", 409, Code.BUSY),
    ("RequestTimeout", 400, Code.BUSY),
    ("SlowDown", 503, Code.BUSY),
    ("InternalError", 500, Code.BUSY),
    ("InternalError", 200, Code.BUSY),
    ("502", 502, Code.BUSY),
    ("504", 504, Code.BUSY),
    ("TooManyRequests", 429, Code.BUSY),
    ("NotImplemented", 501, Code.NOT_IMPLEMENTED),
    ("BadDigest", 400, Code.BROKEN),
    ("InvalidArgument", 400, Code.REJECTED),
    ("MetadataTooLarge", 400, Code.REJECTED),
    ("PermanentRedirect", 301, Code.REJECTED),
    ("MethodNotAllowed", 405, Code.REJECTED),
]


@pytest.mark.parametrize(("s3_code", "status", "code"), ANSWERS)
def test_error_responses_of_s3(s3_code, status, code):
    assert failure_of(error_response(s3_code, status))[:8] == (code, "what S3 says", s3_code, status, "id", 1, 0.0, 0.0)


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
EXCEPTIONS = [
    (botocore_errors.NoCredentialsError(), Code.NO_CREDENTIALS),
    (botocore_errors.CredentialRetrievalError(provider="x", error_msg="y"), Code.NO_CREDENTIALS),
    (botocore_errors.EndpointConnectionError(endpoint_url="http://x"), Code.UNREACHABLE),
    (botocore_errors.ConnectTimeoutError(endpoint_url="http://x"), Code.UNREACHABLE),
    (botocore_errors.ReadTimeoutError(endpoint_url="http://x"), Code.UNREACHABLE),
    (botocore_errors.ConnectionClosedError(endpoint_url="http://x"), Code.UNREACHABLE),
    (botocore_errors.ResponseStreamingError(error="reset"), Code.UNREACHABLE),
    (botocore_errors.SSLError(endpoint_url="https://x", error=ssl.SSLError(1, "handshake")), Code.UNREACHABLE),
    (botocore_errors.SSLError(endpoint_url="https://x", error=UNTRUSTED), Code.UNTRUSTED),
    (botocore_errors.SSLError(endpoint_url="https://x", error=urllib3_errors.SSLError(UNTRUSTED)), Code.UNTRUSTED),
    (urllib3_errors.ProtocolError("broken"), Code.UNREACHABLE),
    (ConnectionResetError(), Code.UNREACHABLE),
    (botocore_errors.IncompleteReadError(actual_bytes=1, expected_bytes=2), Code.BROKEN),
    (botocore_errors.FlexibleChecksumError(error_msg="x"), Code.BROKEN),
    (botocore_errors.ParamValidationError(report="x"), Code.REJECTED),
    (botocore_errors.UnsupportedS3ArnError(arn="x", msg="y"), Code.REJECTED),
    (OSError(errno.ENOSPC, "No space left on device"), Code.DISK_FULL),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), Code.DISK_FULL),
    (OSError(errno.EMFILE, "Too many open files"), Code.NO_DESCRIPTORS),
    (
        botocore_errors.EndpointConnectionError(endpoint_url="x", error=OSError(errno.EMFILE, "Too many open files")),
        Code.NO_DESCRIPTORS,
    ),
    (botocore_errors.HTTPClientError(error=TransferError(Failure(Code.CHANGED, "of a file"))), Code.CHANGED),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), Code.LOCAL_FILE),
    (PermissionError(errno.EACCES, "Permission denied"), Code.LOCAL_FILE),
    (ValueError("anything else"), Code.REJECTED),
]


@pytest.mark.parametrize(("error", "code"), EXCEPTIONS, ids=lambda value: getattr(value, "value", type(value).__name__))
def test_exceptions_without_a_response(error, code):
    failure = failure_of(error)
    assert failure.code is code
    assert failure.message
    assert failure.status == 0


def test_a_defect_of_ours_is_raised_as_it_is():
    """An exception of botocore or of a user's hook is a failure of the request; one of this package is a bug."""
    with pytest.raises(AttributeError) as raised:
        Boto3Transfers(Mock(spec=["head_object", "meta"], head_object=lambda **_: None)).head("b", "k")
    assert raised.traceback[-1].path.parent.name == "boto"
    hooked = Mock(spec=["head_object", "meta"], head_object=Mock(side_effect=ZeroDivisionError("of theirs")))
    with pytest.raises(TransferError, match="of theirs"):
        Boto3Transfers(hooked).head("b", "k")
