"""Whether what is stored already is what a local file holds, without its being sent again.

By the ETag alone that can't be told: with SSE-KMS and on many servers it is no MD5. So `upload` stores a mark with each
object that tells which state of the file it holds.
"""

import hashlib
import os
import time

from metaflow_extensions.fasts3.pool.etags import etag_of_file, etag_of_file_in_parts
from metaflow_extensions.fasts3.pool.planning import part_size
from metaflow_extensions.fasts3.wire.local_files import Version
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

FILE = "metaflow-fasts3-file"
"""The metadata key of the mark: the times of the file, of modification and of its inode's change, or its SHA-256.

A file that is changed gets another time of change (ctime), which no program can set. But times are coarse: one that was
changed just now may be changed once more within the same tick.
"""
YOUNG = 2 * 10**9  # ns; no file system's times are coarser
MOST_HASHED = 64 * 2**20  # bytes; a larger file that was changed just now gets no mark, which would take too long
_READ = 2**20  # bytes


def marked(headers: PutHeaders, path: str) -> PutHeaders:
    """What is stored with a file, with its mark, if it has one now."""
    try:
        status = os.stat(path)
        mark = _times(status)
        if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - YOUNG:
            mark = _sha256(path) if status.st_size <= MOST_HASHED else ""
    except OSError:
        return headers  # its upload says what is wrong with it
    return headers._replace(metadata={**(headers.metadata or {}), FILE: mark}) if mark else headers


def is_unchanged(info: ObjectInfo, path: str, version: Version, step: int) -> bool:
    """Whether an object holds what a file holds.

    Parameters
    ----------
    info : ObjectInfo
        Of the object.
    path : str
    version : Version
        Of the file.
    step : int
        Bytes of a part, as files are uploaded now.
    """
    if info.size != version.size:
        return False
    mark, etag = info.metadata.get(FILE, ""), info.etag.strip('"')
    try:
        if mark and mark in (_times(os.stat(path)), _sha256(path) if " " not in mark else ""):
            return True
        if "-" in etag:
            return etag == etag_of_file_in_parts(path, part_size(info.size, step))
        return bool(etag) and etag == etag_of_file(path)
    except OSError:
        return False  # its upload says what is wrong with it


def _times(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns} {status.st_ctime_ns}"


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_READ):
            digest.update(data)
    return digest.hexdigest()
