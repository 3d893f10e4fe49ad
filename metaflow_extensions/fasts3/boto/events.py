"""Event handlers on boto3 clients, for what botocore has no setting for.

`hook_into` changes only calls of `calls.call`, because the client may be the user's own. `tune` is for our clients.
botocore emits events in the thread that calls, so each thread has its current call here.
"""

import threading
from types import SimpleNamespace
from typing import Any, Callable, Optional

import botocore
from botocore.utils import parse_timestamp

from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.deletion import md5_of
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.not_s3 import (
    check_document,
    check_no_document,
    is_refusal_of_another_server,
    refusal,
)
from metaflow_extensions.fasts3.wire.s3_errors import named
from metaflow_extensions.fasts3.wire.xml_documents import read

# Document that each operation returns. boto3 accepts any, an empty one too: nothing would seem to be listed.
_ROOTS = {
    "ListObjectsV2": "ListBucketResult",
    "ListObjects": "ListBucketResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "DeleteObjects": "DeleteResult",
}
_WITH_DOCUMENT = {*_ROOTS, "CreateMultipartUpload", "CompleteMultipartUpload"}
_NO_REGION = {
    "Error": {"Code": "301", "Message": "The bucket's region is not known"},
    "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {}},
}
# With `Expect: 100-continue`, a body waits for an interim response (RFC 9110 section 10.1.1): worth a round trip where
# the body is large and the upload may be refused. A small body arrives sooner than that response.
SENT_AT_ONCE = 64 * 1024  # bytes
# The first botocore that forgets a final response that came instead of 100. Earlier ones return it for the next request
# on the connection: an upload that was never made would seem to be done, or to be refused.
FORGETS = (1, 44)


class State:
    """What the handlers know of a call, and the caller of its response."""

    def __init__(self, allowance: Optional[Allowance] = None) -> None:
        self.allowance = allowance  # what the bytes of the body wait for
        self.md5 = False  # whether DeleteObjects has Content-MD5 in place of another checksum
        self.head_buckets = 0  # under way, one inside the other
        self.signed_as = 0  # the generation of the credentials that were used
        self.document = b""  # body of the last response: boto3 leaves out what is not in its model


class _Current(threading.local):
    state: Optional[State] = None


current = _Current()


def note_signature(generation: int) -> None:
    """Remember the credentials that this thread signs a request with."""
    if current.state:
        current.state.signed_as = generation


def hook_into(client: Any) -> None:
    """Register the handlers for our calls, once for each client."""
    _hook(client, "before-call.s3.HeadBucket", _begin_head_bucket, first=True)
    for event in ("after-call", "after-call-error"):
        _hook(client, f"{event}.s3.HeadBucket", _end_head_bucket)
    _hook(client, "before-call.s3.DeleteObjects", _use_md5)
    for operation in ("PutObject", "UploadPart"):
        _hook(client, f"before-send.s3.{operation}", _pace_body)
    # Before botocore's own handler, which reports a document that it can't parse as an error 500.
    _hook(client, "before-parse.*.*", _check_response)


def tune(client: Any) -> None:
    """Make a client of ours faster and safer than boto3 does."""
    _hook(client, "before-call.s3.GetObject", _no_checksum_of_ranges)
    for operation in ("PutObject", "UploadPart"):
        _hook(client, f"before-send.s3.{operation}", _expect_less)


def _hook(client: Any, event: str, handler: "Callable[..., Any]", first: bool = False) -> None:
    events = getattr(client.meta, "events", None)
    if events is not None:  # a stand-in for a client may have none
        register = events.register_first if first else events.register
        register(event, handler, unique_id=f"fasts3-{handler.__name__}-{event}")


def _begin_head_bucket(**_: Any) -> "Optional[tuple[Any, Any]]":
    """Send no HeadBucket from within another.

    boto3 follows a 301 to the bucket's region. Where the response does not name it, boto3 sends HeadBucket; where the
    response to that does not either, it sends another, one call deeper, until Python's recursion limit.
    """
    if current.state is None:
        return None
    current.state.head_buckets += 1
    return (SimpleNamespace(status_code=301), _NO_REGION) if current.state.head_buckets > 1 else None


def _end_head_bucket(**_: Any) -> None:
    if current.state and current.state.head_buckets:
        current.state.head_buckets -= 1


def _use_md5(params: Any, **_: Any) -> None:
    if current.state and current.state.md5:
        params["context"].pop("checksum", None)  # botocore would compute it, and name it in a header
        params["headers"]["Content-MD5"] = md5_of(params["body"])


def _pace_body(request: Any, **_: Any) -> None:
    """Have a body wait for the allowance, now: botocore has read it for its checksum and signature before."""
    if current.state and current.state.allowance and hasattr(request.body, "read"):
        request.body = _PacedBody(request.body, current.state.allowance)


class _PacedBody:
    """A body that is read no faster than is allowed."""

    def __init__(self, body: Any, allowance: Allowance) -> None:
        self._body = body
        self._allowance = allowance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def read(self, amount: int = -1) -> bytes:
        data: bytes = self._body.read(amount)
        left = len(data)
        while left:
            left -= self._allowance.wait_for_some(left)
        return data


def _check_response(operation_model: Any, response_dict: "dict[str, Any]", **_: Any) -> None:
    """Refuse a response that no S3 sends, and mend what does no harm, before boto3 parses it."""
    if current.state is None:
        return
    headers, status, body = response_dict["headers"], response_dict["status_code"], response_dict["body"]
    if not _is_date(headers.get("Last-Modified")):
        del headers["Last-Modified"]  # no reason not to return the object
    if not isinstance(body, bytes):  # an object, which is not read yet
        return
    current.state.document = body
    names = {name.lower(): value for name, value in headers.items()}
    if status >= 300:
        if is_refusal_of_another_server(status, names, body):
            raise TransferError(refusal(status))
    elif operation_model.http["method"] != "HEAD":
        try:
            _check_document(operation_model.name, names, body)
        except TransferError as error:
            raise TransferError(named(error.failure, status, names)) from None
    response_dict["body"] = body.lstrip()


def _check_document(operation: str, headers: "dict[str, str]", body: bytes) -> None:
    (check_document if operation in _WITH_DOCUMENT else check_no_document)(body, headers)
    if operation in _ROOTS:
        read(body, f"the reply to {operation}", {}, (_ROOTS[operation], "Error"))


def _is_date(text: Any) -> bool:
    try:
        return text is None or bool(parse_timestamp(text))
    except Exception:  # dateutil's, of many kinds
        return False


def _no_checksum_of_ranges(params: Any, **_: Any) -> None:
    """Ask for no checksum with a range.

    A checksum is of the whole object or of an upload's part. For a range, S3 sends one only where it is of just that
    part; other servers send the whole object's, and botocore, which compares any, calls the range corrupt.
    """
    if "Range" in params["headers"]:
        params["headers"].pop("x-amz-checksum-mode", None)
        params["context"].get("checksum", {}).pop("response_algorithms", None)


def _expect_less(request: Any, **_: Any) -> None:
    if "Expect" not in request.headers:
        return
    if int(request.headers.get("Content-Length", SENT_AT_ONCE + 1)) <= SENT_AT_ONCE:
        del request.headers["Expect"]
    elif tuple(map(int, botocore.__version__.split(".")[:2])) < FORGETS:
        request.headers["Connection"] = "close"
