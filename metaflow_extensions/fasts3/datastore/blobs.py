"""A cache of content-addressed objects: the bytes of small ones, and which ones exist.

Metaflow stores an artifact under the SHA-1 of its content, so such an object never changes. Tasks and the scheduler
repeatedly load the same few small ones (the foreach stack, `None`, `True`), and store objects that they just loaded.
"""

import os
import re
import threading
import time
from typing import NamedTuple, Optional

# The content-addressed store's layout: FlowName/data/ab/ab... (metaflow/datastore/content_addressed_store.py).
ADDRESS = re.compile(r"(?:.*/)?data/([0-9a-f]{2})/\1[0-9a-f]{38}")

LARGEST = 256 * 2**10  # bytes of the largest object in the cache
HELD = 16 * 2**20  # bytes of all objects in the cache
OVERHEAD = 500  # bytes of memory for the URL and the entry of an object
TRUSTED = 60.0  # seconds for which an object counts as existing after it was seen; a cleanup may delete it
MOST_SEEN = 10_000  # objects


class Blob(NamedTuple):
    """A small object."""

    data: bytes
    metadata: Optional[dict[str, str]]


def is_content_addressed(path: str) -> bool:
    """Whether the name of an object is the hash of its content."""
    return ADDRESS.fullmatch(path) is not None


class Blobs:
    """The cache of one datastore; threads may share it."""

    def __init__(self) -> None:
        self._blobs: dict[str, Blob] = {}  # the least recently used first
        self._size = 0
        self._seen: dict[str, float] = {}  # URL -> when

    def get(self, url: str) -> Optional[Blob]:
        """Return a small object from the cache."""
        with _lock:
            blob = self._blobs.pop(url, None)
            if blob:
                self._blobs[url] = blob
            return blob

    def keep(self, url: str, blob: Blob) -> None:
        """Add a small object."""
        if len(blob.data) > LARGEST:
            return
        with _lock:
            known = self._blobs.pop(url, None)
            self._blobs[url] = blob
            self._size += _memory_of(blob) - (_memory_of(known) if known else 0)
            while self._size > HELD:
                oldest = next(iter(self._blobs))
                self._size -= _memory_of(self._blobs.pop(oldest))

    def note(self, url: str) -> None:
        """Record that an object exists now."""
        with _lock:
            self._seen.pop(url, None)
            self._seen[url] = time.monotonic()
            if len(self._seen) > MOST_SEEN:
                del self._seen[next(iter(self._seen))]

    def was_seen(self, url: str) -> bool:
        """Whether an object was seen within the last `TRUSTED` seconds."""
        with _lock:
            return time.monotonic() - self._seen.get(url, float("-inf")) < TRUSTED


def _memory_of(blob: Blob) -> int:
    return len(blob.data) + OVERHEAD


_lock = threading.Lock()


def _new_lock() -> None:
    global _lock  # noqa: PLW0603  # a thread that does not exist in the forked child may hold it
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)
