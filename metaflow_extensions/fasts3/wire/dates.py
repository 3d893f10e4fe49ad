"""Dates of HTTP headers (RFC 9110 section 5.6.7), and of S3's XML (ISO 8601 in UTC)."""

import datetime
import re
from calendar import timegm
from functools import lru_cache
from typing import Optional

_EPOCH = datetime.date(1970, 1, 1).toordinal()
# Not strptime, which depends on the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Servers differ in the fraction's digits.
_XML_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:Z|\+00:00)\Z", re.ASCII)


@lru_cache(maxsize=1024)
def http_timestamp(date: str) -> Optional[int]:
    """Unix timestamp of a date, in seconds; None if it is invalid.

    Parameters
    ----------
    date : str
        For example ``Sun, 06 Nov 1994 08:49:37 GMT``, or an older form.
    """
    if not date:
        return None
    try:
        if len(date) == 29 and date.endswith(" GMT"):
            day, month, year = int(date[5:7]), _MONTHS.index(date[8:11]) + 1, int(date[12:16])
            days = datetime.date(year, month, day).toordinal() - _EPOCH
            return ((days * 24 + int(date[17:19])) * 60 + int(date[20:22])) * 60 + int(date[23:25])
        from email.utils import parsedate_to_datetime  # slow to import; S3 does not send these dates

        moment = parsedate_to_datetime(date)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@lru_cache(maxsize=1024)  # objects stored together share times
def xml_timestamp(date: str) -> Optional[float]:
    """Unix timestamp of a date, in seconds; None if it is invalid.

    Parameters
    ----------
    date : str
        For example ``2009-10-12T17:50:30.000Z``.
    """
    found = _XML_DATE.match(date)
    if not found:
        return None
    *numbers, fraction = found.groups()
    try:
        return timegm((*map(int, numbers), 0, 0, 0)) + float(fraction or 0)
    except ValueError:  # the 99th of a month
        return None
