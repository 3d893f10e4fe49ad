"""Tests of the limits of one client: invalid values raise immediately, and the error names the argument."""

from decimal import Decimal
from fractions import Fraction

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.api.limits import chosen_limits
from metaflow_extensions.fasts3.boto.settings import Chosen

GOOD = {
    "max_connections": [1, 8, 10_000],
    "max_bandwidth": [1024, 1e6, 10**12, Fraction(10**7, 2)],
    "part_size": [5 * 2**20, 2**23, 2**23 + 1, 5 * 2**30],
}
BAD = {
    "max_connections": [0, -1, 1.0, 8.5, "8", b"8", True, False, [8], float("nan"), 1j],
    "max_bandwidth": [0, -1e6, "1e6", "fast", True, False, [1e6], float("nan"), float("inf"), 10**400, 1j, Decimal(10)],
    "part_size": [0, -1, 5 * 2**20 - 1, 5 * 2**30 + 1, 8.0 * 2**20, "8388608", "8M", True, False, [2**23]],
}


def each(table):
    return pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, values in table.items() for value in values]
    )


@each(GOOD)
def test_valid_values_are_accepted(name, value):
    limits = {"max_connections": None, "max_bandwidth": None, "part_size": None, name: value}
    assert getattr(chosen_limits(**limits), name) == value
    S3(**{name: value})


@each(BAD)
def test_invalid_values_raise_and_name_the_argument(name, value, tmp_path):
    with pytest.raises(MetaflowS3Exception, match=rf"^{name} is .*, "):
        S3(tmproot=str(tmp_path), **{name: value})


@pytest.mark.parametrize("rate", [-1, 101, 200, "50", True, None, float("nan"), 1j])
def test_a_failure_rate_that_is_no_percentage(rate):
    with pytest.raises(MetaflowS3Exception, match=r"^inject_failure_rate is .*, from 0 to 100"):
        S3(inject_failure_rate=rate)


def test_none_is_no_limit():
    assert chosen_limits(None, None, None) == Chosen()


@pytest.mark.parametrize(
    ("limits", "hint"),
    [
        ({"max_bandwidth": 100}, r"in bytes per second.*max_bandwidth=100 \* 2\*\*20"),
        ({"part_size": 64}, r"in bytes; .*5 MiB.*5 GiB.*64 \* 2\*\*20"),
        ({"part_size": 6 * 2**30}, "in bytes; .*5 GiB"),
    ],
)
def test_a_wrong_unit_raises_with_a_hint(limits, hint):
    with pytest.raises(MetaflowS3Exception, match=hint):
        S3(**limits)


class Int32:
    """An integer of another library, as NumPy's."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


def test_integers_of_other_libraries_are_integers():
    limits = chosen_limits(Int32(3), Fraction(10**6), Int32(2**23))
    assert limits == (3, 1e6, 2**23)
    assert [type(limit) for limit in limits] == [int, float, int]
