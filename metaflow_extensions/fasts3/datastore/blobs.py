"""What this process knows of content-addressed objects: the bytes of small ones, and which ones are there.

Metaflow stores an artifact under the SHA-1 of its content, so such an object never changes. Tasks and the scheduler
load the same few small ones over and over (the foreach stack, `None`, `True`), and store what they have just loaded.
"""

import os
import re
import threading
import time
from typing import NamedTuple, Optional

# The content-addressed store's layout: FlowName/data/ab/ab... (metaflow/datastore/content_addressed_store.py).
ADDRESS = re.compile(r"(?:.*/)?data/([0-9a-f]{2})/\1[0-9a-f]{38}")

LARGEST = 256 * 2**10  # bytes of an object that is kept
HELD = 16 * 2**20  # bytes of all that are kept
TRUSTED = 60.0  # seconds for which an object that was seen is taken to be there: somebody may clean up the bucket
MOST_SEEN = 10_000  # objects


class Blob(NamedTuple):
    """A small object as it is stored."""

    data: bytes
    metadata: Optional[dict[str, str]]


def is_content_addressed(path: str) -> bool:
    """Whether the name of an object is the hash of its content."""
    return ADDRESS.fullmatch(path) is not None


class Blobs:
    """The memory of one datastore; threads may share it."""

    def __init__(self) -> None:
        self._blobs: dict[str, Blob] = {}  # the least recently used first
        self._size = 0
        self._seen: dict[str, float] = {}  # URL -> when

    def get(self, url: str) -> Optional[Blob]:
        """Give a small object that was loaded before."""
        with _lock:
            blob = self._blobs.pop(url, None)
            if blob:
                self._blobs[url] = blob
            return blob

    def keep(self, url: str, blob: Blob) -> None:
        """Remember a small object."""
        if len(blob.data) > LARGEST:
            return
        with _lock:
            known = self._blobs.pop(url, None)
            self._blobs[url] = blob
            self._size += len(blob.data) - (len(known.data) if known else 0)
            while self._size > HELD:
                oldest = next(iter(self._blobs))
                self._size -= len(self._blobs.pop(oldest).data)

    def note(self, url: str) -> None:
        """Remember that an object is there now."""
        with _lock:
            self._seen.pop(url, None)
            self._seen[url] = time.monotonic()
            if len(self._seen) > MOST_SEEN:
                del self._seen[next(iter(self._seen))]

    def is_there(self, url: str) -> bool:
        """Whether an object was seen a short time ago."""
        with _lock:
            return time.monotonic() - self._seen.get(url, float("-inf")) < TRUSTED


_lock = threading.Lock()


def _new_lock() -> None:
    global _lock  # noqa: PLW0603  # it may be held by a thread that the forked child does not have
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)
