"""Computes the ETags that S3 gives to uploads, to recognize what was uploaded.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: for a PUT the MD5 of the bytes, for a multipart upload
the MD5 of the parts' MD5s, and their number. With SSE-KMS and on some servers it is another value, which shows nothing.
"""

import hashlib
import os
from collections.abc import Iterable
from io import FileIO
from typing import Callable

_READ = 2**20  # bytes


def _never() -> None:
    pass


def etag_of_bytes(body: "bytes | bytearray | memoryview") -> str:
    """Return the ETag of one PUT, without quotes."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def etag_of_file(path: str, check: "Callable[[], object]" = _never, size: int = _READ) -> str:
    """Return the ETag of a file uploaded with one PUT; "" if the file can't be read.

    `check` is called between reads, here and below; its exceptions end the work. The size is expected, and makes it
    faster.
    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        # A file object would take as long as all the rest, for a small file.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            most = min(size + 1, _READ)
            while data := os.read(file, most):
                digest.update(data)
                check()
                if len(data) == size < most:
                    break  # the end: there was room for another byte
        finally:
            os.close(file)
    except OSError:
        return ""
    return digest.hexdigest()


def _digest(file: FileIO, size: int, check: "Callable[[], object]") -> "tuple[str, int]":
    """Return the MD5 of the next `size` bytes of a file, and their number. A part may be too large for memory."""
    digest, count = hashlib.md5(usedforsecurity=False), 0
    while data := file.read(min(_READ, size - count)):
        check()
        digest.update(data)
        count += len(data)
    return digest.hexdigest(), count


def etag_of_parts(etags: "Iterable[str]") -> str:
    """Return the ETag of an object composed of parts; "" if the parts' ETags, with or without quotes, are not MD5s."""
    try:
        parts = [bytes.fromhex(etag.strip('"')) for etag in etags]
    except ValueError:
        return ""
    return f"{etag_of_bytes(b''.join(parts))}-{len(parts)}"


def etag_of_file_in_parts(path: str, size: int, check: "Callable[[], object]" = _never) -> str:
    """Return the ETag of a file uploaded in parts of `size` bytes; "" if the file can't be read."""
    parts: list[str] = []
    try:
        with open(path, "rb", buffering=0) as file:
            while (part := _digest(file, size, check))[1]:
                parts.append(part[0])
    except OSError:
        return ""
    return etag_of_parts(parts)
