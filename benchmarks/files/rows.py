"""The rows: what is read or written, and from how far."""

from typing import NamedTuple

MB = 10**6
FAR = 0.02  # seconds that each response is late


class Row(NamedTuple):
    """One row of the table."""

    name: str
    verb: str  # of `turn.VERBS`
    seconds_away: float
    rows: int = 0  # of the table
    size: int = 0  # bytes of the object

    @property
    def amount(self) -> int:
        """The size in the unit of its verb; see `turn.Order`."""
        return self.rows or self.size


ROWS = (
    Row("2 of 20 columns of a 500 MB Parquet file, 20 ms away", "columns", FAR, rows=500 * MB // 160),
    Row("read 500 MB", "read", 0.0, size=500 * MB),
    Row("read 500 MB, 20 ms away", "read", FAR, size=500 * MB),
    Row("write 500 MB", "write", 0.0, size=500 * MB),
    Row("write 500 MB, 20 ms away", "write", FAR, size=500 * MB),
)
SMOKE = (
    Row("2 of 20 columns of a 3 MB Parquet file", "columns", 0.0, rows=20_000),
    Row("read 10 MB", "read", 0.0, size=10 * MB),
    Row("write 10 MB", "write", 0.0, size=10 * MB),
)
