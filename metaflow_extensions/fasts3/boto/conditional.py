"""The headers of conditional uploads, put into boto3's requests before they are signed.

As arguments they would depend on the version: botocore knows IfMatch since the end of 2024, and an older one, told not
to validate its parameters, drops it without a word. What comes by an event is sent by all of them.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.hooks import hook
from metaflow_extensions.fasts3.wire.conditions import condition_headers
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError

OPERATIONS = ("PutObject", "CompleteMultipartUpload")

_call = threading.local()  # the call under way in this thread; botocore's events are emitted in the thread that calls


def hook_into(client: Any) -> None:
    """Have a client add the headers of the call under way, however often it is asked to; without a condition, none."""
    for operation in OPERATIONS:
        hook(client, f"before-call.s3.{operation}", _add)


@contextmanager
def under(condition: Optional[str]) -> Iterator[None]:
    """What is uploaded in this thread meanwhile is stored under a condition.

    Raises
    ------
    TransferError
        REJECTED where the client has sent the upload without it: it is none of botocore's.
    """
    _call.headers = condition_headers(condition)
    try:
        yield
        if _call.headers:
            raise TransferError(Failure(Code.REJECTED, "this client knows no conditions, and has stored it without"))
    finally:
        _call.headers = {}


def _add(params: Any, **_: Any) -> None:
    params["headers"].update(getattr(_call, "headers", {}))
    _call.headers = {}
