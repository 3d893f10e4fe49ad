"""The contents of objects: name and size determine the bytes, in every process; different names give different bytes.

A check therefore needs only the name, and keeps no copy of the data.
"""

import hashlib
import os
import random
from collections.abc import Iterator
from functools import lru_cache

BLOCK = 2**20  # bytes


@lru_cache(maxsize=1)
def _noise() -> bytes:
    return random.Random("noise").randbytes(BLOCK)


def names(objects: int) -> list[str]:
    """Names of the objects of a set, in the order of their keys."""
    return [f"{number:05}" for number in range(objects)]


def stamp_of(name: str, start: int) -> bytes:
    """Return the beginning of an object's block, from its offset."""
    return hashlib.sha256(f"{name} {start}".encode()).digest()


def blocks(name: str, size: int) -> Iterator[bytes]:
    """Yield the content of an object in blocks; each begins with a hash of the object's name and the offset."""
    for start in range(0, size, BLOCK):
        stamp = stamp_of(name, start)
        yield (stamp + _noise()[len(stamp) :])[: size - start]


def content(name: str, size: int) -> bytes:
    """Return the whole content of an object."""
    return b"".join(blocks(name, size))


def is_content(path: str, name: str, size: int) -> bool:
    """Whether a local file has exactly the content of that object."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno()).st_size == size and all(
            file.read(len(block)) == block for block in blocks(name, size)
        )
