"""The modification times of downloaded files, by which a later download knows whether a file is still its object.

A file has the time of its object in the headers, in whole seconds, and a fraction of a second that depends on the ETag:
many objects are stored within a second, and one may change twice in it. A later write leaves another fraction.
"""

import os
import zlib
from enum import Enum
from typing import Optional

from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

SECOND = 10**9  # nanoseconds
UNIT = 1000  # nanoseconds; some file systems store only microseconds, and some only seconds
ROUNDING = 2  # seconds by which the time in a listing may differ from that in the headers of the same version


class Comparison(Enum):
    """The result of comparing a file with an object of the same size by their times."""

    SAME = "the file is that object"
    UNCLEAR = "only the object's headers can decide"
    OTHER = "the object or the file has been changed since"


def set_time(path: str, info: ObjectInfo) -> None:
    """Give a downloaded file the time of its object, if the headers have one."""
    if info.last_modified is not None:
        nanoseconds = info.last_modified * SECOND + fraction_of(info.etag)
        os.utime(path, ns=(nanoseconds, nanoseconds))


def fraction_of(etag: str) -> int:
    """The fraction of a second for an ETag, with or without quotes: nanoseconds, never 0."""
    return UNIT + zlib.crc32(etag.strip('"').encode()) * UNIT % (SECOND - UNIT)


def compare_with_listing(written: int, modified: Optional[float], etag: Optional[str]) -> Comparison:
    """Compare the time of a file, in nanoseconds, with an object in a listing: its Unix timestamp and its ETag.

    Listings of some servers have fractions of seconds. The fraction of the file is 0 if its file system stores none, or
    if another program downloaded it.
    """
    seconds, fraction = divmod(written, SECOND)
    if modified is None or (fraction and not etag):
        return Comparison.UNCLEAR
    if fraction and fraction != fraction_of(etag or ""):
        return Comparison.OTHER
    if seconds == int(modified):
        return Comparison.SAME
    return Comparison.UNCLEAR if abs(seconds - modified) < ROUNDING else Comparison.OTHER


def is_as_delivered(path: str, info: ObjectInfo) -> bool:
    """Whether a file is unchanged since its download, by the headers of its object."""
    status = status_of(path)
    if status is None or status.st_size != info.size:
        return False
    seconds, fraction = divmod(status.st_mtime_ns, SECOND)
    return seconds == info.last_modified and fraction in (0, fraction_of(info.etag))


def status_of(path: str) -> Optional[os.stat_result]:
    """The status of a file, link or directory; None if nothing is there."""
    try:
        return os.lstat(path)
    except OSError:
        return None
