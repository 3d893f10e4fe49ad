"""Counts the objects and bytes that a plan has finished, for the display of progress."""

from dataclasses import dataclass
from typing import Optional


@dataclass
class Tally:
    """The progress that a plan reports as its attribute `tally`.

    Bytes are those of the final objects: before an object is downloaded again, its bytes are subtracted, so that both
    numbers equal their totals at the end.
    """

    operation: str  # as users call it: get, put, copy, list, info
    total_objects: Optional[int] = None  # None: unknown so far
    total_bytes: Optional[int] = None  # None: unknown so far; 0 if no data is transferred
    objects: int = 0  # finished
    bytes: int = 0  # of finished and unfinished objects
