"""The rows: large calls, and their memory limits."""

from fnmatch import fnmatchcase
from typing import NamedTuple

KB, MB, GB = 2**10, 2**20, 2**30


class Row(NamedTuple):
    """One call."""

    name: str
    call: str  # which of work.CALLS
    objects: int
    size: int  # bytes of each
    limit: int = 400 * MB  # of the whole process tree, at the peak, the user's own data included
    needs: str = ""  # the call that stores the objects for this one


def rows(objects: int, large: int, keys: int) -> "tuple[Row, ...]":
    """Return the rows.

    Parameters
    ----------
    objects : int
        Of 1 KB.
    large : int
        Bytes of a large object.
    keys : int
        Of a prefix that is listed.
    """
    small, file, share = f"{objects:,} x 1 KB", f"{large // MB:,} MB", large // 400
    return (
        Row(f"put_many, {small}", "put_many", objects, KB),
        Row(f"put_many of a generator, {small}", "put_many of a generator", objects, KB),
        Row(f"put_many of a generator, 400 x {share // KB:,} KB", "put_many of a generator", 400, share),
        Row(f"put_files, {small}", "put_files", objects, KB),
        Row(f"get_many, {small}", "get_many", objects, KB, needs="put_many"),
        Row(f"get_recursive, {small}", "get_recursive", objects, KB, needs="put_many"),
        Row(f"info_many, {small}", "info_many", objects, KB, needs="put_many"),
        Row(f"put_files, {file}", "put_files", 1, large),
        Row(f"put of an open file, {file}", "put", 1, large),
        Row(f"get, {file}", "get", 1, large, needs="put_files"),
        Row(f"list_recursive, {keys:,} keys", "list_recursive", keys, 0, limit=GB),
    )


FULL = rows(100_000, 8 * GB, 1_000_000)
SMOKE = rows(2_000, 80 * MB, 20_000)


def matching(among: "tuple[Row, ...]", pattern: str) -> "tuple[Row, ...]":
    """Return the rows whose name contains the pattern; ``*`` and ``?`` are wildcards."""
    return tuple(row for row in among if fnmatchcase(row.name, f"*{pattern}*"))
