"""Dates as S3 writes them in XML: ISO 8601, in UTC, where servers differ in the fractions of a second."""

import re
from calendar import timegm
from functools import lru_cache
from typing import Optional

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:Z|\+00:00)\Z", re.ASCII)


@lru_cache(maxsize=1024)  # objects that were stored together have times in common
def timestamp_of(date: str) -> Optional[float]:
    """Unix timestamp of a date, in seconds; None where it can't be read.

    Parameters
    ----------
    date : str
        As in ``2009-10-12T17:50:30.000Z``.
    """
    found = _DATE.match(date)
    if not found:
        return None
    *numbers, fraction = found.groups()
    try:
        return timegm((*map(int, numbers), 0, 0, 0)) + float(fraction or 0)
    except ValueError:  # the 99th of a month
        return None
