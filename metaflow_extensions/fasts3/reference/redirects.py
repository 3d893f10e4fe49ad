"""Keeps boto3 from asking for a bucket's region without end.

boto3 follows a 301 to the bucket's region, and asks for that by HeadBucket where the response does not name it. A
HeadBucket that is itself answered 301 without a region makes it ask again, each time one call deeper, until Python's
recursion limit. A HeadBucket within a HeadBucket can tell nothing that the first did not, so it is not sent.
"""

import threading
from types import SimpleNamespace
from typing import Any, Optional

_calls = (
    threading.local()
)  # HeadBuckets under way in this thread; botocore's events are emitted in the thread that calls
_NOT_TOLD = {
    "Error": {"Code": "301", "Message": "The bucket's region is not known"},
    "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {}},
}


def hook_into(client: Any) -> None:
    """Have a client send no HeadBucket from within another."""
    events = getattr(client.meta, "events", None)
    if events is not None:  # a stand-in for a client may have none
        events.register_first("before-call.s3.HeadBucket", _begin, unique_id="fasts3-region-begin")
        for event in ("after-call", "after-call-error"):
            events.register(f"{event}.s3.HeadBucket", _end, unique_id=f"fasts3-region-{event}")


def forget() -> None:
    """A call begins in this thread: what an exception has left of the one before does not count."""
    _calls.depth = 0


def _begin(**_: Any) -> "Optional[tuple[Any, Any]]":
    _calls.depth = getattr(_calls, "depth", 0) + 1
    return (SimpleNamespace(status_code=301), _NOT_TOLD) if _calls.depth > 1 else None


def _end(**_: Any) -> None:
    _calls.depth = max(0, getattr(_calls, "depth", 0) - 1)
