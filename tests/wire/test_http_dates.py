"""Dates of HTTP; the standard library's reader is the oracle."""

from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire.http_dates import timestamp_of


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(timezone.utc)))
def test_dates_as_servers_write_them(moment):
    moment = moment.replace(microsecond=0)  # in a thousand years, a float rounds those up
    assert timestamp_of(format_datetime(moment, usegmt=True)) == int(moment.timestamp())


@pytest.mark.parametrize("date", ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
def test_older_forms(date):
    assert timestamp_of(date) == 784111777


@pytest.mark.parametrize(
    "date",
    [
        *("", "yesterday", "Sun, 06 anF 1994 08:49:37 GMT", "Sun, 06 Nov xxxx 08:49:37 GMT"),
        *("Sun Nov  6 3333333308:49:37 14", "37 Nov 99999999999999999999-:4906 ,"),
    ],
)
def test_what_is_no_date(date):
    with pytest.raises(ValueError):  # noqa: PT011  # it says no more
        timestamp_of(date)
