"""Content-MD5 in place of any other checksum, put into boto3's requests before they are signed.

boto3 has no setting for it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from metaflow_extensions.fasts3.boto.hooks import hook
from metaflow_extensions.fasts3.wire.deletion import md5_of

_call = threading.local()  # the call under way in this thread; botocore's events are emitted in the thread that calls


def hook_into(client: Any) -> None:
    """Have a client send what a call under way in `md5` asks for, however often it is asked to."""
    hook(client, "before-call.s3.DeleteObjects", _replace)


@contextmanager
def md5(wanted: bool) -> Iterator[None]:
    """What deletes many in this thread meanwhile carries Content-MD5, if that is wanted."""
    _call.wanted = wanted
    try:
        yield
    finally:
        _call.wanted = False


def _replace(params: Any, **_: Any) -> None:
    if getattr(_call, "wanted", False):
        params["context"].pop("checksum", None)  # botocore would compute it, and name it in a header
        params["headers"]["Content-MD5"] = md5_of(params["body"])
