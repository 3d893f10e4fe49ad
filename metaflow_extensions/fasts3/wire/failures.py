"""Failures of one transfer, as codes that can be sent through a pipe.

This file does not know what detected a failure (botocore, a socket, the file system) or what the user sees.
"""

from enum import Enum
from typing import NamedTuple


class Code(str, Enum):
    """Kinds of failures of a transfer."""

    NOT_FOUND = "not-found"  # 404 of a key
    NO_BUCKET = "no-bucket"  # 404 of the bucket
    NO_UPLOAD = "no-upload"  # 404 of a multipart upload: completed or aborted already
    ACCESS_DENIED = "access-denied"  # 403, and access keys that S3 does not know
    ARCHIVED = "archived"  # the object must be restored before it can be read
    EXPIRED = "expired"  # the credentials have expired; the request may succeed with newer ones
    SKEWED = (
        "skewed"  # the signature's time is too far from the server's; the request may succeed with the server's time
    )
    INVALID_RANGE = "invalid-range"  # 416
    PRECONDITION = "precondition"  # 412: If-Match or If-None-Match failed
    STALE = "stale"  # the object that an upload should replace has changed
    NOT_IMPLEMENTED = "not-implemented"  # 501: the server does not support the feature
    REJECTED = "rejected"  # any other 4xx: a retry would fail too
    UNTRUSTED = "untrusted"  # the server's certificate can't be verified
    NO_CREDENTIALS = "no-credentials"  # there are no credentials
    UNREACHABLE = "unreachable"  # no connection, or it broke: no response
    BUSY = "busy"  # 5xx, 429, SlowDown, timeouts that S3 reports: retry later
    BROKEN = "broken"  # a response that was damaged in transit: cut short, or with a checksum mismatch
    MALFORMED = "malformed"  # a complete, invalid response: the next one is probably the same
    NOT_S3 = "not-s3"  # a response that no S3 server sends: another kind of server responds
    INJECTED = "injected"  # injected for tests (inject_failure_rate)
    DISK_FULL = "disk-full"  # no space for a local file: the disk, a quota or a file size limit
    NO_DESCRIPTORS = "no-descriptors"  # this process or the machine has reached its limit of open files
    NO_FILE = "no-file"  # the local file of an upload no longer exists
    CHANGED = "changed"  # the local file changed during its upload
    LOCAL_FILE = "local-file"  # the local file can't be read or written
    DEFECT = "defect"  # an unexpected exception in a worker; the message is its traceback
    CRASHED = "crashed"  # the worker died repeatedly during this job


TRANSIENT = frozenset({Code.UNREACHABLE, Code.BUSY, Code.BROKEN, Code.INJECTED})
"""Failures after which the same request may succeed."""

ONCE_MORE = frozenset({Code.MALFORMED, Code.SKEWED})
"""Failures after which the same request is retried at most once."""

UNUSABLE = frozenset({Code.BROKEN, Code.MALFORMED, Code.NOT_S3})
"""Failures of responses that arrived and can't be used."""

UNANSWERED = frozenset(
    {
        Code.UNREACHABLE,
        Code.INJECTED,
        Code.NO_CREDENTIALS,
        Code.NO_DESCRIPTORS,
        Code.NO_FILE,
        Code.CHANGED,
        Code.LOCAL_FILE,
        Code.DEFECT,
        Code.CRASHED,
    }
)
"""Failures that do not show that the endpoint exists."""


def shows_response(failure: "Failure") -> bool:
    """Whether a failure shows that the endpoint exists; requests that boto3 rejects are never sent."""
    return failure.code not in UNANSWERED and (failure.code is not Code.REJECTED or failure.status > 0)


def is_final_response(failure: "Failure") -> bool:
    """Whether S3 is available and refused a request, such as one for a missing object."""
    return shows_response(failure) and failure.code not in TRANSIENT | UNUSABLE


class Failure(NamedTuple):
    """One failed transfer."""

    code: Code
    message: str = ""  # one sentence, from S3 or the operating system
    s3_code: str = ""  # <Code> of S3's error document, e.g. NoSuchKey
    status: int = 0  # HTTP status; 0 without a response
    request_id: str = ""  # x-amz-request-id, which AWS support asks for
    tries: int = 1  # number of attempts
    seconds: float = 0.0  # from the first attempt to the last failure
    retry_after: float = 0.0  # seconds to wait, from Retry-After (RFC 9110 section 10.2.3)
    signed_as: int = 0  # generation of the expired credentials; 0: unknown
    remedy: str = ""  # what to do, if the code alone does not say
    region: str = ""  # of the bucket, named by a redirect; see `redirects.py`
    moved: bool = False  # bytes moved until then, for longer than the timeout of a silent connection


class TransferError(Exception):
    """Raised by `Transfers` methods; `failure` holds the details."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code.value, failure.message)
        self.failure = failure


def malformed(message: str) -> TransferError:
    """Return the error for a response that is complete and invalid."""
    return TransferError(Failure(Code.MALFORMED, message))


def broken(message: str) -> TransferError:
    """Return the error for a response that was damaged in transit."""
    return TransferError(Failure(Code.BROKEN, message))
