"""Dates as HTTP writes them: RFC 9110 section 5.6.7."""

import datetime
from functools import lru_cache

_EPOCH = datetime.date(1970, 1, 1).toordinal()
# Not by strptime, which asks the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=1024)
def timestamp_of(date: str) -> int:
    """Unix timestamp of a date.

    Parameters
    ----------
    date : str
        As in ``Sun, 06 Nov 1994 08:49:37 GMT``, or an older form.

    Raises
    ------
    ValueError
        It is none.
    """
    if len(date) == 29 and date.endswith(" GMT"):
        day, month, year = int(date[5:7]), _MONTHS.index(date[8:11]) + 1, int(date[12:16])
        days = datetime.date(year, month, day).toordinal() - _EPOCH
        return ((days * 24 + int(date[17:19])) * 60 + int(date[20:22])) * 60 + int(date[23:25])
    from email.utils import parsedate_to_datetime  # half of a worker's start, for dates that no S3 sends

    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, IndexError, OverflowError):  # the former two: Python 3.9, of what is no date
        raise ValueError(date) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp())
