"""Dates of HTTP, compared with the standard library's parser, and of XML."""

from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire.dates import http_timestamp, xml_timestamp


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(timezone.utc)))
def test_dates_as_servers_write_them(moment):
    moment = moment.replace(microsecond=0)  # in a thousand years, a float rounds those up
    assert http_timestamp(format_datetime(moment, usegmt=True)) == int(moment.timestamp())


@pytest.mark.parametrize("date", ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
def test_older_forms(date):
    assert http_timestamp(date) == 784111777


@pytest.mark.parametrize(
    "date",
    [
        *("", "yesterday", "Sun, 06 anF 1994 08:49:37 GMT", "Sun, 06 Nov xxxx 08:49:37 GMT"),
        *("Sun Nov  6 3333333308:49:37 14", "37 Nov 99999999999999999999-:4906 ,"),
    ],
)
def test_invalid_dates(date):
    assert http_timestamp(date) is None


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2009-10-12T17:50:30.000Z", 1255369830),
        ("2009-10-12T17:50:30Z", 1255369830),
        ("2009-10-12T17:50:30.25+00:00", 1255369830.25),
        ("2009-10-12T17:50:30.123456789Z", 1255369830.123456789),
        ("2009-10-12T17:50:30", None),  # in which zone?
        ("2009-10-12T17:50:30+02:00", None),
        ("2009-99-12T17:50:30Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("Mon, 12 Oct 2009 17:50:30 GMT", None),
        ("٢٠٠٩-10-12T17:50:30Z", None),
        ("", None),
    ],
)
def test_dates_in_xml(date, expected):
    assert xml_timestamp(date) == expected
