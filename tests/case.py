"""Several cases in one test: a failure names its case."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def case(*name: object) -> Iterator[None]:
    """Name the case in the failures of this block."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        said = ", ".join(repr(part) if isinstance(part, bytes) else str(part) for part in name)
        raise AssertionError(f"in the case {said!r}: {type(error).__name__}: {error}") from error
