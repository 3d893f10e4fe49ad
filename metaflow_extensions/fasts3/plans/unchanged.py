"""Whether an object has the same contents as a local file.

The ETag of a PUT is the MD5 of the bytes, that of a multipart upload the MD5 of the parts' MD5s, and their number:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html. It alone is not sufficient: with SSE-KMS and on many
servers it is another value, which shows nothing. Therefore `upload` stores a mark with each object that identifies the
file's state. Listings show the ETag; only a HEAD shows the mark.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterable
from io import FileIO
from typing import Callable, Optional

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE, part_size
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

FILE = "metaflow-fasts3-file"
"""The metadata key of the mark: the file's times of modification and of inode change, and its inode; or its SHA-256.

Changing a file sets its time of change (ctime), which programs can't choose. But timestamps are coarse: a file may
change twice within one tick, and files that were written together have the same times.
"""
YOUNG = 2 * 10**9  # ns; coarsest timestamps of file systems
MOST_HASHED = 64 * 2**20  # bytes; hashing larger, recently changed files for a mark would take too long
WORTH_A_READ = PART_SIZE  # bytes; for larger files, requesting the mark is faster than hashing
_READ = 2**20  # bytes
_MD5 = re.compile(r"[0-9a-f]{32}(-[0-9]{1,5})?")  # of one PUT, or of parts


def _never() -> None:
    pass


def marked(headers: PutHeaders, path: str, check: Callable[[], object] = _never) -> PutHeaders:
    """Return the headers to store with a file, with its mark if it has one now.

    `check` is called between reads, here and below; its exceptions end the work.
    """
    try:
        status = os.stat(path)
        mark = _state(status)
        if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - YOUNG:
            mark = _sha256(path, check) if status.st_size <= MOST_HASHED else ""
    except OSError:
        return headers  # the upload will report the problem
    return headers._replace(metadata={**(headers.metadata or {}), FILE: mark}) if mark else headers


def with_state(
    headers: PutHeaders, path: str, check: Callable[[], object] = _never
) -> "tuple[PutHeaders, Optional[str]]":
    """Return the headers as `marked` does, and the state of the file before, if its mark is a SHA-256."""
    try:
        state = _state(os.stat(path))
    except OSError:
        return headers, None
    found = marked(headers, path, check)
    return found, None if " " in (found.metadata or {}).get(FILE, " ") else state


def has_other_bytes(path: str, size: int, state: str) -> bool:
    """Whether a file may have other bytes than in an earlier state, and as many."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_size == size and _state(status) != state


def is_worth_a_read(etag: str, size: int) -> bool:
    """Whether to compare an ETag with the MD5 of a file of the same size before sending a HEAD."""
    return size <= WORTH_A_READ and _MD5.fullmatch(etag.strip('"')) is not None


def has_etag(path: str, etag: str, size: int, step: int, check: Callable[[], object] = _never) -> bool:
    """Whether an object's ETag, with or without quotes, matches a file's contents.

    `size` is that of the object, `step` that of a part as files are uploaded now, both in bytes.
    """
    etag = etag.strip('"')
    try:
        if "-" in etag:
            return etag == etag_of_file_in_parts(path, part_size(size, step), check)
        return bool(etag) and etag == etag_of_file(path, check, size)
    except OSError:
        return False  # the upload will report the problem


def is_unchanged(
    info: ObjectInfo,
    path: str,
    size: int,
    step: int,
    refuted: str = "",
    check: Callable[[], object] = _never,
) -> bool:
    """Whether an object has the same contents as a file of `size` bytes.

    The file would be uploaded in parts of `step` bytes. `refuted` is an ETag that is known to differ from the file's.
    """
    if info.size != size:
        return False
    mark = info.metadata.get(FILE, "")
    try:
        if mark and mark in (_state(os.stat(path)), _sha256(path, check) if " " not in mark else ""):
            return True
    except OSError:
        return False  # the upload will report the problem
    return info.etag != refuted and has_etag(path, info.etag, size, step, check)


def _state(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _sha256(path: str, check: Callable[[], object]) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_READ):
            check()
            digest.update(data)
    return digest.hexdigest()


def etag_of_bytes(body: "bytes | bytearray | memoryview") -> str:
    """Return the ETag of one PUT, without quotes."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def etag_of_file(path: str, check: Callable[[], object] = _never, size: int = _READ) -> str:
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


def _digest(file: FileIO, size: int, check: Callable[[], object]) -> "tuple[str, int]":
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


def etag_of_file_in_parts(path: str, size: int, check: Callable[[], object] = _never) -> str:
    """Return the ETag of a file uploaded in parts of `size` bytes; "" if the file can't be read."""
    parts: list[str] = []
    try:
        with open(path, "rb", buffering=0) as file:
            while (part := _digest(file, size, check))[1]:
                parts.append(part[0])
    except OSError:
        return ""
    return etag_of_parts(parts)
