"""Large contents, and comparisons of them without megabytes of output."""

import hashlib
import random
from functools import lru_cache

# Repeated at distances that no part, piece or block has, because random bytes take 10 ms for each megabyte.
_BYTES = random.Random(1).randbytes(2**20 - 3)


@lru_cache(maxsize=16)
def noise(size: int, seed: int = 0) -> bytes:
    """The same `size` bytes each time, all different from their neighbors, so that a misplaced part is detected."""
    start = random.Random(size + (seed << 40)).randrange(len(_BYTES))
    return (_BYTES * ((start + size) // len(_BYTES) + 1))[start : start + size]


def digest(blob: bytes) -> "tuple[int, str]":
    """Size and hash: equal when the contents are."""
    return len(blob), hashlib.sha256(blob).hexdigest()
