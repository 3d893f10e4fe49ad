"""What the objects hold: the same bytes for the same name and size in every process, none like another's.

So whoever checks an object needs to be told its name only, and nothing of a gigabyte is kept.
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


def blocks(name: str, size: int) -> Iterator[bytes]:
    """Give the content of an object, block by block; a block begins with its object's name and place, hashed."""
    for start in range(0, size, BLOCK):
        stamp = hashlib.sha256(f"{name} {start}".encode()).digest()
        yield (stamp + _noise()[len(stamp) :])[: size - start]


def content(name: str, size: int) -> bytes:
    """Give the whole content of an object."""
    return b"".join(blocks(name, size))


def is_content(path: str, name: str, size: int) -> bool:
    """Whether a local file holds just that object."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno()).st_size == size and all(
            file.read(len(block)) == block for block in blocks(name, size)
        )
