"""What can go wrong with one transfer, as codes that may cross a pipe.

This file does not know what found the failure (botocore, a socket, the file system) nor what the user sees.
"""

from enum import Enum
from typing import NamedTuple


class Code(str, Enum):
    """The kinds of failures of a transfer."""

    NOT_FOUND = "not-found"  # 404 of a key
    NO_BUCKET = "no-bucket"  # 404 of the bucket itself
    NO_UPLOAD = "no-upload"  # 404 of a multipart upload: completed or aborted already
    ACCESS_DENIED = "access-denied"  # 403, and identities that S3 does not know
    ARCHIVED = "archived"  # the object has to be restored before it can be read
    EXPIRED = "expired"  # the credentials have expired; the request may succeed with newer ones
    SKEWED = (
        "skewed"  # the signature's time is too far from the server's; the request may succeed with the server's time
    )
    INVALID_RANGE = "invalid-range"  # 416
    PRECONDITION = "precondition"  # 412: If-Match or If-None-Match did not hold
    STALE = "stale"  # the object that an upload should replace has changed
    NOT_IMPLEMENTED = "not-implemented"  # 501: this server does not know the feature
    REJECTED = "rejected"  # any other 4xx: the request is wrong and stays wrong
    UNTRUSTED = "untrusted"  # the server's certificate can't be verified
    NO_CREDENTIALS = "no-credentials"  # there are no credentials
    UNREACHABLE = "unreachable"  # no connection, or it broke: S3 has not answered
    BUSY = "busy"  # 5xx, 429, SlowDown, time-outs that S3 reports: later is better
    BROKEN = "broken"  # a response that was damaged in transit: cut short, or with a checksum mismatch
    MALFORMED = "malformed"  # a response that is complete and wrong: the next one is probably the same
    NOT_S3 = "not-s3"  # a response that no S3 server sends: another kind of server answers
    INJECTED = "injected"  # a test asked for it (inject_failure_rate)
    DISK_FULL = "disk-full"  # no space for a local file: the disk, a quota or a limit of a file's size
    NO_DESCRIPTORS = "no-descriptors"  # this process, or the machine, may open no more files and sockets
    NO_FILE = "no-file"  # the local file of an upload does not exist any more
    CHANGED = "changed"  # the local file was changed while it was uploaded
    LOCAL_FILE = "local-file"  # the local file can't be read or written
    DEFECT = "defect"  # an exception in a worker that this package does not expect; the message is its traceback
    CRASHED = "crashed"  # the worker died, several times, while it did this job


TRANSIENT = frozenset({Code.UNREACHABLE, Code.BUSY, Code.BROKEN, Code.INJECTED})
"""Failures after which the same request may well succeed."""

ONCE_MORE = frozenset({Code.MALFORMED, Code.SKEWED})
"""Failures after which the same request is sent once more at most."""

UNUSABLE = frozenset({Code.BROKEN, Code.MALFORMED, Code.NOT_S3})
"""Failures of a response that was received and can't be used."""

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


def shows_answer(failure: "Failure") -> bool:
    """Whether a failure shows that the endpoint exists; a request that boto3 refuses is never sent."""
    return failure.code not in UNANSWERED and (failure.code is not Code.REJECTED or failure.status > 0)


class Failure(NamedTuple):
    """One failed transfer, as values."""

    code: Code
    message: str = ""  # one sentence, from S3 or from the operating system
    s3_code: str = ""  # <Code> of S3's error document, e.g. NoSuchKey
    status: int = 0  # HTTP status; 0 where there was no reply
    request_id: str = ""  # x-amz-request-id, what AWS support asks for
    tries: int = 1  # number of attempts
    seconds: float = 0.0  # from the first try to the last failure
    retry_after: float = 0.0  # seconds to wait, from Retry-After (RFC 9110 section 10.2.3)
    signed_as: int = 0  # generation of the set of credentials that has expired; 0: not known
    remedy: str = ""  # what to do, if more is known than the code says


class TransferError(Exception):
    """Raised by a `Transfers` method; `failure` says what happened."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code.value, failure.message)
        self.failure = failure
