"""Has the bodies that a boto3 client sends wait for an allowance. Event handlers; botocore has no setting for it.

botocore reads a body several times: for its checksum, for the signature, and to send it. Only what is handed over right
before it is sent is read just once.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.hooks import hook
from metaflow_extensions.fasts3.wire.bandwidth import Allowance


class _Sending(threading.local):
    """What this thread sends."""

    allowance: Optional[Allowance] = None


_sending = _Sending()


@contextmanager
def paced(client: Any, allowance: Optional[Allowance]) -> Iterator[None]:
    """Have the body of the one request that is made inside wait for an allowance.

    Parameters
    ----------
    client : botocore.client.S3
        The user's own, perhaps: the handlers leave all other requests as they are.
    allowance : Allowance or None
    """
    if allowance is None:
        yield
        return
    for operation in ("PutObject", "UploadPart"):
        hook(client, f"before-send.s3.{operation}", _wrap)
    _sending.allowance = allowance
    try:
        yield
    finally:
        _sending.allowance = None


def _wrap(request: Any, **_: Any) -> None:
    if _sending.allowance and hasattr(request.body, "read"):
        request.body = _PacedBody(request.body, _sending.allowance)


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
