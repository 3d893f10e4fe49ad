"""The modification times of downloaded files, by which a later download knows whether a file is still its object.

A file has the time of its object in the headers, in whole seconds. A later write leaves fractions of a second.
"""

import os
from enum import Enum
from typing import Optional

# Response headers have times in whole seconds: an object downloaded within the second of its last change may change
# once more with the same time. The file of an object younger than YOUNG (one second is for clock differences) gets a
# mark in its modification time, and the next call downloads it again.
YOUNG = 2  # seconds before the downloads began
MARK = 10**6  # nanoseconds; some file systems store only microseconds
ROUNDING = 2  # seconds by which the time in a listing may differ from that in the headers of the same version


class Comparison(Enum):
    """The result of comparing a file with an object of the same size by their times."""

    SAME = "the file is that object"
    UNCLEAR = "only the object's headers can decide"
    OTHER = "the object has been changed since"
    WRITTEN = "the file has been written to since, or must be downloaded again"


def set_time(path: str, modified: int, began: float) -> None:
    """Give a downloaded file the time of its object in the headers. All times are Unix timestamps.

    `began` is when the downloads began.
    """
    nanoseconds = modified * 10**9 + (MARK if modified > began - YOUNG else 0)
    os.utime(path, ns=(nanoseconds, nanoseconds))


def compare_with_listing(written: int, modified: Optional[float]) -> Comparison:
    """Compare the time of a file, in nanoseconds, with the time of an object in a listing.

    Listings of some servers have fractions of seconds.
    """
    seconds, fraction = divmod(written, 10**9)
    if fraction:
        return Comparison.WRITTEN
    if modified is None:
        return Comparison.UNCLEAR
    if seconds == int(modified):
        return Comparison.SAME
    return Comparison.UNCLEAR if abs(seconds - modified) < ROUNDING else Comparison.OTHER


def is_as_delivered(path: str, size: Optional[int], modified: int) -> bool:
    """Whether a file is unchanged since its download, by the headers of its object."""
    status = status_of(path)
    return status is not None and (status.st_size, status.st_mtime_ns) == (size, modified * 10**9)


def status_of(path: str) -> Optional[os.stat_result]:
    """The status of a file, link or directory; None if nothing is there."""
    try:
        return os.lstat(path)
    except OSError:
        return None
