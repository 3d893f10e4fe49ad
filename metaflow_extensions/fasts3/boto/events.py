"""Event handlers on boto3 clients, for behavior without a setting in botocore.

`hook_into` changes only calls within `translated`, because the client may be the user's own. `tune` is for our clients.
botocore emits events in the calling thread, so `calls.current` is the call that an event belongs to.
"""

from types import SimpleNamespace
from typing import Any, Callable, Optional

import botocore
from botocore.utils import parse_timestamp

from metaflow_extensions.fasts3.boto.botocore_private import do_not_redirect
from metaflow_extensions.fasts3.boto.calls import current
from metaflow_extensions.fasts3.boto.regions import regions_at
from metaflow_extensions.fasts3.wire import tagging
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.deletion import md5_of
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.not_s3 import check_body, refusal_of_another_server
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.s3_errors import named
from metaflow_extensions.fasts3.wire.xml_documents import read

_ROOTS = {name: operation.roots for name, operation in OPERATIONS.items()}
_ROOTS["ListObjects"] = _ROOTS["ListObjectsV2"]
_ROWS = {"GetObjectTagging": tagging.ROWS}  # of the documents that boto3 parses for us
_NO_REGION = {
    "Error": {"Code": "301", "Message": "The bucket's region is not known"},
    "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {}},
}
# With `Expect: 100-continue`, a body waits for an interim response (RFC 9110 section 10.1.1): worth a round trip if the
# body is large and the upload may be refused. A small body arrives sooner than that response.
SENT_AT_ONCE = 64 * 1024  # bytes
# The first botocore that discards a final response received instead of 100. Earlier ones return it for the next request
# on the connection: an upload that was never sent would seem to have succeeded or failed.
DISCARDS_LATE_RESPONSES = (1, 44)


def hook_into(client: Any) -> None:
    """Register the handlers for our calls, once for each client."""
    _hook(client, "before-call.s3.HeadBucket", _begin_head_bucket, first=True)
    for event in ("after-call", "after-call-error"):
        _hook(client, f"{event}.s3.HeadBucket", _end_head_bucket)
    _hook(client, "before-call.s3.DeleteObjects", _use_md5)
    for operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        _hook(client, f"before-call.s3.{operation}", _store_headers)
    for operation in ("PutObject", "UploadPart"):
        _hook(client, f"before-send.s3.{operation}", _limit_rate_of_body)
    # Before botocore's own handler, which reports a malformed document as an error 500.
    _hook(client, "before-parse.*.*", _check_response)


def tune(client: Any, requester_pays: bool = False) -> None:
    """Register the handlers for all requests of a client that this package created.

    With `requester_pays`, its requests accept the charges of Requester Pays buckets.
    """
    if requester_pays:
        _hook(client, "before-call.s3", _accept_charges)
        _hook(client, "before-sign.s3", _accept_charges_by_url)
    _hook(client, "before-call.s3.GetObject", _no_checksum_of_ranges)
    for operation in ("PutObject", "UploadPart"):
        _hook(client, f"before-send.s3.{operation}", _limit_expect)
    _hook(client, "choose-signer.s3", _presign_with_v4, first=True)
    _hook(client, "before-endpoint-resolution.s3", _regions_of(client))
    _hook(client, "before-call.s3", _report_redirects)


def _hook(client: Any, event: str, handler: "Callable[..., Any]", first: bool = False) -> None:
    events = getattr(client.meta, "events", None)
    if events is not None:  # a stub of a client may have none
        register = events.register_first if first else events.register
        register(event, handler, unique_id=f"fasts3-{handler.__name__}-{event}")


def _begin_head_bucket(**_: Any) -> "Optional[tuple[Any, Any]]":
    """Prevent nested HeadBucket requests.

    boto3 follows a 301 to the bucket's region. If the response does not name the region, boto3 sends HeadBucket; if
    that response does not name it either, boto3 sends another, recursively, until Python's recursion limit. Clients of
    this package don't follow (`_report_redirects`), but users' own clients do.
    """
    if current.call is None:
        return None
    current.call.head_buckets += 1
    return (SimpleNamespace(status_code=301), _NO_REGION) if current.call.head_buckets > 1 else None


def _end_head_bucket(**_: Any) -> None:
    if current.call and current.call.head_buckets:
        current.call.head_buckets -= 1


def _use_md5(params: Any, **_: Any) -> None:
    if current.call and current.call.md5:
        params["context"].pop("checksum", None)  # botocore would compute it and send its header
        params["headers"]["Content-MD5"] = md5_of(params["body"])


def _store_headers(params: Any, **_: Any) -> None:
    if current.call:
        params["headers"].update(current.call.stored_headers)


def _limit_rate_of_body(request: Any, **_: Any) -> None:
    """Limit the rate of a body from here on: botocore has already read it for its checksum and signature."""
    if current.call and current.call.allowance and hasattr(request.body, "read"):
        request.body = _RateLimitedBody(request.body, current.call.allowance)


class _RateLimitedBody:
    """A body whose reads wait for the allowance."""

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
    """Reject invalid responses, and remove harmless errors, before boto3 parses the response."""
    if current.call is None:
        return
    headers, status, body = response_dict["headers"], response_dict["status_code"], response_dict["body"]
    if not _is_date(headers.get("Last-Modified")):
        del headers["Last-Modified"]  # an invalid date; the object can be returned without it
    if not isinstance(body, bytes):  # an object's body, which has not been read yet
        return
    current.call.document = body
    names = {name.lower(): value for name, value in headers.items()}
    if status >= 300:
        other = refusal_of_another_server(status, names, body)
        if other:
            raise TransferError(other)
    elif operation_model.http["method"] != "HEAD":
        try:
            _check_document(operation_model.name, names, body)
        except TransferError as error:
            raise TransferError(named(error.failure, status, names)) from None
    response_dict["body"] = body.lstrip()


def _check_document(operation: str, headers: "dict[str, str]", body: bytes) -> None:
    roots = _ROOTS.get(operation)
    check_body(body, headers, is_xml=roots is not None)
    # boto3 accepts any root, rows without a key, and an empty document as an empty listing; it raises for Error.
    if roots:
        read(body, f"the response to {operation}", _ROWS.get(operation, {}), (*roots, "Error"))


def _is_date(text: Any) -> bool:
    try:
        return text is None or bool(parse_timestamp(text))
    except Exception:  # dateutil raises many types
        return False


def _accept_charges(params: Any, **_: Any) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html."""
    params["headers"]["x-amz-request-payer"] = "requester"


def _accept_charges_by_url(request: Any, signature_version: str, **_: Any) -> None:
    """Accept the charges in a presigned URL: as a header, it would have to be sent by whoever uses the URL."""
    if signature_version.endswith("-query"):
        request.url += f"{'&' if '?' in request.url else '?'}x-amz-request-payer=requester"


def _no_checksum_of_ranges(params: Any, **_: Any) -> None:
    """Request no checksum with a range.

    A checksum covers the whole object or one part of an upload. For a range, S3 sends one only if the range is that
    part. Other servers send that of the whole object, and botocore then reports a checksum mismatch for the range.
    """
    if "Range" in params["headers"]:
        params["headers"].pop("x-amz-checksum-mode", None)
        params["context"].get("checksum", {}).pop("response_algorithms", None)


def _presign_with_v4(signature_version: Any, **_: Any) -> Optional[str]:
    """Presign URLs with S3's variant of signature version 4.

    boto3 does so only if the user has chosen this version. Otherwise it uses version 2, which newer regions and buckets
    with KMS refuse.
    """
    return "s3v4-query" if signature_version in ("v4-query", "s3v4-query") else None


def _limit_expect(request: Any, **_: Any) -> None:
    if "Expect" not in request.headers:
        return
    if int(request.headers.get("Content-Length", SENT_AT_ONCE + 1)) <= SENT_AT_ONCE:
        del request.headers["Expect"]
    elif tuple(map(int, botocore.__version__.split(".")[:2])) < DISCARDS_LATE_RESPONSES:
        request.headers["Connection"] = "close"


def _regions_of(client: Any) -> "Callable[..., None]":
    regions = regions_at(str(getattr(client.meta, "endpoint_url", "")))

    def use_region(builtins: Any, params: Any, context: Any, **_: Any) -> None:
        """Use the region that S3 has named for the bucket."""
        region = regions.get((params or {}).get("Bucket", ""))
        if region:
            builtins["AWS::Region"] = region
            # For a presigned URL, botocore ignores the region of the endpoint, but not one that is there already.
            context.setdefault("signing", {})["region"] = region

    return use_region


def _report_redirects(params: Any, **_: Any) -> None:
    """Leave redirects to the caller.

    Each of boto3's clients remembers regions for itself, so every worker would be redirected, for every bucket.
    """
    if current.call:
        do_not_redirect(params)
