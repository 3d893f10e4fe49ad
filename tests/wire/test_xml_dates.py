"""Tests of dates in XML."""

import pytest

from metaflow_extensions.fasts3.wire.xml_dates import timestamp_of


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
def test_what_servers_write(date, expected):
    assert timestamp_of(date) == expected
