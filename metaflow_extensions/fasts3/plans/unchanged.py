"""Whether an object has the same contents as a local file.

The ETag alone is not sufficient: with SSE-KMS and on many servers it is no MD5. Therefore `upload` stores a mark with
each object that identifies the file's state. Listings show the ETag; only a HEAD shows the mark.
"""

import hashlib
import os
import re
import time
from typing import Callable

from metaflow_extensions.fasts3.plans.etags import etag_of_file, etag_of_file_in_parts
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


def marked(headers: PutHeaders, path: str, check: Callable[[], None] = _never) -> PutHeaders:
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


def is_worth_a_read(etag: str, size: int) -> bool:
    """Whether to compare an ETag with the MD5 of a file of the same size before sending a HEAD."""
    return size <= WORTH_A_READ and _MD5.fullmatch(etag.strip('"')) is not None


def has_etag(path: str, etag: str, size: int, step: int, check: Callable[[], None] = _never) -> bool:
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
    check: Callable[[], None] = _never,
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


def _sha256(path: str, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_READ):
            check()
            digest.update(data)
    return digest.hexdigest()
