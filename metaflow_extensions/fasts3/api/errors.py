"""The exceptions that users catch, and the one table that maps each failure to its exception."""

from errno import EACCES, EEXIST, ENOENT
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.formatting import counted, duration
from metaflow_extensions.fasts3.boto.credentials import ANONYMOUS, NO_IDENTITY
from metaflow_extensions.fasts3.boto.endpoints import is_aws, is_loopback
from metaflow_extensions.fasts3.boto.redaction import without_password
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.local_files import local_failure
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.wire.redirects import ELSEWHERE

if TYPE_CHECKING:  # it imports boto3
    from metaflow_extensions.fasts3.boto.transfer_client import TransferClient

_Failure = TypeVar("_Failure", bound="_S3Failure")


class _S3Failure(MetaflowException):  # type: ignore[misc]  # metaflow has no types
    """The attributes of all exceptions below; empty if the failure was not that of a request to S3."""

    url: str = ""  # S3 URL of the failed request
    s3_code: str = ""  # S3's error code, e.g. NoSuchKey
    status: int = 0  # HTTP status; 0 without a response
    request_id: str = ""  # AWS support asks for it
    remedy: str = ""  # what to do: the end of the message, unless open uploads are named after it
    # Of calls that continue after the failure of an object or file:
    failed: "dict[str, str]" = {}  # noqa: RUF012  # URL or path -> the reason; a dict of its own on each such exception
    result: Any = None  # what the call would have returned without these failures; None if it stopped
    first: "Optional[MetaflowException]" = None  # the exception of the first of several failures

    def about(self: _Failure, other: object) -> _Failure:
        """This exception with the attributes of another."""
        for name in ("url", "s3_code", "status", "request_id", "remedy"):
            setattr(self, name, getattr(other, name, getattr(self, name)))
        return self


class MetaflowS3InvalidObject(_S3Failure):
    """The value of an upload can't be stored."""

    headline = "Not a string-like object"


class MetaflowS3URLException(_S3Failure):
    """An invalid key, URL or location."""

    headline = "Invalid address"


class MetaflowS3Exception(_S3Failure):
    """S3 could not be reached, or the request failed for a reason without an exception of its own."""

    headline = "S3 access failed"


class MetaflowS3PreconditionFailed(MetaflowS3Exception):
    """The object to replace no longer has the ETag given as `if_match`."""

    headline = "S3 object has been changed"


class MetaflowS3ObjectExists(MetaflowS3PreconditionFailed, FileExistsError):
    """The object that `open` should create (mode 'x') exists; also a FileExistsError, as of Python's own `open`."""

    headline = "S3 object exists"
    errno = EEXIST


class MetaflowS3NotFound(_S3Failure):
    """The object, the bucket or the local file does not exist."""

    headline = "S3 object not found"


class MetaflowS3ObjectNotFound(MetaflowS3NotFound, FileNotFoundError):
    """The object of a file of `open`, or the bucket, does not exist; also a FileNotFoundError."""

    errno = ENOENT


class MetaflowS3AccessDenied(_S3Failure):
    """The identity lacks the permission, or its credentials have expired."""

    headline = "S3 access denied"


class MetaflowS3ObjectAccessDenied(MetaflowS3AccessDenied, PermissionError):
    """The identity lacks the permission for a file of `open`; also a PermissionError."""

    errno = EACCES


class MetaflowS3InvalidRange(_S3Failure):
    """The requested range is outside the object."""

    headline = "S3 invalid range"


class MetaflowS3InsufficientDiskSpace(_S3Failure):
    """The local disk is full."""

    headline = "Insufficient disk space"


EXCEPTIONS: dict[Code, type[MetaflowException]] = {
    Code.NOT_FOUND: MetaflowS3NotFound,
    Code.NO_BUCKET: MetaflowS3NotFound,
    Code.ACCESS_DENIED: MetaflowS3AccessDenied,
    Code.EXPIRED: MetaflowS3AccessDenied,
    Code.SKEWED: MetaflowS3AccessDenied,
    Code.INVALID_RANGE: MetaflowS3InvalidRange,
    Code.DISK_FULL: MetaflowS3InsufficientDiskSpace,
    Code.NO_FILE: MetaflowS3NotFound,
    Code.CHANGED: MetaflowS3InvalidObject,
    Code.STALE: MetaflowS3PreconditionFailed,
}
"""All other codes are MetaflowS3Exception."""

REMEDIES = {
    Code.UNREACHABLE: "Check the network and the endpoint (METAFLOW_S3_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, "
    "client_params).",
    Code.NOT_FOUND: "Use `metaflow fasts3 ls` or list_paths() to list the existing keys. In Python, "
    "get(), info() and others have return_missing=True for keys that may be missing.",
    Code.INVALID_RANGE: "A range must begin before the end of the object; info() returns its size.",
    Code.NO_BUCKET: "Check the name of the bucket and the endpoint.",
    Code.NO_CREDENTIALS: "Configure credentials as for boto3, for instance with `aws configure` or AWS_PROFILE; for a "
    "local server, paste the lines that `metaflow fasts3 serve` printed. To read a public bucket without credentials, "
    "use S3(anonymous=True), or --no-sign-request on the command line.",
    Code.EXPIRED: "Renew the credentials, for instance with `aws sso login`.",
    Code.SKEWED: "Set this machine's clock.",
    Code.UNTRUSTED: "Check the host name of the endpoint. For a private certificate authority, set AWS_CA_BUNDLE or "
    "METAFLOW_S3_VERIFY_CERTIFICATE to the path of its bundle.",
    Code.DISK_FULL: "Free disk space, or use a larger disk: another directory for the downloaded files, or another "
    "`tmproot` for temporary files. If there is free space, check the quota and `ulimit -f`.",
    Code.NO_DESCRIPTORS: "Close unused files, or raise the limit of open files (`ulimit -n`).",
    Code.NOT_S3: "Check the endpoint and its port (METAFLOW_S3_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, client_params).",
    Code.MALFORMED: "The response violates the S3 API, so the client does not retry. Report it to the operator of "
    "the server.",
    Code.CHANGED: "Upload the file again after all writes to it have ended.",
    Code.ARCHIVED: "The object is in an archive storage class (S3 Glacier). Restore it, for instance with `aws s3api "
    "restore-object`, then get it again.",
    Code.STALE: "Get the object again, apply your change to its current contents, and put it with the new etag.",
}
# S3's own codes about credentials, for which there is a specific remedy.
REMEDIES_OF_S3_CODES = {
    "InvalidAccessKeyId": "Check that the credentials belong to this endpoint and still exist.",
    "SignatureDoesNotMatch": "Check the secret key: it does not match the access key id.",
    "InvalidBucketName": "The name of a bucket has 3 to 63 lower-case letters, digits, dots and hyphens, with a letter "
    "or digit at both ends.",
}
NO_CHECKSUMS = (
    "If this server does not support S3's newer checksums, set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and "
    "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required."
)
WITH_CHECKSUMS = frozenset({"get", "put", "create_upload", "upload_part", "complete_upload", "delete_objects"})
# Codes of servers for an unknown header or encoding; "" is a response without S3's error document.
NOT_UNDERSTOOD = frozenset({"", "InvalidArgument", "InvalidRequest", "MissingContentLength", "NotImplemented"})
DELETE_MARKER = "This version is a delete marker, which has no data. list_versions() shows the versions that have."
NO_METHOD = 405  # S3's status for HEAD and GET of a delete marker
OTHER_REGION = "Set AWS_DEFAULT_REGION, or region in the profile, to the bucket's region, and check the endpoint."
SERVE_AGAIN = "Is `metaflow fasts3 serve` still running? The port changes at every start; paste the new export lines."
CHECK_PROXY = "Check that it is running; HTTP_PROXY, HTTPS_PROXY and NO_PROXY decide which requests go through it."
CHECK_PROFILE = "Check AWS_PROFILE, ~/.aws/config and ~/.aws/credentials."
CHECK_PREFIX = "Check the prefix: `metaflow fasts3 ls` and list_paths() list what exists."
DOTS = "Many servers reject keys with '.' or '..' between slashes. Choose another key."
MOST_MESSAGE = 1000  # characters of a server's message; S3's own messages have at most 200
MOST_NAMED = 100  # characters of its codes and ids
MOST_URL = 1400  # characters; more than the longest bucket and key
NO_WRITING = "Set `tmproot`, or METAFLOW_TEMPDIR, to a writable directory."
FILE_IS_GONE = (
    "The file of this S3Object no longer exists: it is removed when the `with S3(...)` block ends, and in iter_many "
    "at the next iteration. Read it before, or use in_memory=True, or download(), whose files remain"
)
MAY_BE_MISSING = (
    "S3 also returns 403 if the key does not exist and the identity lacks s3:ListBucket on the bucket; "
    "return_missing=True does not apply then."
)
MAY_CHARGE = (
    "S3 also returns 403 if the bucket is another account's Requester Pays bucket; S3(requester_pays=True), or "
    "--request-payer on the command line, accepts its charges."
)
NOT_PUBLIC = (
    "Unsigned requests can access public data only. To sign requests, omit anonymous=True, or --no-sign-request on the "
    "command line."
)
DENIED = frozenset({"AccessDenied", "403"})  # S3's codes without a reason; the second is that of a HEAD response


def shown(text: str, most: int = MOST_MESSAGE) -> str:
    """A text from outside, for a terminal: without control characters, and with at most so many characters."""
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text) - most} characters more)"
    return cut if cut.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


def message_of(error: Exception) -> str:
    """The message of an exception, without its remedy."""
    remedy = getattr(error, "remedy", "")
    text = str(error)
    return text[: -len(remedy)].strip() if remedy and text.endswith(remedy) else text


def exception_of_files(problem: str, error: OSError, otherwise: str = NO_WRITING) -> MetaflowException:
    """The exception for an error of the local disk that prevents a download.

    `problem` says what failed, as the beginning of a sentence. `otherwise` is the remedy for errors other than a full
    disk or a lack of file descriptors.
    """
    code = local_failure(error).code
    remedy = REMEDIES.get(code, otherwise)
    raised = EXCEPTIONS.get(code, MetaflowS3Exception)(f"{problem} ({error.strerror or error}). {remedy}")
    raised.remedy = remedy
    return raised


def reason_of(failure: Failure) -> str:
    """S3's code and message, or the client's, in short."""
    named = (shown(failure.s3_code, MOST_NAMED), shown(failure.message))
    return ": ".join(part for part in named if part) or failure.code.value


def credentials_error(failure: Failure, left: str = "") -> MetaflowException:
    """The exception for credentials that could not be obtained; `left` has sentences about open multipart uploads."""
    problem = f"Getting credentials for S3 failed: {shown(failure.message).rstrip('.')}."
    remedy = failure.remedy or REMEDIES.get(failure.code, "")
    return EXCEPTIONS.get(failure.code, MetaflowS3Exception)(" ".join(filter(None, (problem, remedy, left))))


def remedy_of_unreachable(client: "TransferClient") -> str:
    """The remedy for an endpoint, or a proxy, that can't be reached."""
    if client.proxy:
        return f"Requests go through the proxy {shown(client.proxy)}. {CHECK_PROXY}"
    remedy = REMEDIES[Code.UNREACHABLE]
    return f"{remedy} {SERVE_AGAIN}" if is_loopback(client.endpoint_url) else remedy


def _remedy_of_not_s3(client: "TransferClient") -> str:
    endpoint = f"The endpoint {without_password(client.endpoint_url)}".rstrip()  # a stub has none
    return f"{endpoint} is not S3, or a proxy sent the response. {REMEDIES[Code.NOT_S3]}"


def _may_refuse_checksums(operation: str, failure: Failure, client: "TransferClient") -> bool:
    """Whether a server other than AWS may have rejected checksum headers; no error code says so for certain."""
    if operation not in WITH_CHECKSUMS or is_aws(client.endpoint_url):
        return False
    rejected = failure.code is Code.REJECTED and failure.s3_code in NOT_UNDERSTOOD
    return rejected or failure.code is Code.NOT_IMPLEMENTED


def _remedy_of_denied(operation: str, client: "TransferClient") -> str:
    """The possible meanings of a 403 without a reason."""
    remedies = [MAY_BE_MISSING] if operation in ("get", "head") else []
    if client.identity == ANONYMOUS:
        remedies.append(NOT_PUBLIC)
    elif not client.requester_pays:
        remedies.append(MAY_CHARGE)
    return " ".join(remedies)


def _remedy(operation: str, url: str, failure: Failure, client: "TransferClient") -> str:
    code = failure.code
    first = (
        (code is Code.NOT_S3, _remedy_of_not_s3(client)),
        (bool(failure.remedy), failure.remedy),
        (failure.s3_code in REMEDIES_OF_S3_CODES, REMEDIES_OF_S3_CODES.get(failure.s3_code, "")),
        (300 <= failure.status < 400 or failure.s3_code in ELSEWHERE, OTHER_REGION),
        (failure.status == 400 and not {".", ".."}.isdisjoint(url.split("/")), DOTS),
        (failure.s3_code in DENIED, _remedy_of_denied(operation, client)),
        (failure.status == NO_METHOD and operation in ("get", "head"), DELETE_MARKER),
        (code is Code.NOT_FOUND and operation not in ("get", "head"), ""),
        (code is Code.LOCAL_FILE and operation == "get", NO_WRITING),
        (_may_refuse_checksums(operation, failure, client), NO_CHECKSUMS),
        (code is Code.UNREACHABLE, remedy_of_unreachable(client)),
    )
    return next((remedy for applies, remedy in first if applies), REMEDIES.get(code, ""))


def _done(operation: str, url: str) -> str:
    known = BY_TRANSFER.get(operation)
    return f"{known.name if known else operation} of {shown(url, MOST_URL)}"


class WorkerTraceback(Exception):
    """The traceback of an exception in a worker, as the cause of the one that its parent raises."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _defect(operation: str, url: str, trace: str) -> RuntimeError:
    """The exception for a defect of this package in a worker; no user can handle it."""
    raised, done = shown(trace.strip().rpartition("\n")[2]), _done(operation, url)
    error = RuntimeError(f"{done} failed in a worker by a defect of metaflow-fasts3: {raised}. Please report it.")
    error.__cause__ = WorkerTraceback(trace)
    return error


def exception_of(operation: str, url: str, failure: Failure, client: "TransferClient", left: str = "") -> Exception:
    """The exception for a failed request of a client; `left` has sentences about open multipart uploads.

    Its message names the operation, the URL, S3's code and request id, the identity, and the number and duration of
    attempts; the attributes `url`, `s3_code`, `status`, `request_id` and `remedy` hold these for programs.
    """
    if failure.code is Code.DEFECT:
        return _defect(operation, url, failure.message)
    reason = reason_of(failure)
    details = [f"HTTP {failure.status}"] if failure.status else []
    details += [f"request id {shown(failure.request_id, MOST_NAMED)}"] if failure.request_id else []
    details += [f"access key id {shown(client.identity)}"] if client.identity != NO_IDENTITY else []
    details += [f"{counted(failure.tries, 'try', 'tries')} in {duration(failure.seconds)}"]
    remedy = _remedy(operation, url, failure, client)
    problem = f"{_done(operation, url)} failed: {reason.rstrip('.')} ({', '.join(details)})."
    error: _S3Failure = EXCEPTIONS.get(failure.code, MetaflowS3Exception)(
        " ".join(filter(None, (problem, remedy, left)))
    )
    error.url, error.s3_code = url, failure.s3_code
    error.status, error.request_id, error.remedy = failure.status, failure.request_id, remedy
    return error
