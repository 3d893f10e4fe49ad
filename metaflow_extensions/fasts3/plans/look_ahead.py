"""Limits the bytes that a stream of downloads may request ahead of its consumer.

Sizes are known only when the first bytes arrive. Until then, n objects count as n times the mean size so far plus three
standard deviations of such a sum.
"""

import math
import threading

UNKNOWN = 8 * 2**20  # bytes assumed for an object before any size is known
MEMORY = 0.02  # weight of the newest size in mean and variance, after many sizes
LEAST_LIMIT = 64 * 1024  # minimum bytes of a first request, even if earlier objects were smaller


class LookAhead:
    """The bytes of one stream: one thread downloads, another consumes.

    `size` is the maximum of bytes ahead. Only the next object may exceed it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._unknown: set[int] = set()  # started objects without data
        self._bytes: dict[int, int] = {}  # bytes received or requested, per object with data
        self._sum = 0  # of `_bytes`
        self._seen = 0
        self._mean = float(UNKNOWN)
        self._variance = 0.0

    def begin(self, index: int) -> bool:
        """Return whether another object may start, and count it."""
        with self._lock:
            unknown = len(self._unknown) + 1
            if (self._unknown or self._bytes) and self._sum + self._likely(unknown) > self._size:
                return False
            self._unknown.add(index)
            return True

    def limit(self) -> int:
        """Return the bytes of an object's first request, small enough to notice changing sizes in time."""
        with self._lock:
            return max(LEAST_LIMIT, int(2 * self._likely(1)))

    def begun(self, index: int, received: int, length: int) -> None:
        """Record the first bytes of an object, whose length is known now."""
        with self._lock:
            self._unknown.discard(index)
            self._sum += received - self._bytes.get(index, 0)
            self._bytes[index] = received
            self._learn(length)

    def go_on(self, index: int, size: int, first: bool) -> bool:
        """Return whether more bytes may be requested, and count them; the first missing object always may."""
        with self._lock:
            if not first and self._sum + self._likely(len(self._unknown)) + size > self._size:
                return False
            self._sum += size
            self._bytes[index] += size
            return True

    def forget(self, index: int) -> None:
        """Remove an object that was consumed or does not exist."""
        with self._lock:
            self._unknown.discard(index)
            self._sum -= self._bytes.pop(index, 0)

    @property
    def size(self) -> int:
        """Bytes received or requested, of objects with known sizes."""
        return self._sum

    def _likely(self, count: int) -> float:
        """Return the bytes that this many objects of unknown size rarely exceed."""
        return count * self._mean + 3.0 * math.sqrt(self._variance * count)

    def _learn(self, length: int) -> None:
        self._seen += 1
        weight = max(MEMORY, 1.0 / self._seen)
        difference = length - self._mean
        self._mean += weight * difference
        if self._seen > 1:
            self._variance = (1.0 - weight) * (self._variance + weight * difference * difference)
