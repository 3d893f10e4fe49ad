"""Tests of `Progress`: its values and its text."""

import pytest

from metaflow_extensions.fasts3.api.progress import Progress, in_words

HALF = Progress("get", 500, 1000, 2_000_000, 4_100_000, 0, 10.0, False, 100_000.0)


@pytest.mark.parametrize(
    ("changed", "fraction", "left"),
    [
        ({}, 20 / 41, 21.0),
        ({"total_bytes": None}, 0.5, 10.0),
        ({"total_bytes": None, "objects": 0}, 0.0, None),
        ({"total_bytes": None, "total_objects": None}, None, None),
        ({"rate": 0.0}, 20 / 41, 10.0),
        ({"rate": 1e-300, "objects": 0}, 20 / 41, None),
        ({"bytes": 5_000_000}, 1.0, 0.0),  # it grows while it is read
        ({"operation": "info", "bytes": 0, "total_bytes": 0}, 0.5, 10.0),
        ({"bytes": 0, "total_bytes": 0, "total_objects": 0, "objects": 0}, None, None),
        ({"done": True, "bytes": 4_100_000}, 1.0, 0.0),
    ],
)
def test_how_much_is_done_and_how_long_the_rest_takes(changed, fraction, left):
    progress = HALF._replace(**changed)
    assert (progress.fraction, progress.seconds_left) == (fraction, left)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "500/1,000 objects, 1.9/3.9 MiB, 97.7 KiB/s, 21.0 s left"),
        ({"retries": 1}, "500/1,000 objects, 1.9/3.9 MiB, 97.7 KiB/s, 21.0 s left, 1 retry"),
        ({"retries": 1200}, "500/1,000 objects, 1.9/3.9 MiB, 97.7 KiB/s, 21.0 s left, 1,200 retries"),
        ({"rate": 100.0}, "500/1,000 objects, 1.9/3.9 MiB, 100 bytes/s, 5:50:00 left"),
        ({"total_bytes": None}, "500/1,000 objects, 1.9 MiB, 97.7 KiB/s, 10.0 s left"),
        ({"total_bytes": 8_589_934_592}, "500/1,000 objects, 0.0/8.0 GiB, 97.7 KiB/s, 23:51:19 left"),
        ({"objects": 0, "total_objects": 1}, "0/1 object, 1.9/3.9 MiB, 97.7 KiB/s, 21.0 s left"),
        ({"bytes": 0, "total_bytes": 0, "rate": 0.0}, "500/1,000 objects, 10.0 s left"),
        ({"total_objects": None, "bytes": 0, "total_bytes": 0}, "500 objects"),
        (
            {"done": True, "objects": 1000, "bytes": 4_100_000, "retries": 2},
            "1,000 objects, 3.9 MiB, 400.4 KiB/s, in 10.0 s, 2 retries",
        ),
        (
            {"done": True, "objects": 1, "total_objects": 1, "bytes": 999_600_000_000_000, "seconds": 3725.2},
            "1 object, 909.1 TiB, 249.9 GiB/s, in 1:02:05",
        ),
        ({"done": True, "bytes": 0, "total_bytes": 0, "seconds": 0.0}, "500 objects, in 0.0 s"),
        ({"operation": "list", "objects": 1, "total_objects": None, "total_bytes": 0, "bytes": 0}, "1 entry"),
    ],
)
def test_in_words(changed, expected):
    assert in_words(HALF._replace(**changed)) == expected
