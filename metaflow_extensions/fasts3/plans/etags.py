"""The ETags that S3 gives to what was uploaded, computed here: is what is there what we have sent?

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: of a PUT the MD5 of the bytes, of a multipart upload
the MD5 of the parts' MD5s and their number. With SSE-KMS and on some servers it is something else, and tells nothing.
"""

import hashlib
from collections.abc import Iterable
from io import FileIO
from typing import Callable, Optional

_READ = 2**20  # bytes


def _never() -> None:
    pass


def etag_of_bytes(body: "bytes | bytearray | memoryview") -> str:
    """The ETag of an object that was one PUT, without quotes."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def etag_of_file(path: str, check: "Callable[[], object]" = _never) -> str:
    """The ETag of a file that was one PUT; "" where it can't be read any more.

    `check` is called between two reads, here and below; what it raises ends the work.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return _digest(file, None, check)[0]
    except OSError:
        return ""


def _digest(file: FileIO, size: Optional[int], check: "Callable[[], object]") -> "tuple[str, int]":
    """The MD5 of so many bytes of a file, or of all, and how many they are. A part may be too large for memory."""
    digest, count = hashlib.md5(usedforsecurity=False), 0
    while data := file.read(_READ if size is None else min(_READ, size - count)):
        check()
        digest.update(data)
        count += len(data)
    return digest.hexdigest(), count


def etag_of_parts(etags: "Iterable[str]") -> str:
    """The ETag of an object that was put together from parts; "" where theirs are no MD5s.

    Parameters
    ----------
    etags : iterable of str
        As S3 told them, quotes or not.
    """
    try:
        parts = [bytes.fromhex(etag.strip('"')) for etag in etags]
    except ValueError:
        return ""
    return f"{etag_of_bytes(b''.join(parts))}-{len(parts)}"


def etag_of_file_in_parts(path: str, size: int, check: "Callable[[], object]" = _never) -> str:
    """The ETag of a file that was uploaded in parts of so many bytes; "" where it can't be read any more."""
    parts: list[str] = []
    try:
        with open(path, "rb", buffering=0) as file:
            while (part := _digest(file, size, check))[1]:
                parts.append(part[0])
    except OSError:
        return ""
    return etag_of_parts(parts)
