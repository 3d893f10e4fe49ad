from typing import Callable

import pytest

from metaflow_extensions.fasts3.doctor import speed
from metaflow_extensions.fasts3.doctor.context import Context
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


@pytest.mark.parametrize(("each", "count"), [(0.001, 10), (0.7, 3), (5.0, 1)])
def test_far_away_a_few_small_requests_have_to_do(
    each: float, count: int, context_of: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(endpoint_url="http://nowhere.invalid", aws_access_key_id="id", aws_secret_access_key="s")
    monkeypatch.setattr(context.s3, "info", lambda *_, **__: None)
    monkeypatch.setattr(speed, "_timed", lambda do: each)
    found = speed.check_round_trip(context)
    assert found.message == f"A small request takes {each * 1000:.1f} ms (median of {count})."
