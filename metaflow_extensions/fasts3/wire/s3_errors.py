"""Maps S3's errors to the codes of `failures.py`.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import re
from http import HTTPStatus

from metaflow_extensions.fasts3.wire.failures import TRANSIENT, UNUSABLE, Code, Failure
from metaflow_extensions.fasts3.wire.not_s3 import refusal_of_another_server
from metaflow_extensions.fasts3.wire.redirects import with_region
from metaflow_extensions.fasts3.wire.xml_documents import texts

# Codes that say more than the HTTP status, and those that S3 or Swift also sends with status 200, before it knows the
# result: of CompleteMultipartUpload and copies.
_S3_CODES: "dict[Code, str]" = {
    Code.NO_BUCKET: "NoSuchBucket",
    Code.NO_UPLOAD: "NoSuchUpload",
    Code.ACCESS_DENIED: "AccessDenied AllAccessDisabled InvalidAccessKeyId SignatureDoesNotMatch InvalidToken",
    Code.EXPIRED: "ExpiredToken ExpiredTokenException TokenRefreshRequired",
    Code.SKEWED: "RequestTimeTooSkewed",
    Code.ARCHIVED: "InvalidObjectState",
    Code.PRECONDITION: "PreconditionFailed",
    Code.REJECTED: "EntityTooSmall InvalidPart InvalidPartOrder",
    Code.BROKEN: "BadDigest IncompleteBody XAmzContentChecksumMismatch XAmzContentSHA256Mismatch",
    # ConcurrentModification is Ceph's name for ConditionalRequestConflict.
    Code.BUSY: "ConditionalRequestConflict ConcurrentModification OperationAborted PriorRequestNotComplete "
    "RequestTimeout RequestTimeoutException SlowDown Throttling ThrottlingException RequestLimitExceeded "
    "BandwidthLimitExceeded InternalError",
}
BY_S3_CODE: "dict[str, Code]" = {name: code for code, names in _S3_CODES.items() for name in names.split()}

BY_STATUS: "dict[int, Code]" = {
    304: Code.PRECONDITION,  # MinIO until 2024, for PutObject with If-None-Match
    401: Code.ACCESS_DENIED,
    403: Code.ACCESS_DENIED,
    404: Code.NOT_FOUND,
    408: Code.BUSY,
    412: Code.PRECONDITION,
    416: Code.INVALID_RANGE,
    425: Code.BUSY,
    429: Code.BUSY,
    501: Code.NOT_IMPLEMENTED,
}

REQUEST_ID = "x-amz-request-id"
_SECONDS = re.compile(r"[0-9]{1,6}\Z")
_STATUSES = frozenset(int(status) for status in HTTPStatus)


def code_of(s3_code: str, status: int) -> Code:
    """Return the code of an S3 error.

    Parameters
    ----------
    s3_code : str
        `<Code>` in its document; "" without one.
    status : int
        The HTTP status.
    """
    return BY_S3_CODE.get(s3_code) or BY_STATUS.get(status) or (Code.BUSY if status >= 500 else Code.REJECTED)


def failure_of(status: int, headers: "dict[str, str]", document: bytes) -> Failure:
    """Return the failure of an error response.

    Parameters
    ----------
    status : int
    headers : dict of str to str
    document : bytes
        The body; empty for a HEAD, and then the status decides.
    """
    root, fields = texts(document)
    if root != "Error":
        fields = {}
        other = refusal_of_another_server(status, headers, document)
        if other:
            return other
    s3_code, message = fields.get("Code", ""), fields.get("Message", "")
    if not s3_code:
        s3_code = str(status)
        message = message or (HTTPStatus(status).phrase if status in _STATUSES else "")
    request_id = headers.get(REQUEST_ID) or fields.get("RequestId", "")
    code = code_of(s3_code, status)
    wait = seconds_of(headers.get("retry-after", ""))
    return with_region(Failure(code, message, s3_code, status, request_id, retry_after=wait), headers, fields)


def late_failure_of(status: int, headers: "dict[str, str]", document: bytes) -> Failure:
    """Return the failure of an error with status 200: for some operations, S3 sends 200 before it knows the result."""
    return failure_of(500, headers, document)._replace(status=status)


def failure_of_bucket(failure: Failure) -> Failure:
    """Return the failure of HeadBucket: the response to a HEAD has no body that could say NoSuchBucket."""
    if failure.code is not Code.NOT_FOUND:
        return failure
    return failure._replace(code=Code.NO_BUCKET, s3_code="NoSuchBucket")


def named(failure: Failure, status: int, headers: "dict[str, str]") -> Failure:
    """Add a response's status and request id to its failure, for support."""
    if failure.code not in UNUSABLE:  # for example a full disk, which is not the response's failure
        return failure
    return failure._replace(
        status=failure.status or status, request_id=failure.request_id or headers.get(REQUEST_ID, "")
    )


def seconds_of(retry_after: str) -> float:
    """Parse the seconds of a Retry-After header; 0 if it is a date, which S3 does not send."""
    return float(retry_after) if _SECONDS.match(retry_after) else 0.0


def explanation(refusal: Failure, explained: Failure) -> Failure:
    """Return the failure to report: the GET's, if it explains the HEAD's.

    Parameters
    ----------
    refusal : Failure
        Failure of the HEAD.
    explained : Failure
        Failure of the GET.
    """
    return explained if explained.code in TRANSIENT or 300 <= explained.status <= 403 else refusal
