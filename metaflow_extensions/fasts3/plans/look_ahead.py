"""How far a stream of downloads may be ahead of whoever takes them: bytes that are here or on their way.

Sizes are known only once the first bytes come. Until then an object counts as much as those before it were, and a
margin: of n objects of unknown size, n times the mean and three standard deviations of such a sum.
"""

import math
import threading

UNKNOWN = 8 * 2**20  # bytes that one object is taken for where none has been seen
MEMORY = 0.02  # weight of the newest size in mean and variance, once there are many
LEAST_LIMIT = 64 * 1024  # bytes that the first request may bring, however small the objects were


class LookAhead:
    """Bytes of one stream. One thread downloads, another takes.

    Parameters
    ----------
    size : int
        Bytes that may be ahead. The object that is next goes beyond it, where it is larger.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._unknown: set[int] = set()  # objects that were begun and of which nothing has come
        self._bytes: dict[int, int] = {}  # of each object of which something has come: here, or asked for
        self._sum = 0  # of these
        self._seen = 0
        self._mean = float(UNKNOWN)
        self._variance = 0.0

    def begin(self, index: int) -> bool:
        """Begin with one more object, if there is room for it."""
        with self._lock:
            unknown = len(self._unknown) + 1
            if (self._unknown or self._bytes) and self._sum + self._likely(unknown) > self._size:
                return False
            self._unknown.add(index)
            return True

    def limit(self) -> int:
        """Bytes that the first request for an object may bring, so that sizes that change are noticed in time."""
        with self._lock:
            return max(LEAST_LIMIT, int(2 * self._likely(1)))

    def begun(self, index: int, received: int, length: int) -> None:
        """The first bytes of an object are here, and tell how many it has."""
        with self._lock:
            self._unknown.discard(index)
            self._sum += received - self._bytes.get(index, 0)
            self._bytes[index] = received
            self._learn(length)

    def go_on(self, index: int, size: int, first: bool) -> bool:
        """Ask for so many more bytes of an object, if there is room for them, or if it is the first that is missing."""
        with self._lock:
            if not first and self._sum + self._likely(len(self._unknown)) + size > self._size:
                return False
            self._sum += size
            self._bytes[index] += size
            return True

    def forget(self, index: int) -> None:
        """An object was taken, or there is none."""
        with self._lock:
            self._unknown.discard(index)
            self._sum -= self._bytes.pop(index, 0)

    @property
    def size(self) -> int:
        """Bytes that are here or were asked for, of objects whose size is known."""
        return self._sum

    def _likely(self, count: int) -> float:
        """Bytes that so many objects of unknown size have, but for rare cases."""
        return count * self._mean + 3.0 * math.sqrt(self._variance * count)

    def _learn(self, length: int) -> None:
        self._seen += 1
        weight = max(MEMORY, 1.0 / self._seen)
        difference = length - self._mean
        self._mean += weight * difference
        if self._seen > 1:
            self._variance = (1.0 - weight) * (self._variance + weight * difference * difference)
