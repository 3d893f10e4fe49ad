"""How far a plan has come, in a user's terms: objects and their bytes, where the plan itself counts jobs."""

from dataclasses import dataclass
from typing import Optional


@dataclass
class Tally:
    """What a plan counts for those who watch it, as its attribute `tally`.

    Bytes are those of the objects as they are in the end: what has to be moved once more because an object was begun
    again is taken off before, so that both numbers meet their totals when the plan is done.
    """

    operation: str  # a user's word for it: get, put, list, info
    total_objects: Optional[int] = None  # None: not known yet
    total_bytes: Optional[int] = None  # None: not known yet; 0 where no data is moved
    objects: int = 0  # finished
    bytes: int = 0  # of these, and of those under way
