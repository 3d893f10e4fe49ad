"""Whether what is stored already is what a local file holds, without its being sent again.

By the ETag alone that can't be told: with SSE-KMS and on many servers it is no MD5. So `upload` stores a mark with each
object that tells which state of the file it holds. Listings tell the ETag, and only a HEAD tells the mark.
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
"""The metadata key of the mark: the times of the file, of modification and of its inode's change, or its SHA-256.

A file that is changed gets another time of change (ctime), which no program can set. But times are coarse: one that was
changed just now may be changed once more within the same tick.
"""
YOUNG = 2 * 10**9  # ns; no file system's times are coarser
MOST_HASHED = 64 * 2**20  # bytes; a larger file that was changed just now gets no mark, which would take too long
WORTH_A_READ = PART_SIZE  # bytes; a request for the mark takes less time than the hash of a larger file
_READ = 2**20  # bytes
_MD5 = re.compile(r"[0-9a-f]{32}(-[0-9]{1,5})?")  # of one PUT, or of parts


def _never() -> None:
    pass


def marked(headers: PutHeaders, path: str, check: Callable[[], None] = _never) -> PutHeaders:
    """What is stored with a file, with its mark, if it has one now.

    Parameters
    ----------
    headers : PutHeaders
    path : str
    check : callable
        Is called between two reads, here and below; what it raises ends the work.
    """
    try:
        status = os.stat(path)
        mark = _times(status)
        if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - YOUNG:
            mark = _sha256(path, check) if status.st_size <= MOST_HASHED else ""
    except OSError:
        return headers  # its upload says what is wrong with it
    return headers._replace(metadata={**(headers.metadata or {}), FILE: mark}) if mark else headers


def is_worth_a_read(etag: str, size: int) -> bool:
    """Whether to compare an ETag with the MD5 of a file of the same size, before anything else is asked."""
    return size <= WORTH_A_READ and _MD5.fullmatch(etag.strip('"')) is not None


def has_etag(path: str, etag: str, size: int, step: int, check: Callable[[], None] = _never) -> bool:
    """Whether an ETag is that of a file's content.

    Parameters
    ----------
    path : str
    etag : str
        Of the object, with its quotes or without.
    size : int
        Bytes of the object.
    step : int
        Bytes of a part, as files are uploaded now.
    check : callable
    """
    etag = etag.strip('"')
    try:
        if "-" in etag:
            return etag == etag_of_file_in_parts(path, part_size(size, step), check)
        return bool(etag) and etag == etag_of_file(path, check)
    except OSError:
        return False  # its upload says what is wrong with it


def is_unchanged(
    info: ObjectInfo,
    path: str,
    size: int,
    step: int,
    refuted: str = "",
    check: Callable[[], None] = _never,
) -> bool:
    """Whether an object holds what a file holds.

    Parameters
    ----------
    info : ObjectInfo
        Of the object.
    path : str
    size : int
        Bytes of the file.
    step : int
        Bytes of a part, as files are uploaded now.
    refuted : str
        An ETag that is known not to be the file's.
    check : callable
    """
    if info.size != size:
        return False
    mark = info.metadata.get(FILE, "")
    try:
        if mark and mark in (_times(os.stat(path)), _sha256(path, check) if " " not in mark else ""):
            return True
    except OSError:
        return False  # its upload says what is wrong with it
    return info.etag != refuted and has_etag(path, info.etag, size, step, check)


def _times(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns} {status.st_ctime_ns}"


def _sha256(path: str, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_READ):
            check()
            digest.update(data)
    return digest.hexdigest()
