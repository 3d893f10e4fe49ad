import pytest

from metaflow_extensions.fasts3.doctor.speed import LARGE, MIB, size_for


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        (0.0, LARGE),  # a clock that has not moved
        (0.001, LARGE),
        (0.1, 20 * MIB),
        (1.0, 2 * MIB),
        (60.0, MIB),
    ],
)
def test_as_much_is_moved_as_takes_a_few_seconds(seconds: float, size: int) -> None:
    assert size_for(seconds) == size
