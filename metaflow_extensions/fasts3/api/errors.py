"""The exceptions that users catch, and the one table from what failed to which of them is raised."""

from typing import Optional, TypeVar

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.formatting import duration
from metaflow_extensions.fasts3.boto.credentials import NOBODY
from metaflow_extensions.fasts3.boto.endpoints import is_aws, is_loopback
from metaflow_extensions.fasts3.boto.redaction import without_password
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.local_files import local_failure

_Failure = TypeVar("_Failure", bound="_S3Failure")


class _S3Failure(MetaflowException):  # type: ignore[misc]  # metaflow's types are not looked at
    """What programs may ask each of the exceptions below; empty where it was no request to S3 that failed."""

    url: str = ""  # the S3 URL that it was about
    s3_code: str = ""  # S3's own code, e.g. NoSuchKey
    status: int = 0  # of HTTP; 0 where S3 did not reply
    request_id: str = ""  # what AWS support asks for
    remedy: str = ""  # what to do: the end of the message, unless the call has left something behind

    def about(self: _Failure, other: object) -> _Failure:
        """This exception with the facts of another."""
        for fact in ("url", "s3_code", "status", "request_id", "remedy"):
            setattr(self, fact, getattr(other, fact, getattr(self, fact)))
        return self


class MetaflowS3InvalidObject(_S3Failure):
    """The value given to an upload can't be stored."""

    headline = "Not a string-like object"


class MetaflowS3URLException(_S3Failure):
    """An invalid key, URL or location."""

    headline = "Invalid address"


class MetaflowS3Exception(_S3Failure):
    """S3 could not be reached, or refused for a reason that no other exception names."""

    headline = "S3 access failed"


class MetaflowS3PreconditionFailed(MetaflowS3Exception):
    """The object that was to be replaced (`if_match`) is not the one that was read any more."""

    headline = "S3 object has been changed"


class MetaflowS3NotFound(_S3Failure):
    """There is no such object, bucket or local file."""

    headline = "S3 object not found"


class MetaflowS3AccessDenied(_S3Failure):
    """S3 knows the object, perhaps, but not for this identity."""

    headline = "S3 access denied"


class MetaflowS3InvalidRange(_S3Failure):
    """The range asked for lies outside of the object."""

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

# What the operation of a job is called in S3's API, in IAM policies and in logs.
API_NAMES = {
    "head": "HeadObject",
    "head_bucket": "HeadBucket",
    "get": "GetObject",
    "put": "PutObject",
    "list_page": "ListObjectsV2",
    "delete": "DeleteObject",
    "delete_objects": "DeleteObjects",
    "create_upload": "CreateMultipartUpload",
    "upload_part": "UploadPart",
    "complete_upload": "CompleteMultipartUpload",
    "abort_upload": "AbortMultipartUpload",
    "list_uploads": "ListMultipartUploads",
}

REMEDIES = {
    Code.UNREACHABLE: "Check the network and the endpoint (METAFLOW_S3_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, "
    "client_params).",
    Code.NOT_FOUND: "`metaflow fasts3 ls` and list_paths() show which keys there are. In Python, return_missing=True "
    "returns missing keys instead of raising.",
    Code.INVALID_RANGE: "A range begins before the end of the object; info() tells its size.",
    Code.NO_BUCKET: "Check the name of the bucket, and that the endpoint is the right one.",
    Code.NO_CREDENTIALS: "Configure credentials as for boto3, for instance with `aws configure` or AWS_PROFILE; for a "
    "local server, paste the lines that `metaflow fasts3 serve` printed.",
    Code.EXPIRED: "Get new credentials as you got these, for instance with `aws sso login`.",
    Code.SKEWED: "Set this machine's clock.",
    Code.UNTRUSTED: "Check the name in the endpoint. If its certificate authority is your own, name its bundle "
    "in AWS_CA_BUNDLE or METAFLOW_S3_VERIFY_CERTIFICATE.",
    Code.DISK_FULL: "Make room, or set `tmproot` to a directory on a larger disk. "
    "Where there is room, a quota or `ulimit -f` is the limit.",
    Code.NO_DESCRIPTORS: "Close files that are not needed any more, or allow more of them (`ulimit -n`).",
    Code.NOT_S3: "Check the endpoint and its port (METAFLOW_S3_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, client_params).",
    Code.MALFORMED: "The server does not follow the S3 API here, so more retries do not help. Report it to whoever "
    "runs the server.",
    Code.CHANGED: "Upload it again when nobody writes to it any more.",
    Code.ARCHIVED: "It is in an archive storage class (S3 Glacier): restore it, for instance with `aws s3api "
    "restore-object`, and get it again once that is done.",
    Code.STALE: "Get the object again, make your change to what is there now, and put that with its new etag.",
}
# S3's own codes that are about who asks: what to do is known better than of other refusals.
REMEDIES_OF_S3_CODES = {
    "InvalidAccessKeyId": "Check that the credentials are meant for this endpoint, and that they still exist.",
    "SignatureDoesNotMatch": "Check the secret key: it is not the one that goes with this access key id.",
}
NO_CHECKSUMS = (
    "If this server does not know S3's newer checksums, set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and "
    "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required."
)
WITH_CHECKSUMS = frozenset({"get", "put", "create_upload", "upload_part", "complete_upload", "delete_objects"})
# Codes of servers for a header or an encoding that they do not know; "" is a response without S3's error document.
NOT_UNDERSTOOD = frozenset({"", "InvalidArgument", "InvalidRequest", "MissingContentLength", "NotImplemented"})
OTHER_REGION = "Set AWS_DEFAULT_REGION, or region in the profile, to the bucket's region, and check the endpoint."
# S3's own codes for a bucket that is elsewhere.
ELSEWHERE = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
SERVE_AGAIN = "Is `metaflow fasts3 serve` still running? The port changes at every start; paste the new export lines."
CHECK_PROXY = "Check that it is running; HTTP_PROXY, HTTPS_PROXY and NO_PROXY decide which requests go through it."
CHECK_PROFILE = "Check AWS_PROFILE, ~/.aws/config and ~/.aws/credentials."
DOTS = "A key with '.' or '..' between slashes is refused by many servers. Choose another."
MOST_SAID = 1000  # characters of what a server said; S3's own sentences have 200 at the most
MOST_NAMED = 100  # characters of its codes and ids
MOST_URL = 1400  # characters; the longest bucket and the longest key have fewer
NO_WRITING = "Set `tmproot`, or METAFLOW_TEMPDIR, to a directory where you may write."
FILE_IS_GONE = (
    "The file of this S3Object is not there any more: it lasts until the `with S3(...)` block ends, and in iter_many "
    "until the next object comes. Read it before, or use in_memory=True, or download(), whose files stay"
)
MAY_BE_MISSING = (
    "S3 also answers 403 where the key does not exist and the identity lacks s3:ListBucket on the bucket, "
    "and then return_missing=True does not apply."
)
MAY_CHARGE = (
    "S3 answers 403 also where a Requester Pays bucket belongs to others and requests lack x-amz-request-payer; "
    "an external_client can add it."
)
DENIED = frozenset({"AccessDenied", "403"})  # S3's codes that say nothing else; the second is that of a HEAD


def shown(text: str, most: int = MOST_SAID) -> str:
    """A text that others chose, for a terminal: without characters that steer one, and of bounded length.

    Parameters
    ----------
    text : str
    most : int
        Characters of it.
    """
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text) - most} characters more)"
    return cut if cut.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


def message_of(error: Exception) -> str:
    """The message of an exception, without its remedy."""
    remedy = getattr(error, "remedy", "")
    text = str(error)
    return text[: -len(remedy)].strip() if remedy and text.endswith(remedy) else text


def exception_of_files(problem: str, error: OSError, otherwise: str = NO_WRITING) -> MetaflowException:
    """The exception to raise where the local disk is why a download can't even begin.

    Parameters
    ----------
    problem : str
        What can't be done, as the beginning of a sentence.
    error : OSError
    otherwise : str, optional
        What to do where it is neither the disk nor descriptors that are used up.
    """
    code = local_failure(error).code
    remedy = REMEDIES.get(code, otherwise)
    raised = EXCEPTIONS.get(code, MetaflowS3Exception)(f"{problem} ({error.strerror or error}). {remedy}")
    raised.remedy = remedy
    return raised


def reason_of(failure: Failure) -> str:
    """What S3 said, or what happened, in a few words."""
    named = (shown(failure.s3_code, MOST_NAMED), shown(failure.message))
    return ": ".join(part for part in named if part) or failure.code.value


def credentials_error(failure: Failure, left: str = "") -> MetaflowException:
    """The exception to raise where credentials could not be had, for no job in particular.

    Parameters
    ----------
    failure : Failure
    left : str, optional
        What the call has left behind, in sentences.
    """
    problem = f"Getting credentials for S3 failed: {shown(failure.message).rstrip('.')}."
    remedy = failure.remedy or REMEDIES.get(failure.code, "")
    return EXCEPTIONS.get(failure.code, MetaflowS3Exception)(" ".join(filter(None, (problem, remedy, left))))


def where_nobody_answers(endpoint_url: str, proxy: Optional[str] = None) -> str:
    """What to do where an endpoint, or the proxy before it, can't be reached."""
    if proxy:
        return f"Requests go through the proxy {shown(proxy)}. {CHECK_PROXY}"
    remedy = REMEDIES[Code.UNREACHABLE]
    return f"{remedy} {SERVE_AGAIN}" if is_loopback(endpoint_url) else remedy


def _named(endpoint_url: str) -> str:
    return f"The endpoint {without_password(endpoint_url)}" if endpoint_url else "The endpoint"


def _may_refuse_checksums(operation: str, failure: Failure, endpoint_url: str) -> bool:
    """Whether a server that is not AWS's may have refused the headers of checksums: no code says so for certain."""
    if operation not in WITH_CHECKSUMS or is_aws(endpoint_url):
        return False
    rejected = failure.code is Code.REJECTED and failure.s3_code in NOT_UNDERSTOOD
    return rejected or failure.code is Code.NOT_IMPLEMENTED


def _remedy(operation: str, url: str, failure: Failure, endpoint_url: str, proxy: Optional[str]) -> str:
    code = failure.code
    first = (
        (code is Code.NOT_S3, f"{_named(endpoint_url)} is not S3, or a proxy answers for it. {REMEDIES[Code.NOT_S3]}"),
        (bool(failure.remedy), failure.remedy),
        (failure.s3_code in REMEDIES_OF_S3_CODES, REMEDIES_OF_S3_CODES.get(failure.s3_code, "")),
        (300 <= failure.status < 400 or failure.s3_code in ELSEWHERE, OTHER_REGION),
        (failure.status == 400 and not {".", ".."}.isdisjoint(url.split("/")), DOTS),
        (failure.s3_code in DENIED and operation in ("get", "head"), f"{MAY_BE_MISSING} {MAY_CHARGE}"),
        (failure.s3_code in DENIED and operation == "list_page", MAY_CHARGE),
        (code is Code.NOT_FOUND and operation not in ("get", "head"), ""),
        (code is Code.LOCAL_FILE and operation == "get", NO_WRITING),
        (_may_refuse_checksums(operation, failure, endpoint_url), NO_CHECKSUMS),
        (code is Code.UNREACHABLE, where_nobody_answers(endpoint_url, proxy)),
    )
    return next((remedy for applies, remedy in first if applies), REMEDIES.get(code, ""))


class WorkerTraceback(Exception):
    """The traceback of an exception in a worker, as the cause of the one that its parent raises."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def defect_of(operation: str, url: str, trace: str) -> RuntimeError:
    """The exception to raise for a defect of this package that a worker met; no user can handle it."""
    said = trace.strip().rpartition("\n")[2]
    done = f"{API_NAMES.get(operation, operation)} of {shown(url, MOST_URL)}"
    error = RuntimeError(f"{done} failed in a worker by a defect of metaflow-fasts3: {shown(said)}. Please report it.")
    error.__cause__ = WorkerTraceback(trace)
    return error


def exception_of(
    operation: str,
    url: str,
    failure: Failure,
    identity: str,
    endpoint_url: str = "",
    left: str = "",
    proxy: Optional[str] = None,
) -> Exception:
    """The exception to raise for a failed job.

    Parameters
    ----------
    operation : str
        A method of `Transfers`.
    url : str
        The S3 URL that it was about.
    failure : Failure
        What happened.
    identity : str
        The access key id that the request was signed with; `NOBODY` where there are no credentials.
    endpoint_url : str, optional
        Of the server that was asked.
    left : str, optional
        What the call has left behind, in sentences.
    proxy : str, optional
        The URL of the proxy that requests go through.

    Returns
    -------
    Exception
        Its message names operation, URL, S3's code and request id, the identity, and how often and how long it was
        tried; its attributes `url`, `s3_code`, `status`, `request_id` and `remedy` hold the same for programs.
    """
    if failure.code is Code.DEFECT:
        return defect_of(operation, url, failure.message)
    said = reason_of(failure)
    facts = [f"HTTP {failure.status}"] if failure.status else []
    facts += [f"request id {shown(failure.request_id, MOST_NAMED)}"] if failure.request_id else []
    facts += [f"access key id {identity}"] if identity != NOBODY else []
    facts += [f"{failure.tries} {'try' if failure.tries == 1 else 'tries'} in {duration(failure.seconds)}"]
    remedy = _remedy(operation, url, failure, endpoint_url, proxy)
    done = f"{API_NAMES.get(operation, operation)} of {shown(url, MOST_URL)}"
    problem = f"{done} failed: {said.rstrip('.')} ({', '.join(facts)})."
    error: _S3Failure = EXCEPTIONS.get(failure.code, MetaflowS3Exception)(
        " ".join(filter(None, (problem, remedy, left)))
    )
    error.url, error.s3_code = url, failure.s3_code
    error.status, error.request_id, error.remedy = failure.status, failure.request_id, remedy
    return error
