"""What a server wrote, as it wrote it, where boto3 leaves out what its model of the operation does not have."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_call = threading.local()  # the call under way in this thread; botocore's events are emitted in the thread that calls


def hook_into(client: Any) -> None:
    """Have a client keep the documents of listings for the call under way, however often it is asked to."""
    events = getattr(client.meta, "events", None)
    if events is not None:  # a stand-in for a client may have none
        events.register("before-parse.s3.ListObjectsV2", _keep, unique_id="fasts3-documents")


@contextmanager
def kept() -> Iterator[list[bytes]]:
    """A list that takes the documents which come in this thread meanwhile."""
    documents: list[bytes] = []
    _call.documents = documents
    try:
        yield documents
    finally:
        _call.documents = None


def _keep(response_dict: Any, **_: Any) -> None:
    documents = getattr(_call, "documents", None)
    if documents is not None:
        documents.append(response_dict["body"])
