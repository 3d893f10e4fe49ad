"""Validates the limits that a user sets for one client."""

import math
import operator
from numbers import Real
from typing import Any, Optional

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.boto.settings import Chosen
from metaflow_extensions.fasts3.plans.pieces import LEAST_PART, MOST_PART, PART_SIZE

LEAST_BANDWIDTH = 1024  # bytes per second; a lower value probably means megabytes


def chosen_limits(max_connections: Any, max_bandwidth: Any, part_size: Any) -> Chosen:
    """The limits as numbers; raises MetaflowS3Exception for an invalid one."""
    connections, bandwidth, size = _integer(max_connections), _bandwidth(max_bandwidth), _integer(part_size)
    if max_connections is not None and (connections is None or connections < 1):
        raise MetaflowS3Exception(
            f"max_connections is {max_connections!r:.80}; it must be a whole number of requests, 1 or more, or None."
        )
    if part_size is not None and size is None:
        raise MetaflowS3Exception(f"part_size is {part_size!r:.80}; it must be a whole number of bytes, or None.")
    if size is not None and not LEAST_PART <= size <= MOST_PART:
        raise MetaflowS3Exception(
            f"part_size is {part_size!r:.80}, in bytes; it must be from {LEAST_PART:,} bytes (5 MiB) to "
            f"{MOST_PART:,} bytes (5 GiB). For MiB, multiply by 2**20, e.g. part_size=64 * 2**20."
        )
    return Chosen(connections, bandwidth, size or PART_SIZE)


def checked_failure_rate(given: Any) -> float:
    """Return `inject_failure_rate` as a number; raises MetaflowS3Exception if it is not a percentage."""
    if isinstance(given, Real) and not isinstance(given, bool) and 0 <= float(given) <= 100:
        return float(given)
    raise MetaflowS3Exception(f"inject_failure_rate is {given!r:.80}; it must be a percentage, from 0 to 100.")


def _bandwidth(given: Any) -> Optional[float]:
    if given is None:
        return None
    try:
        number = float(given) if isinstance(given, Real) and not isinstance(given, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number <= 0:
        raise MetaflowS3Exception(
            f"max_bandwidth is {given!r:.80}; it must be a number of bytes per second above 0, or None for no limit."
        )
    if number < LEAST_BANDWIDTH:
        raise MetaflowS3Exception(
            f"max_bandwidth is {given!r:.80}, in bytes per second: it must be at least {LEAST_BANDWIDTH:,}. "
            f"For MiB per second, multiply by 2**20: max_bandwidth={number:g} * 2**20."
        )
    return number


def _integer(given: Any) -> Optional[int]:
    """The value as an int, also of NumPy's integers; None for other values."""
    if isinstance(given, bool):
        return None
    try:
        return operator.index(given)
    except TypeError:
        return None
