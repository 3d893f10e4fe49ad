"""What boto3 gets, looked at before boto3 reads it: what no S3 sends is refused, what does no harm is tolerated.

An event handler, as botocore has no setting for it. It changes only the calls of `Boto3Transfers`: the client may be
the user's own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from botocore.utils import parse_timestamp

from metaflow_extensions.fasts3.boto.hooks import hook
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.http_dates import timestamp_of
from metaflow_extensions.fasts3.wire.not_s3 import (
    check_document,
    check_no_document,
    is_refusal_of_another_server,
    refusal,
)
from metaflow_extensions.fasts3.wire.s3_errors import root_of

# boto3 takes any document for the one that it expects, and an empty one as well: nothing would seem to be listed.
_ROOTS = {
    "ListObjectsV2": "ListBucketResult",
    "ListObjects": "ListBucketResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "DeleteObjects": "DeleteResult",
}
_WITH_DOCUMENT = {*_ROOTS, "CreateMultipartUpload", "CompleteMultipartUpload"}
# Before botocore's own handler, which takes what can't be read for an error 500.
_EVENT = "before-parse.*.*"


class Seen:
    """What came while responses were looked at."""

    document: bytes = b""  # the last one, as it was written: boto3 leaves out what its model does not have


class _Call(threading.local):
    """Whether this thread makes a call of ours; botocore emits its events in the thread that calls."""

    seen: Optional[Seen] = None


_call = _Call()


def hook_into(client: Any) -> None:
    """Have the responses to a client looked at, however often it is asked to."""
    hook(client, _EVENT, _look_at)


@contextmanager
def looked_at() -> Iterator[Seen]:
    """Have the responses looked at that this thread gets inside."""
    _call.seen = seen = Seen()
    try:
        yield seen
    finally:
        _call.seen = None


def _look_at(operation_model: Any, response_dict: "dict[str, Any]", **_: Any) -> None:
    if _call.seen is None:
        return
    headers, status, body = response_dict["headers"], response_dict["status_code"], response_dict["body"]
    if not _is_date(headers.get("Last-Modified")):
        del headers["Last-Modified"]  # no reason not to give the object
    if not isinstance(body, bytes):  # an object, which is not read yet
        return
    _call.seen.document = body
    names = {name.lower(): value for name, value in headers.items()}
    if status >= 300:
        if is_refusal_of_another_server(status, names, body):
            raise TransferError(refusal(status))
    elif operation_model.http["method"] != "HEAD":
        (check_document if operation_model.name in _WITH_DOCUMENT else check_no_document)(body, names)
        expected = _ROOTS.get(operation_model.name)
        root = expected and root_of(body, f"the reply to {operation_model.name}")
        if root not in (expected, "Error"):
            told = f"the reply to {operation_model.name} is a {root!r:.80} document"
            raise TransferError(Failure(Code.MALFORMED, told, status=status))
    response_dict["body"] = body.lstrip()


def _is_date(text: Any) -> bool:
    if text is None:
        return True
    try:
        timestamp_of(text)
    except ValueError:
        try:
            parse_timestamp(text)
        except Exception:  # dateutil's, of many kinds
            return False
    return True
