"""Typed names in use: `mypy --strict` and pyright's strict mode report no error in this file.

It stores measurements as objects of 8-byte numbers and reads parts of them.
"""

import struct
import sys
from collections.abc import Iterable
from typing import Optional

from metaflow_extensions.fasts3.typed import S3, MetaflowS3NotFound, S3GetObject, S3Object, S3Objects, S3PutObject

WIDTH = struct.calcsize("d")


def store(s3: S3, series: dict[str, list[float]]) -> list[str]:
    """Store each series, with its length as metadata, and return the URLs."""
    stored = s3.put_many(
        S3PutObject(name, struct.pack(f"{len(numbers)}d", *numbers), metadata={"count": len(numbers)})
        for name, numbers in series.items()
    )
    return [url for _, url in stored]


def beginnings(s3: S3, names: Iterable[str], count: int) -> dict[str, list[float]]:
    """Return the first numbers of several series without downloading the rest."""
    parts: S3Objects = s3.get_many(S3GetObject(name, 0, count * WIDTH) for name in names)
    return {part.key: _numbers(part) for part in parts}


def length(s3: S3, name: str) -> Optional[int]:
    """Return how many numbers a series has, or None if it does not exist."""
    try:
        info = s3.info(name)
    except MetaflowS3NotFound as error:
        print(f"{error.url} does not exist: {error.s3_code or error.status}", file=sys.stderr)
        return None
    return None if info.size is None else info.size // WIDTH


def total_size(s3: S3) -> int:
    """Return the number of bytes of all series."""
    # `size` is Optional: a missing key has none.
    return sum(found.size or 0 for found in s3.list_recursive())


def _numbers(part: S3Object) -> list[float]:
    blob = part.blob
    if blob is None:  # not after a `get`: only an object that was not downloaded has no blob
        return []
    return list(struct.unpack(f"{len(blob) // WIDTH}d", blob))


def main(root: str) -> None:
    """Store and read series below an S3 URL."""
    with S3(s3root=root) as s3:
        store(s3, {"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0]})
        print(beginnings(s3, ["a", "b"], 2), length(s3, "a"), length(s3, "c"), total_size(s3))


if __name__ == "__main__":
    main(sys.argv[1])
