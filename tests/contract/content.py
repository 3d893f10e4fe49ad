"""Large contents, and comparisons of them without megabytes of output."""

import hashlib
import random
from functools import lru_cache


@lru_cache(maxsize=16)
def noise(size: int, seed: int = 0) -> bytes:
    """The same `size` bytes each time, all different from their neighbors, so that a misplaced part is detected."""
    return random.Random(size + (seed << 40)).randbytes(size)


def digest(blob: bytes) -> "tuple[int, str]":
    """Size and hash: equal when the contents are."""
    return len(blob), hashlib.sha256(blob).hexdigest()
