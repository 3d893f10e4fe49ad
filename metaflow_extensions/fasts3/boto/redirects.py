"""Keeps boto3 from asking for a bucket's region without end.

boto3 follows a 301 to the bucket's region, and asks for that by HeadBucket where the response does not name it. A
HeadBucket that is itself answered 301 without a region makes it ask again, each time one call deeper, until Python's
recursion limit. A HeadBucket within a HeadBucket can tell nothing that the first did not, so it is not sent.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.hooks import hook

_NOT_TOLD = {
    "Error": {"Code": "301", "Message": "The bucket's region is not known"},
    "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {}},
}


class _Call(threading.local):
    """The call of ours that this thread makes; botocore emits its events in the thread that calls."""

    depth: Optional[int] = None  # HeadBuckets under way; None where the call is not ours


_call = _Call()


def hook_into(client: Any) -> None:
    """Have a client send no HeadBucket from within another, while a call is under way in `followed_once`."""
    hook(client, "before-call.s3.HeadBucket", _begin, first=True)
    for event in ("after-call", "after-call-error"):
        hook(client, f"{event}.s3.HeadBucket", _end)


@contextmanager
def followed_once() -> Iterator[None]:
    """Limit the calls that this thread makes inside. Others are left as botocore makes them."""
    _call.depth = 0
    try:
        yield
    finally:
        _call.depth = None


def _begin(**_: Any) -> "Optional[tuple[Any, Any]]":
    if _call.depth is None:
        return None
    _call.depth += 1
    return (SimpleNamespace(status_code=301), _NOT_TOLD) if _call.depth > 1 else None


def _end(**_: Any) -> None:
    if _call.depth:
        _call.depth -= 1
